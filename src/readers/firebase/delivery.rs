//! Brings one batch into the database, or says why it can't yet.
//!
//! # Promises
//! - A temporary error and wrong credentials are waited out; nothing is skipped.
//! - A refused batch is halved down to the value that is refused, and only that is set aside; but not
//!   before a write of our own making was accepted, so that a database that refuses everything is
//!   not taken for bad data.
//! - The position goes into the database with the last piece of a batch, never before.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, select};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::backoff::Backoff;
use super::client::{Ack, Client, WriteError};
use super::cursor::Cursor;
use super::failed::FailedItem;
use super::outage_log::{Line, OutageLog};
use super::status::{MirrorStatus, Trouble};
use super::writes::{Limits, Writes};

/// Retries that may wait in an outage; more of them become one of all items.
const MAX_RETRIES: usize = 64;

/// What the handle asks of the thread.
pub(super) enum Command {
    /// Try the failed items again: all, or those of one record.
    Retry(Option<u64>),
    /// Look at the deadline.
    Stop,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is in the database, or set aside.
    Done,
    /// It is not, and more may have come in the meantime: read again.
    Reread,
    /// It is not, and the mirror is to end.
    Stop,
}

pub(super) struct Delivery {
    pub runtime: Runtime,
    pub client: Client,
    pub cursor: Cursor,
    pub status: Arc<MirrorStatus>,
    pub journal_id: String,
    /// Escaped path of our position in the database.
    pub position_path: String,
    pub limits: Limits,
    pub backoff: Backoff,
    pub outage: OutageLog,
    /// Lines about a position that can't be saved.
    pub unsaved: OutageLog,
    pub commands: Receiver<Command>,
    /// Set once the mirror is to end: when it has to have ended.
    pub deadline: watch::Receiver<Option<Instant>>,
    pub retries: Vec<Option<u64>>,
}

impl Delivery {
    /// Sends `writes`; with the last piece also the position `seq`, if given.
    pub fn deliver(&mut self, writes: Writes, seq: Option<u64>) -> Flow {
        let mut pieces = vec![writes];
        let mut is_whole = true;
        while let Some(piece) = pieces.pop() {
            if piece.n_paths() > 1 && piece.exceeds(self.limits) {
                halve(piece, &mut pieces);
                is_whole = false;
                continue;
            }
            let carried = seq.filter(|_| pieces.is_empty());
            let position = carried.map(|it| self.position(it));
            let position = position
                .as_ref()
                .map(|it| (self.position_path.as_str(), it));
            let err = match self.send(piece.to_body(position)) {
                Ok(_) => {
                    self.accepted(&piece);
                    continue;
                }
                Err(WriteError::Refused { .. }) if piece.n_paths() > 1 => {
                    halve(piece, &mut pieces);
                    is_whole = false;
                    continue;
                }
                Err(WriteError::Refused { status, reason }) => {
                    match self.set_aside(&piece, carried, status, &reason) {
                        Ok(()) => continue,
                        Err(err) => err,
                    }
                }
                Err(err) => err,
            };
            match self.wait_out(&err) {
                Flow::Stop => return Flow::Stop,
                // Nothing of it is in yet: a fresh reading may coalesce more into one request.
                _ if is_whole && seq.is_some() => return Flow::Reread,
                _ => pieces.push(piece),
            }
        }
        Flow::Done
    }

    /// Moves the position, in memory and on disk.
    pub fn acknowledge(&mut self, seq: u64) {
        self.cursor.acknowledge(&self.journal_id, seq);
        self.save();
        self.status.set_acked(seq);
    }

    /// Last acknowledged sequence of this journal, if any.
    pub fn acked(&self) -> Option<u64> {
        self.cursor.position_in(&self.journal_id)
    }

    pub fn is_stopping(&self) -> bool {
        self.deadline.borrow().is_some()
    }

