//! When the file is written: after the journal has grown, on request, and again after a failure.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde::Serialize;

use super::{SnapshotError, path, save};
use crate::domain::{Call, Seq, SyncStatus};
use crate::journal::Journal;

/// The journal must have grown by this many times the last checkpoint before a new one is worth its
/// writing. Reading so much at start takes a fraction of a second.
const GROWN_TIMES: u64 = 3;
/// Between two looks: a checkpoint is never urgent, and each look wakes a thread.
const PAUSE: Duration = Duration::from_millis(200);
/// One that failed is tried again after so long, also when nobody speaks: old segments wait for it.
const RETRY: Duration = Duration::from_secs(5);
/// Without news: how often to look whether somebody else's try has failed.
const IDLE: Duration = Duration::from_secs(30);

/// The file of one data folder: written by one at a time, each later than the one before, so that
/// what was erased meanwhile does not come back with an older state.
#[derive(Debug)]
pub struct Checkpoint {
    data_dir: PathBuf,
    saved_seq: AtomicU64,
    size_bytes: AtomicU64,
    failures: AtomicU64,
    turn: Mutex<()>,
    /// Why the last try failed, if it did. Held for memory work only.
    trouble: Mutex<Option<String>>,
}

/// `checkpoint` in `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointStatus {
    /// Whether the last try succeeded.
    pub healthy: bool,
    /// Where the file on disk stands; 0 without one.
    pub saved_seq: Seq,
    /// Records beyond it: a start reads them again, and no segment that holds one goes.
    pub behind: u64,
    pub size_bytes: u64,
    /// What is wrong, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Checkpoint {
    /// `saved_seq`: where the file on disk stands; 0 without one.
    pub fn new(data_dir: PathBuf, saved_seq: Seq) -> Self {
        let size_bytes = fs::metadata(path(&data_dir)).map_or(0, |it| it.len());
        Self {
            data_dir,
            saved_seq: AtomicU64::new(saved_seq),
            size_bytes: AtomicU64::new(size_bytes),
            failures: AtomicU64::new(0),
            turn: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// Where the file on disk stands: a start needs what comes after it.
    pub fn saved_seq(&self) -> Seq {
        self.saved_seq.load(Ordering::Acquire)
    }

    /// Why the last try failed, if it did, and what to do about it.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Failed tries since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// What `/status` says, given the journal's head.
    pub fn status(&self, head: Seq) -> CheckpointStatus {
        let (detail, saved_seq) = (self.trouble(), self.saved_seq());
        CheckpointStatus {
            healthy: detail.is_none(),
            saved_seq,
            behind: head.saturating_sub(saved_seq),
            size_bytes: self.size_bytes.load(Ordering::Relaxed),
            detail,
        }
    }

    /// Puts the durable state of now on disk.
    ///
    /// # Errors
    /// [`SnapshotError::Io`]; the file that was there stays, and [`Self::trouble`] says why until
    /// another try succeeds.
    pub fn save(
        &self,
        journal: &Journal,
        sync_of: &dyn Fn(&Call) -> SyncStatus,
    ) -> Result<(), SnapshotError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, seq) = journal.snapshot_at_head();
        let saved = save(&self.data_dir, &state, journal.position(seq), sync_of);
        if let Ok(size) = saved {
            self.size_bytes.store(size, Ordering::Relaxed);
            self.saved_seq.store(seq, Ordering::Release);
        }
        self.tell(saved.as_ref().err());
        saved.map(|_| ())
    }

    /// The log has one line when it begins to fail, and one when it works again.
    fn tell(&self, err: Option<&SnapshotError>) {
        let told = err.map(|err| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            let cause =
                std::error::Error::source(err).map_or_else(String::new, |it| format!(": {it}"));
            format!("{err}{cause}. It is tried again by itself: see to the disk")
        });
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let was_well = trouble.is_none();
        trouble.clone_from(&told);
        drop(trouble);
        match told {
            Some(reason) if was_well => {
                tracing::warn!(
                    reason,
                    "A checkpoint could not be written; old segments wait for it."
                );
            }
            None if !was_well => tracing::info!("Checkpoints are written again."),
            _ => {}
        }
    }
}

/// Writes a checkpoint whenever the journal has grown enough, by `grown_bytes` at least, and again
/// when one has failed; the work of the thread `snapshot`. Returns when the journal is closed, or
/// as soon as `end` is disconnected; the last checkpoint is the caller's.
pub fn follow(
    journal: &Journal,
    bell: &Receiver<()>,
    end: &Receiver<()>,
    checkpoint: &Checkpoint,
    grown_bytes: u64,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
) {
    let bytes_now = || journal.stats().bytes.load(Ordering::Relaxed);
    let (mut tried_at_bytes, mut tried_at) = (bytes_now(), Instant::now());
    loop {
        let is_failing = checkpoint.trouble().is_some();
        let patience = if is_failing { RETRY.saturating_sub(tried_at.elapsed()) } else { IDLE };
        if bell.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
            || end.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected)
        {
            return;
        }
        let bytes = bytes_now();
        let size = checkpoint.size_bytes.load(Ordering::Relaxed);
        let has_grown = bytes - tried_at_bytes >= grown_bytes.max(size * GROWN_TIMES);
        if has_grown || (is_failing && tried_at.elapsed() >= RETRY) {
            (tried_at_bytes, tried_at) = (bytes, Instant::now());
            // The journal has everything, and the checkpoint says what is wrong.
            let _ = checkpoint.save(journal, sync_of);
        }
    }
}
