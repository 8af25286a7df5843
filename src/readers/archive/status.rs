//! What others may know of the archive, and what they may ask of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use tokio::sync::watch;

use super::error::ArchiveError;
use crate::domain::Seq;

/// Between two looks of somebody who waits on a thread.
const LOOK: Duration = Duration::from_millis(10);

/// How the archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveState {
    #[default]
    Following,
    /// It cannot write or read for now; it tries again.
    Failing,
    /// It is damaged, or failed by a defect: somebody has to act.
    Stopped,
}

/// `archive` in `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveStatus {
    pub healthy: bool,
    pub state: ArchiveState,
    /// The last record that is in it.
    pub cursor_seq: Seq,
    /// The last record that is in it whatever happens to the machine.
    pub durable_seq: Seq,
    /// Records that it is behind.
    pub behind: u64,
    /// Records before this one were gone when it would have read them; 1 if it has all.
    pub complete_from: Seq,
    pub calls: u64,
    pub size_bytes: u64,
    /// What is wrong, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How leaving no trace went; what is wrong if it did not.
pub type Scrubbed = Result<(), String>;

/// Those who may wait to be scrubbed for at a time.
const SCRUBS: usize = 8;

/// The archive as the rest of the server sees it.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    cursor: watch::Sender<Seq>,
    durable: AtomicU64,
    complete_from: AtomicU64,
    calls: AtomicU64,
    records: AtomicU64,
    failures: AtomicU64,
    /// Held for memory work only.
    told: Mutex<(ArchiveState, Option<String>)>,
    /// Somebody waits: gather no longer.
    hurry: (Sender<()>, Receiver<()>),
    /// Those who wait until no trace of what was deleted is left.
    scrubs: (Sender<Sender<Scrubbed>>, Receiver<Sender<Scrubbed>>),
}