    /// Tells about an error and waits before the next try; a command ends the wait early.
    pub fn wait_out(&mut self, err: &WriteError) -> Flow {
        if self.is_stopping() {
            return Flow::Stop;
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
                error!(error = %err, acked_seq, "Firebase refuses us; the mirror waits for it to be put right.");
            }
            (Some(Line::Lasts(time)), _) => {
                let for_s = time.as_secs();
                warn!(error = %err, acked_seq, for_s, "Firebase is out of reach for {for_s} s.");
            }
            (None, _) => {}
        }
        let wait = self.backoff.next(rand::random(), retry_after);
        self.pause(wait)
    }

    /// Waits, or less if a command comes.
    pub fn pause(&mut self, wait: Duration) -> Flow {
        select! {
            recv(self.commands) -> command => self.note(command.ok()),
            default(wait) => {}
        }
        if self.is_stopping() {
            Flow::Stop
        } else {
            Flow::Reread
        }
    }

    /// Keeps what a command asks until it can be done.
    pub fn note(&mut self, command: Option<Command>) {
        let Some(Command::Retry(which)) = command else {
            return;
        };
        if self.retries.len() >= MAX_RETRIES {
            self.retries = vec![None];
        } else if !self.retries.contains(&which) {
            self.retries.push(which);
        }
    }

    fn accepted(&mut self, piece: &Writes) {
        self.recovered();
        if self.cursor.failed_mut().settle(piece) {
            self.failed_changed();
        }
    }

    fn recovered(&mut self) {
        self.backoff.reset();
        self.status.set_trouble(None);
        if let Some(time) = self.outage.succeeded(Instant::now()) {
            let for_s = time.as_secs();
            info!(for_s, "Firebase takes our writes again after {for_s} s.");
        }
    }

    /// Sets the only path of `piece` aside, if it is the culprit.
    ///
    /// # Errors
    /// It is not, as a write of our own is not accepted either; or the list is full.
    fn set_aside(
        &mut self,
        piece: &Writes,
        carried: Option<u64>,
        status: u16,
        reason: &str,
    ) -> Result<(), WriteError> {
        let position = self.position(carried.or(self.acked()).unwrap_or(0));
        let own = Writes::new().to_body(Some((self.position_path.as_str(), &position)));
        // Repeated by itself: in a flapping database the two may never succeed in a row.
        while let Err(err) = self.send(own.clone()) {
            if let WriteError::Refused { status, reason } = err {
                let reason = format!("everything is refused with {status}: {reason}");
                return Err(WriteError::Misconfigured { reason });
            }
            if self.wait_out(&err) == Flow::Stop {
                return Err(err);
            }
        }
        for (path, seq, value) in piece.iter() {
            if self.cursor.failed().is_full_for(path) {
                return Err(WriteError::Misconfigured {
                    reason: "too many values were set aside; put them right and retry them".into(),
                });
            }
            warn!(
                seq,
                path, status, "Firebase refuses `{path}`; it is set aside."
            );
            self.cursor.failed_mut().set_aside(FailedItem {
                seq,
                path: path.to_owned(),
                reason: format!("{status}: {reason}"),
                at: Timestamp::now(),
                value: value.clone(),
            });
        }
        self.recovered();
        self.failed_changed();
        Ok(())
    }

    fn failed_changed(&mut self) {
        self.status.set_failed(self.cursor.failed().as_slice());
        self.save();
    }

    fn save(&mut self) {
        match self.cursor.save() {
            Ok(()) => {
                self.unsaved.succeeded(Instant::now());
                self.status.set_saved(self.acked().unwrap_or(0));
            }
            // A restart would send again what it does not know of, which is harmless.
            Err(err) => {
                if self
                    .unsaved
                    .failed(Trouble::Refused, Instant::now())
                    .is_some()
                {
                    error!(error = %err, "The mirror's position can't be saved.");
                }
            }
        }
    }

    fn position(&self, seq: u64) -> Value {
        json!({"journal_id": self.journal_id, "seq": seq, "updated_at": {".sv": "timestamp"}})
    }

    /// One request; cut short at the deadline.
    fn send(&mut self, body: Bytes) -> Result<Ack, WriteError> {
        let mut deadline = self.deadline.clone();
        let client = &mut self.client;
        self.runtime.block_on(async move {
            let stopped = async {
                let at = deadline
                    .wait_for(Option::is_some)
                    .await
                    .ok()
                    .and_then(|it| *it);
                tokio::time::sleep_until(at.unwrap_or_else(Instant::now).into()).await;
            };
            tokio::select! {
                biased;
                done = client.patch(body) => done,
                () = stopped => Err(WriteError::Temporary {
                    reason: "the server stops".to_owned(),
                    retry_after: None,
                }),
            }
        })
    }
}

/// Puts the halves on the stack so that the first one is next.
fn halve(piece: Writes, pieces: &mut Vec<Writes>) {
    let (first, second) = piece.split_half();
    pieces.extend([second, first]);
}
