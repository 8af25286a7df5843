//! A few connections that only read, for people who ask about the past.
//!
//! # Promises
//! - No server thread waits for the disk: questions run on threads for blocking work.
//! - No question runs longer than [`LONGEST`], or on when nobody waits for its answer any more.
//! - What waits is bounded, in number and in time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, InterruptHandle, OpenFlags};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ArchiveError;
use super::query::{
    Action, AskError, Find, HistoryQuestion, Page, PastCall, SearchQuestion, Transcript, actions,
    history, search, transcript,
};
use crate::domain::CallId;

/// Questions that run at a time. Each has its own page cache.
const CONNECTIONS: usize = 4;
const CACHE_KIB: i32 = 4_096;
/// Questions that wait for one of them, and for how long.
const MAX_WAITING: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest that a question runs.
pub const LONGEST: Duration = Duration::from_secs(2);

pub struct Reads {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// One for each connection.
    permits: Arc<Semaphore>,
    n_waiting: AtomicUsize,
}

impl std::fmt::Debug for Reads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reads").field("n_waiting", &self.n_waiting).finish_non_exhaustive()
    }
}

impl Reads {
    /// Of an archive that need not be there yet: it is opened when somebody asks.
    pub fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            n_waiting: AtomicUsize::new(0),
        })
    }

    /// Past calls, newest first.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn history(
        self: &Arc<Self>,
        asked: HistoryQuestion,
    ) -> Result<Page<PastCall>, AskError> {
        self.ask(move |db| history(db, &asked)).await
    }

    /// Everything said, by its words.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn search(self: &Arc<Self>, asked: SearchQuestion) -> Result<Page<Find>, AskError> {
        self.ask(move |db| search(db, &asked)).await
    }

    /// One call with all that was said and done in it.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn transcript(self: &Arc<Self>, id: CallId) -> Result<Option<Transcript>, AskError> {
        self.ask(move |db| Ok(transcript(db, id)?)).await
    }

    /// What was done to a call.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn actions(self: &Arc<Self>, id: CallId) -> Result<Vec<Action>, AskError> {
        self.ask(move |db| Ok(actions(db, id)?)).await
    }

    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Connection) -> Result<T, AskError> + Send + 'static,
    ) -> Result<T, AskError> {
        let permit = self.permit().await?;
        let stop = Stop::default();
        // Also when the asker goes away in the middle.
        let mut asker = Asker { stop: Arc::clone(&stop), is_late: false };
        let reads = Arc::clone(self);
        let mut running = tokio::task::spawn_blocking(move || {
            let db = reads.idle().pop();
            let mut lent = Lent { db, reads, stop, _permit: permit };
            let answer = lent.open().and_then(|db| answered(db, question));
            if matches!(&answer, Err(AskError::Archive(err)) if !was_stopped(err)) {
                // Perhaps the file is another one by now.
                lent.db = None;
            }
            answer
        });
        let finished = match tokio::time::timeout(LONGEST, &mut running).await {
            Ok(finished) => finished,
            Err(_) => {
                asker.stop();
                running.await
            }
        };
        let impossible = |_| ArchiveError::Impossible("a question that panics".to_owned());
        match finished.map_err(impossible)? {
            Err(AskError::Archive(err)) if asker.is_late && was_stopped(&err) => {
                Err(AskError::TooSlow { seconds: LONGEST.as_secs() })
            }
            other => other,
        }
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, AskError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let waiting = Waiting::new(&self.n_waiting).ok_or(AskError::Busy)?;
        let permit =
            tokio::time::timeout(PATIENCE, Arc::clone(&self.permits).acquire_owned()).await;
        drop(waiting);
        permit.ok().and_then(Result::ok).ok_or(AskError::Busy)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn was_stopped(err: &ArchiveError) -> bool {
    let ArchiveError::Database(err) = err else { return false };
    err.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

fn connection(path: &Path) -> Result<Connection, ArchiveError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "query_only", true)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.set_prepared_statement_cache_capacity(32);
    Ok(db)
}

/// All that a question looks at is of one moment.
fn answered<T>(
    db: &Connection,
    question: impl FnOnce(&Connection) -> Result<T, AskError>,
) -> Result<T, AskError> {
    let moment = db.unchecked_transaction().map_err(ArchiveError::from)?;
    let answer = question(&moment)?;
    moment.finish().map_err(ArchiveError::from)?;
    Ok(answer)
}

/// How to stop a question, while it runs.
type Stop = Arc<Mutex<Option<InterruptHandle>>>;

/// A connection that comes back when the question is done with it, a panic included.
struct Lent {
    reads: Arc<Reads>,
    db: Option<Connection>,
    stop: Stop,
    /// Goes after the connection has come back.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    fn open(&mut self) -> Result<&Connection, AskError> {
        let db = match self.db.take() {
            Some(db) => db,
            None => connection(&self.reads.path)?,
        };
        let handle = db.get_interrupt_handle();
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
        Ok(self.db.insert(db))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // From here on nobody may stop it: the next question is somebody else's.
        self.stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(db) = self.db.take() {
            self.reads.idle().push(db);
        }
    }
}

/// Stops the question when dropped.
struct Asker {
    stop: Stop,
    is_late: bool,
}

impl Asker {
    fn stop(&mut self) {
        self.is_late = true;
        self.interrupt();
    }

    fn interrupt(&self) {
        if let Some(handle) = &*self.stop.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.interrupt();
        }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.interrupt();
    }
}

/// One of those who wait.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(n_waiting: &'a AtomicUsize) -> Option<Self> {
        let waiting = Self(n_waiting);
        (n_waiting.fetch_add(1, Ordering::Relaxed) < MAX_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