impl Archive {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            cursor: watch::Sender::new(0),
            durable: AtomicU64::new(0),
            complete_from: AtomicU64::new(1),
            calls: AtomicU64::new(0),
            records: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            told: Mutex::default(),
            hurry: bounded(1),
            scrubs: bounded(SCRUBS),
        }
    }

    /// The file, for those who read it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that can only read. It sees whole batches, and holds nobody up.
    ///
    /// # Errors
    /// The database's.
    pub fn connect(&self) -> Result<Connection, ArchiveError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Connection::open_with_flags(&self.path, flags)?)
    }

    /// The last record that is in it.
    pub fn cursor(&self) -> Seq {
        *self.cursor.borrow()
    }

    /// The last record that is in it after a power cut too: the journal has to keep what follows.
    pub fn durable_seq(&self) -> Seq {
        self.durable.load(Ordering::Acquire)
    }

    /// Records that it has taken in since the start.
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Failed tries since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Ends its thread's rest, if it takes one.
    pub fn hurry_up(&self) {
        let _ = self.hurry.0.try_send(());
    }

    /// Waits until the record is in it, at most for `patience`; whether it is. For those who must
    /// find what they have just changed.
    pub async fn wait_for(&self, seq: Seq, patience: Duration) -> bool {
        if self.cursor() >= seq {
            return true;
        }
        let mut cursor = self.cursor.subscribe();
        self.hurry_up();
        let arrived = cursor.wait_for(|it| *it >= seq);
        matches!(tokio::time::timeout(patience, arrived).await, Ok(Ok(_)))
    }

    /// Waits until the record is in it, and no trace of what was deleted up to there is left in any
    /// of its files. Blocks.
    ///
    /// # Errors
    /// Why it is not so after `patience`, in words.
    pub fn scrub(&self, seq: Seq, patience: Duration) -> Scrubbed {
        let deadline = Instant::now() + patience;
        let is_late = || {
            let why = self.trouble().map_or_else(|| "it is behind".to_owned(), |it| it.1);
            format!("the archive has not taken it in: {why}")
        };
        while self.cursor() < seq {
            self.hurry_up();
            if Instant::now() >= deadline {
                return Err(is_late());
            }
            std::thread::sleep(LOOK);
        }
        let (reply, answer) = bounded(1);
        self.scrubs.0.send_deadline(reply, deadline).map_err(|_| is_late())?;
        answer.recv_deadline(deadline).unwrap_or_else(|_| Err(is_late()))
    }

    pub(super) fn scrubs(&self) -> &Receiver<Sender<Scrubbed>> {
        &self.scrubs.1
    }

    /// What `/status` says, given the journal's head. Looks at the files' sizes.
    pub fn status(&self, head: Seq) -> ArchiveStatus {
        let (state, reason) = self.told().clone();
        let complete_from = self.complete_from.load(Ordering::Acquire);
        let cursor_seq = self.cursor();
        let detail = reason.or_else(|| {
            (complete_from > 1).then(|| {
                format!(
                    "Records before {complete_from} were gone when the archive would have read \
                     them: calls that had ended by then are not in it. They may be in a backup of \
                     archive.db."
                )
            })
        });
        ArchiveStatus {
            healthy: state == ArchiveState::Following && complete_from <= 1,
            state,
            cursor_seq,
            durable_seq: self.durable_seq(),
            behind: head.saturating_sub(cursor_seq),
            complete_from,
            calls: self.calls.load(Ordering::Relaxed),
            size_bytes: self.size_bytes(),
            detail,
        }
    }

    /// Why it does not follow, if it does not.
    pub fn trouble(&self) -> Option<(ArchiveState, String)> {
        let (state, reason) = self.told().clone();
        (state != ArchiveState::Following).then(|| (state, reason.unwrap_or_default()))
    }

    /// The file and its log of changes.
    fn size_bytes(&self) -> u64 {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let size = |path: &Path| fs::metadata(path).map_or(0, |it| it.len());
        size(&self.path) + size(Path::new(&log))
    }

    pub(super) fn hurry(&self) -> &Receiver<()> {
        &self.hurry.1
    }

    pub(super) fn stands_at(&self, seq: Seq, n_calls: u64) {
        self.calls.store(n_calls, Ordering::Relaxed);
        self.cursor.send_if_modified(|own| std::mem::replace(own, seq) != seq);
    }

    pub(super) fn took_in(&self, n_records: usize) {
        self.records.fetch_add(n_records as u64, Ordering::Relaxed);
    }

    pub(super) fn set_complete_from(&self, seq: Seq) {
        self.complete_from.store(seq, Ordering::Release);
    }

    pub(super) fn set_durable(&self, seq: Seq) {
        self.durable.store(seq, Ordering::Release);
    }

    pub(super) fn failed(&self, state: ArchiveState, reason: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        *self.told() = (state, Some(reason));
    }

    pub(super) fn recovered(&self) {
        *self.told() = (ArchiveState::Following, None);
    }

    fn told(&self) -> MutexGuard<'_, (ArchiveState, Option<String>)> {
        // Every write leaves it whole, so a panic elsewhere is no reason to stop telling.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_when_it_is_there_or_when_it_takes_too_long() {
        let archive = Arc::new(Archive::new("archive.db".into()));
        assert!(!archive.wait_for(3, Duration::from_millis(1)).await);
        assert!(archive.hurry().try_recv().is_ok(), "the thread is asked to hurry");

        let waiting = Arc::clone(&archive);
        let waiting = tokio::spawn(async move { waiting.wait_for(3, Duration::MAX).await });
        while archive.hurry().is_empty() {
            tokio::task::yield_now().await;
        }
        archive.stands_at(2, 1);
        archive.stands_at(4, 1);

        assert!(waiting.await.unwrap());
        assert!(archive.wait_for(4, Duration::ZERO).await);
    }

    #[test]
    fn what_is_missing_is_said_and_what_is_wrong_comes_first() {
        let archive = Archive::new("archive.db".into());
        archive.stands_at(5, 1);
        let status = archive.status(7);
        assert!(status.healthy && status.detail.is_none() && archive.trouble().is_none());
        assert_eq!((status.cursor_seq, status.behind), (5, 2));

        archive.set_complete_from(4);
        let status = archive.status(7);
        assert!(!status.healthy && status.state == ArchiveState::Following);
        assert!(status.detail.is_some_and(|it| it.contains("before 4")));

        archive.failed(ArchiveState::Failing, "no room".to_owned());
        assert_eq!(archive.status(7).detail.as_deref(), Some("no room"));
        assert_eq!(archive.trouble(), Some((ArchiveState::Failing, "no room".to_owned())));
        archive.recovered();
        assert_eq!((archive.trouble(), archive.failures()), (None, 1));
    }
}
