//! The handle of the mirror: starts its thread, passes commands, stops it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::watch;
use tracing::error;

use super::backoff::{Backoff, BackoffLimits};
use super::client::{Client, ClientError, ClientSettings};
use super::contested::{Seen, TakeIn};
use super::cursor::{Cursor, CursorError};
use super::delivery::Delivery;
use super::doubt::Doubt;
use super::download::Mode;
use super::failed::Which;
use super::key::escape;
use super::outage_log::OutageLog;
use super::pace::{Bucket, Pace};
use super::patience::{Command, Forget, Patience};
use super::position::{Found, Watch};
use super::progress::Progress;
use super::status::MirrorStatus;
use super::writer::{Next, SourceError, Writer};
use super::writes::Limits;

/// Commands that may wait; more are refused, as the thread looks at one after each request.
const MAX_COMMANDS: usize = 64;

/// What a [`Mirror`] needs to know.
#[derive(Debug, Clone)]
pub struct MirrorSettings {
    pub client: ClientSettings,
    /// `data/readers/firebase.json`.
    pub cursor_file: PathBuf,
    /// Name of this node: its position is at `aurora/mirror/{node}` in the database.
    pub node: String,
    /// Journal that the sequences count in.
    pub journal_id: String,
    pub limits: Limits,
    pub backoff: BackoffLimits,
    /// Time between two lines of the log in an outage. Default 60 s.
    pub outage_line_every: Duration,
    /// Time between two savings of the position. Default 1 s.
    pub save_every: Duration,
    /// Time for a last batch when the server stops; the next start sends the rest. Default 0.5 s.
    pub flush: Duration,
    /// Time between two looks whether the database is as it was left. Default 60 s.
    pub look_every: Duration,
    /// A silence of the database after which it is looked at before anything is written. Default 5 s.
    pub silence: Duration,
    pub pace: Pace,
}

impl MirrorSettings {
    pub fn new(
        client: ClientSettings,
        cursor_file: PathBuf,
        node: String,
        journal_id: String,
    ) -> Self {
        Self {
            client,
            cursor_file,
            node,
            journal_id,
            limits: Limits::default(),
            backoff: BackoffLimits::default(),
            outage_line_every: Duration::from_secs(60),
            save_every: Duration::from_secs(1),
            flush: Duration::from_millis(500),
            look_every: Duration::from_secs(60),
            silence: Duration::from_secs(5),
            pace: Pace::default(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the mirror's thread can't be started")]
    Thread(#[source] std::io::Error),
}

/// The running mirror. Dropping it stops it.
pub struct Mirror {
    commands: Sender<Command>,
    deadline: watch::Sender<Option<Instant>>,
    flush: Duration,
    status: Arc<MirrorStatus>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    /// Starts the thread `firebase`, which writes what `source` gives.
    ///
    /// `source(after, limits)` gives what follows the sequence `after`, at most about `limits`; with
    /// `None` the database knows nothing of this journal. `bell` says that there may be more.
    /// `take_in` gets what others changed of a call there, before it is written over.
    ///
    /// # Errors
    /// - [`MirrorError::Cursor`]: the position is there and can't be read
    /// - [`MirrorError::Client`]: the credentials are none
    pub fn start<S>(
        settings: MirrorSettings,
        source: S,
        bell: Receiver<()>,
        status: Arc<MirrorStatus>,
        take_in: TakeIn,
    ) -> Result<Self, MirrorError>
    where
        S: FnMut(Option<u64>, Limits) -> Result<Next, SourceError> + Send + 'static,
    {
        let mut cursor = Cursor::open(&settings.cursor_file)?;
        let database = settings.client.target.name();
        let is_moved = cursor.database().is_some_and(|it| it != database);
        if is_moved {
            cursor.forget_position();
        }
        cursor.set_database(&database);
        let client = Client::new(settings.client, status.meter())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(MirrorError::Thread)?;
        let (commands, received) = bounded(MAX_COMMANDS);
        let (deadline, seen) = watch::channel(None);
        let acked_seq = cursor.position_in(&settings.journal_id).unwrap_or(0);
        status.meter().resume(cursor.days());
        status.wish(cursor.mode());
        status.switch(true);
        status.set_acked(acked_seq);
        status.set_saved(acked_seq);
        status.set_failed(cursor.failed().as_slice());
        let mut writer = Writer {
            source,
            bell,
            source_is_broken: false,
            rests_until: None,
            bucket: Bucket::new(settings.pace, Instant::now()),
            delivery: Delivery {
                runtime,
                client,
                progress: Progress {
                    cursor,
                    status: Arc::clone(&status),
                    journal_id: settings.journal_id,
                    save_every: settings.save_every,
                    unsaved_since: None,
                    log: OutageLog::new(settings.outage_line_every),
                },
                patience: Patience {
                    status: Arc::clone(&status),
                    backoff: Backoff::new(settings.backoff),
                    outage: OutageLog::new(settings.outage_line_every),
                    commands: received,
                    deadline: seen,
                    retries: Vec::new(),
                    forgets: Vec::new(),
                    saves: Vec::new(),
                },
                position_path: format!("aurora/mirror/{}", escape(&settings.node)),
                limits: settings.limits,
                failed_changed: false,
                forgotten: Vec::new(),
                watch: Watch::new(settings.look_every, settings.silence),
                seen: Seen::default(),
                doubt: Doubt::default(),
                is_filling: false,
                take_in,
            },
        };
        if is_moved {
            writer.delivery.notice(Found::OtherDatabase);
        }
        let run = move || {
            // A batch that was in flight is sent again, which is harmless.
            while catch_unwind(AssertUnwindSafe(|| writer.run())).is_err() {
                error!("The mirror panicked and starts again.");
                if writer.pause_after_panic() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("firebase".into()).spawn(run);
        Ok(Self {
            commands,
            deadline,
            flush: settings.flush,
            status,
            thread: Some(thread.map_err(MirrorError::Thread)?),
        })
    }

    /// Tries failed items again; in an outage also the rest.
    ///
    /// Returns how many items that concerns. They leave [`MirrorStatus::failed`] once accepted.
    pub fn retry(&self, which: &Which) -> usize {
        // A full queue already holds a retry, and the thread will get to it.
        let _ = self.commands.try_send(Command::Retry(which.clone()));
        self.status.failed().iter().filter(|it| which.is(it)).count()
    }

    /// Lets go of what was refused at these escaped paths, and of what is on its way there, up to
    /// the record `seq`. Blocks until that is on disk; whether it is, within `patience`.
    pub fn forget(&self, paths: Vec<String>, seq: u64, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let (reply, answer) = bounded(1);
        let command = Command::Forget(Forget { paths, seq, reply });
        self.commands.send_deadline(command, deadline).is_ok()
            && answer.recv_deadline(deadline) == Ok(true)
    }

    /// Follows the database as closely as a person wants from now on. Blocks until that is on disk;
    /// whether it is, within `patience`: it counts in any case, and is saved when that works.
    pub fn wish(&self, mode: Option<Mode>, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        self.status.wish(mode);
        let (reply, answer) = bounded(1);
        self.commands.send_deadline(Command::Save(reply), deadline).is_ok()
            && answer.recv_deadline(deadline) == Ok(true)
    }

    /// Sends what waits, within the flush time, and ends the thread.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.deadline.send_replace(Some(Instant::now() + self.flush));
        // A full queue wakes the thread as well, which then sees the deadline.
        let _ = self.commands.try_send(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("The mirror's thread ended by a panic.");
        }
    }
}
