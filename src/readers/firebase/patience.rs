//! Waiting: how long, what to tell meanwhile, and what ends it early.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select};
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::backoff::Backoff;
use super::client::WriteError;
use super::failed::Which;
use super::outage_log::{Line, OutageLog};
use super::status::{MirrorStatus, Trouble};

/// Retries that may wait in an outage; more of them become one of all items.
const MAX_RETRIES: usize = 64;

/// What the handle asks of the thread.
pub(super) enum Command {
    /// Try failed items again.
    Retry(Which),
    /// Let go of what was refused of erased calls.
    Forget(Forget),
    /// Put the position on disk, and what is kept with it; whether it is there.
    Save(Sender<bool>),
    /// Look at the deadline.
    Stop,
}

/// Calls that were erased.
pub(super) struct Forget {
    /// Escaped paths.
    pub paths: Vec<String>,
    /// The record from which on nothing of them comes any more.
    pub seq: u64,
    /// Told once nothing of them is kept; whether that is on disk.
    pub reply: Sender<bool>,
}

/// After a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waited {
    /// It is time for another try.
    Enough,
    /// The mirror is to end.
    Stop,
}

pub(super) struct Patience {
    pub status: Arc<MirrorStatus>,
    pub backoff: Backoff,
    pub outage: OutageLog,
    pub commands: Receiver<Command>,
    /// Set once the mirror is to end: when it has to have ended.
    pub deadline: watch::Receiver<Option<Instant>>,
    pub retries: Vec<Which>,
    pub forgets: Vec<Forget>,
    /// Who waits for the position to be on disk.
    pub saves: Vec<Sender<bool>>,
}

impl Patience {
    pub fn is_stopping(&self) -> bool {
        self.deadline.borrow().is_some()
    }

    /// Whether the time for a last batch is up.
    pub fn is_over(&self) -> bool {
        self.deadline.borrow().is_some_and(|it| it <= Instant::now())
    }

    /// Tells about an error and waits before the next try; a command ends the wait early.
    pub fn wait_out(&mut self, err: &WriteError) -> Waited {
        if self.is_stopping() {
            return Waited::Stop;
        }
        let (trouble, retry_after) = match err {
            WriteError::Temporary { retry_after, .. } => (Trouble::Unreachable, *retry_after),
            _ => (Trouble::Refused, None),
        };
        self.status.set_trouble(Some((trouble, err.to_string())));
        let acked_seq = self.status.acked_seq();
        match (self.outage.failed(trouble, Instant::now()), trouble) {
            (Some(Line::Began), Trouble::Unreachable) => {
                warn!(error = %err, acked_seq, "Firebase can't be reached; the mirror keeps trying.");
            }
            (Some(Line::Began), Trouble::Refused) => {
                error!(error = %err, acked_seq, "The mirror waits until this is put right.");
            }
            (Some(Line::Lasts(time)), _) => {
                let for_s = time.as_secs();
                warn!(error = %err, acked_seq, for_s, "The mirror waits since {for_s} s.");
            }
            (None, _) => {}
        }
        let wait = self.backoff.next(rand::random(), retry_after);
        self.pause(wait)
    }

    /// What failed before works again.
    pub fn recovered(&mut self) {
        self.backoff.reset();
        if let Some(time) = self.outage.succeeded(Instant::now()) {
            self.status.set_trouble(None);
            let for_s = time.as_secs();
            info!(for_s, "The mirror goes on after {for_s} s.");
        }
    }

    /// Waits, or less if a command comes.
    pub fn pause(&mut self, wait: Duration) -> Waited {
        select! {
            recv(self.commands) -> command => self.note(command.ok()),
            default(wait) => {}
        }
        if self.is_stopping() { Waited::Stop } else { Waited::Enough }
    }

    /// Keeps what a command asks until it can be done.
    pub fn note(&mut self, command: Option<Command>) {
        let which = match command {
            Some(Command::Retry(which)) => which,
            Some(Command::Forget(it)) => return self.forgets.push(it),
            Some(Command::Save(reply)) => return self.saves.push(reply),
            Some(Command::Stop) | None => return,
        };
        if self.retries.len() >= MAX_RETRIES {
            self.retries = vec![Which::default()];
        } else if !self.retries.contains(&which) {
            self.retries.push(which);
        }
    }
}
