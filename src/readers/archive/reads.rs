//! A few connections that only read, for people who ask about the past.
//!
//! # Promises
//! - No server thread waits for the disk: questions run on threads for blocking work.
//! - Nobody waits longer than [`LONGEST`] for a question that runs, and none runs on much longer,
//!   or when nobody waits for its answer any more.
//! - What waits is bounded, in number and in time.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::ArchiveError;
use super::query::{
    Action, AskError, Find, HistoryQuestion, Page, PastCall, RecordedRun, RunsQuestion,
    SearchQuestion, Team, TeamQuestion, Transcript, actions, history, known_runs, lay_out, runs,
    search, team, transcript,
};
use crate::domain::{CallId, RunId};

/// Questions that run at a time. Each has its own page cache.
const CONNECTIONS: usize = 4;
const CACHE_KIB: i32 = 4_096;
/// Questions that wait for one of them, and for how long.
const MAX_WAITING: usize = 64;
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest that a question runs.
pub const LONGEST: Duration = Duration::from_secs(2);
/// Steps of the database's machine between two looks at the clock: some microseconds.
const STEPS: i32 = 1_000;

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

    /// Finished work, newest first.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn runs(
        self: &Arc<Self>,
        asked: RunsQuestion,
    ) -> Result<Page<RecordedRun>, AskError> {
        self.ask(move |db| runs(db, &asked)).await
    }

    /// Which of these runs are recorded.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn known_runs(self: &Arc<Self>, ids: Vec<RunId>) -> Result<Vec<RunId>, AskError> {
        self.ask(move |db| Ok(known_runs(db, &ids)?)).await
    }

    /// What everybody did, day by day.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn team(self: &Arc<Self>, asked: TeamQuestion) -> Result<Team, AskError> {
        self.ask(move |db| Ok(team(db, asked)?)).await
    }

    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        question: impl FnOnce(&Connection) -> Result<T, AskError> + Send + 'static,
    ) -> Result<T, AskError> {
        let permit = self.permit().await?;
        let asker = Asker::default();
        let is_gone = Arc::clone(&asker.is_gone);
        let reads = Arc::clone(self);
        let running = tokio::task::spawn_blocking(move || {
            let db = reads.idle().pop();
            let mut lent = Lent { db, reads, _permit: permit };
            let answer = lent.open(is_gone).and_then(|db| answered(db, question));
            match answer {
                Err(AskError::Archive(err)) if was_stopped(&err) => {
                    Err(AskError::TooSlow { seconds: LONGEST.as_secs() })
                }
                Err(AskError::Archive(err)) => {
                    // Perhaps the file is another one by now.
                    lent.db = None;
                    Err(err.into())
                }
                other => other,
            }
        });
        // The database looks at the clock between two finds only, and for one it may read all of an
        // index. It goes on to there and is stopped; who asked is told now.
        let Ok(ran) = tokio::time::timeout(LONGEST, running).await else {
            return Err(AskError::TooSlow { seconds: LONGEST.as_secs() });
        };
        ran.map_err(|_| ArchiveError::Impossible("a question that panics".to_owned()))?
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
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    lay_out(&db)?;
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

/// A connection that comes back when the question is done with it, a panic included.
struct Lent {
    reads: Arc<Reads>,
    db: Option<Connection>,
    /// Goes after the connection has come back.
    _permit: OwnedSemaphorePermit,
}

impl Lent {
    /// The connection, which stops what runs on it when it is late or nobody waits any more.
    fn open(&mut self, is_gone: Arc<AtomicBool>) -> Result<&Connection, AskError> {
        let mut db = match self.db.take() {
            Some(db) => db,
            None => connection(&self.reads.path)?,
        };
        let late = Instant::now() + LONGEST;
        let stops = move || is_gone.load(Ordering::Relaxed) || Instant::now() >= late;
        db.progress_handler(STEPS, Some(stops)).map_err(ArchiveError::from)?;
        Ok(self.db.insert(db))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            self.reads.idle().push(db);
        }
    }
}

/// Whoever waits for an answer: gone when dropped.
#[derive(Default)]
struct Asker {
    is_gone: Arc<AtomicBool>,
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.is_gone.store(true, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::archive::Store;

    const ENDLESS: &str =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";

    fn endless(db: &Connection) -> Result<i64, AskError> {
        Ok(db.query_row(ENDLESS, [], |row| row.get(0)).map_err(ArchiveError::from)?)
    }

    fn archive() -> (tempfile::TempDir, Arc<Reads>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        drop(Store::open(&path).unwrap());
        let reads = Reads::new(path);
        (folder, reads)
    }

    #[tokio::test]
    async fn a_question_without_an_end_is_stopped() {
        let (_folder, reads) = archive();
        let began = Instant::now();

        let answer = reads.ask(endless).await;

        assert!(matches!(answer, Err(AskError::TooSlow { seconds: 2 })), "{answer:?}");
        assert!(began.elapsed() >= LONGEST);
        assert_eq!(reads.ask(|_| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn who_asks_is_told_in_time_even_if_the_database_does_not_look_at_the_clock() {
        let (_folder, reads) = archive();
        let (go_on, goes_on) = std::sync::mpsc::channel::<()>();

        let answer = reads.ask(move |_| Ok(goes_on.recv().is_ok())).await;

        assert!(matches!(answer, Err(AskError::TooSlow { seconds: 2 })), "{answer:?}");
        assert_eq!(reads.permits.available_permits(), CONNECTIONS - 1, "it has its place still");
        go_on.send(()).unwrap();
        let freed = async {
            while reads.permits.available_permits() < CONNECTIONS {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONGEST * 5, freed).await.expect("the place is free again");
    }

    #[tokio::test]
    async fn questions_that_nobody_waits_for_end_and_their_places_are_free_again() {
        let (_folder, reads) = archive();
        for _ in 0..3 {
            let asked: Vec<_> = (0..CONNECTIONS)
                .map(|_| {
                    let reads = Arc::clone(&reads);
                    tokio::spawn(async move { reads.ask(endless).await })
                })
                .collect();
            // Some have begun, some not yet: both must end.
            tokio::task::yield_now().await;
            asked.iter().for_each(tokio::task::JoinHandle::abort);
            let freed = async {
                while reads.permits.available_permits() < CONNECTIONS {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(LONGEST * 5, freed).await.expect("the places are free again");
        }

        assert_eq!(reads.ask(|_| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn more_questions_than_can_wait_are_refused_at_once() {
        let (_folder, reads) = archive();
        let ask = || {
            let reads = Arc::clone(&reads);
            tokio::spawn(async move { reads.ask(endless).await })
        };
        let running: Vec<_> = (0..CONNECTIONS + MAX_WAITING).map(|_| ask()).collect();
        while reads.n_waiting.load(Ordering::Relaxed) < MAX_WAITING {
            tokio::task::yield_now().await;
        }

        let refused = reads.ask(|_| Ok(7)).await;

        assert!(matches!(refused, Err(AskError::Busy)), "{refused:?}");
        running.iter().for_each(tokio::task::JoinHandle::abort);
    }
}
