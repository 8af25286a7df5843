//! Erasure: calls go for good, everywhere in the data folder and in the mirror's database.
//!
//! The one idea: a mark on disk (`erasing.json`) says which calls are on their way out, and each
//! step may be done any number of times. So whatever the process dies of, the next one does all the
//! steps again and removes the mark last, after the receipt. A step that fails is tried again.
//!
//! # Not here
//! Backups and exports, what the phone provider keeps, and what others said of the caller in calls
//! of their own.

mod marker;
mod receipts;
mod redact;
pub mod retention;
mod traces;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;
use rustc_hash::FxHashSet;
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tracing::{info, warn};
use ulid::Ulid;

pub use self::marker::{Marker, path as marker_path};
pub use self::receipts::{Receipt, erased_calls, erased_runs, read as receipts};
pub use self::traces::FileError;
use crate::conversation::keeping::{Keeping, KeepingError, Turn};
use crate::domain::{Call, CallId, Label, PhoneNumber, Timestamp};
use crate::files;
use crate::journal::{Journal, JournalError};
use crate::readers::archive::{self, Archive, ArchiveError, KeptCall};
use crate::readers::firebase::{self, CursorError, MirrorLink};
use crate::readers::live::Live;
use crate::readers::snapshot::{Checkpoint, SnapshotError};

/// How long somebody who looks waits for the archive to have what was said just now.
const ARCHIVE: Duration = Duration::from_secs(10);
/// How long one step waits for somebody else's thread. The archive makes its index anew meanwhile.
const STEP: Duration = Duration::from_secs(120);
const MIRROR: Duration = Duration::from_secs(2);
/// Between two tries of a step that failed: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
const LOOK: Duration = Duration::from_millis(50);

/// Why nothing is erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    #[error("another erasure is under way: try again when it has its receipt")]
    Busy,
    #[error("the archive is behind, so not all calls would be found: try again")]
    ArchiveBehind,
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Keeping(#[from] KeepingError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the work was broken off")]
    Broken,
}

/// Why a step is not done yet.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("{0}")]
    Archive(String),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error("the mirror does not let go of what was refused")]
    Mirror,
    #[error(transparent)]
    File(#[from] FileError),
}

/// Everything that holds words.
pub struct Eraser {
    pub data_dir: PathBuf,
    pub journal: Arc<Journal>,
    pub archive: Arc<Archive>,
    pub mirror: Arc<MirrorLink>,
    /// Absent where nobody can look.
    pub live: Option<Arc<Live>>,
    pub checkpoint: Arc<Checkpoint>,
    pub keeping: Arc<Keeping>,
    /// Held as long as an erasure is under way.
    pub busy: Arc<Mutex<()>>,
}

/// An erasure under way: the calls are out of sight already.
#[derive(Debug)]
pub struct Job {
    pub receipt_id: String,
    pub done: oneshot::Receiver<Receipt>,
}

impl std::fmt::Debug for Eraser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eraser").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl Eraser {
    /// Begins to erase all calls of a number.
    ///
    /// # Errors
    /// [`ErasureError`]; then nothing was changed. A call that is open or on legal hold is one.
    pub async fn erase_caller(
        self: &Arc<Self>,
        caller: PhoneNumber,
        by: Label,
    ) -> Result<Job, ErasureError> {
        // One that could not be begun, for the disk was full: it goes first.
        if self.resume().await?.is_some() {
            return Err(ErasureError::Busy);
        }
        let busy = Arc::clone(&self.busy).try_lock_owned().map_err(|_| ErasureError::Busy)?;
        let turn = self.keeping.turn().await;
        let number = caller.clone();
        let calls = self.look(move |db| archive::calls_of(db, &number)).await?;
        for call in &calls {
            if call.is_open {
                return Err(KeepingError::CallOpen(call.id).into());
            }
            if call.legal_hold {
                return Err(KeepingError::OnLegalHold(call.id).into());
            }
        }
        let (own, number) = (Arc::clone(self), caller.as_str().trim_start_matches('+').to_owned());
        // Before the mark: it holds no number, so whoever goes on after a crash could not do it.
        self.blocking(move || traces::sweep(&own.data_dir, &[number])).await??;
        self.begin(busy, turn, calls, Some(caller), Some(by)).await
    }

    /// Begins to erase these calls, which the policy says are to go.
    async fn erase_by_policy(
        self: &Arc<Self>,
        turn: Turn<'_>,
        calls: Vec<KeptCall>,
    ) -> Result<Job, ErasureError> {
        let busy = Arc::clone(&self.busy).try_lock_owned().map_err(|_| ErasureError::Busy)?;
        self.begin(busy, turn, calls, None, None).await
    }

    /// Goes on with what an earlier process left undone. Until it is done, nobody who looks is sent
    /// what was said before.
    ///
    /// # Errors
    /// [`ErasureError::File`] if the mark cannot be read, [`ErasureError::Keeping`] if the calls
    /// cannot be said to be erased.
    pub async fn resume(self: &Arc<Self>) -> Result<Option<Job>, ErasureError> {
        let busy = Arc::clone(&self.busy).try_lock_owned().map_err(|_| ErasureError::Busy)?;
        let Some(mut marker) = Marker::load(&self.data_dir)? else { return Ok(None) };
        info!(receipt = marker.receipt_id, "Goes on with an erasure that was not finished.");
        if marker.seqs.is_none() {
            let turn = self.keeping.turn().await;
            self.commit(&turn, &mut marker, None).await?;
        }
        if let Some(live) = &self.live {
            live.forget_before(self.journal.head() + 1);
        }
        Ok(Some(self.spawn(busy, marker)?))
    }

    /// The erasure that is under way.
    ///
    /// # Errors
    /// If the mark cannot be read.
    pub fn under_way(&self) -> Result<Option<Marker>, FileError> {
        Marker::load(&self.data_dir)
    }

    /// Asks the archive, which has everything up to now.
    ///
    /// # Errors
    /// [`ErasureError::ArchiveBehind`], [`ErasureError::Archive`]
    pub async fn look<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T, ErasureError> {
        if !self.archive.wait_for(self.journal.head(), ARCHIVE).await {
            return Err(ErasureError::ArchiveBehind);
        }
        let archive = Arc::clone(&self.archive);
        Ok(self.blocking(move || archive.connect().and_then(|db| ask(&db))).await??)
    }

    async fn begin(
        self: &Arc<Self>,
        busy: OwnedMutexGuard<()>,
        turn: Turn<'_>,
        calls: Vec<KeptCall>,
        caller: Option<PhoneNumber>,
        by: Option<Label>,
    ) -> Result<Job, ErasureError> {
        let ids: Vec<_> = calls.iter().map(|it| it.id).collect();
        let users = self.look(move |db| archive::users_of_runs(db, &ids)).await?;
        let mut marker = Marker {
            users,
            receipt_id: format!("erasure_{}", Ulid::generate()),
            at: Timestamp::from(SystemTime::now()),
            by,
            n_messages: calls.iter().map(|it| it.n_messages).sum(),
            call_ids: calls.iter().map(|it| it.id).collect(),
            chain_before: traces::chain_head(&self.data_dir),
            seqs: None,
        };
        self.save(&marker).await?;
        if let Err(err) = self.commit(&turn, &mut marker, caller).await {
            // Whether a write that failed is on disk is not known; the rest is not begun.
            if !matches!(err, ErasureError::Keeping(KeepingError::Journal(_))) {
                let data_dir = self.data_dir.clone();
                self.blocking(move || Marker::remove(&data_dir)).await??;
            }
            return Err(err);
        }
        drop(turn);
        if let (Some(live), Some((first, _))) = (&self.live, marker.seqs) {
            live.forget_before(first);
        }
        self.spawn(busy, marker)
    }

    async fn commit(
        &self,
        turn: &Turn<'_>,
        marker: &mut Marker,
        caller: Option<PhoneNumber>,
    ) -> Result<(), ErasureError> {
        let (ids, users) = (marker.call_ids.clone(), marker.users.clone());
        let done = turn.erase(ids, caller, marker.by.clone(), users).await?;
        marker.seqs = Some((done.value, done.seq));
        self.save(marker).await
    }

    async fn save(&self, marker: &Marker) -> Result<(), ErasureError> {
        let (data_dir, marker) = (self.data_dir.clone(), marker.clone());
        Ok(self.blocking(move || marker.save(&data_dir)).await??)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ErasureError> {
        tokio::task::spawn_blocking(work).await.map_err(|_| ErasureError::Broken)
    }

    /// The long part, on a thread of its own.
    fn spawn(
        self: &Arc<Self>,
        busy: OwnedMutexGuard<()>,
        marker: Marker,
    ) -> Result<Job, ErasureError> {
        let (reply, done) = oneshot::channel();
        let (own, receipt_id) = (Arc::clone(self), marker.receipt_id.clone());
        let work = move || {
            let receipt = own.finish(&marker);
            // Whoever has the receipt may begin the next one.
            drop(busy);
            if let Some(receipt) = receipt {
                info!(
                    receipt = receipt.receipt_id,
                    n_calls = receipt.n_calls,
                    "Calls were erased; the receipt is in erasures.jsonl."
                );
                let _ = reply.send(receipt);
            }
        };
        let thread = std::thread::Builder::new().name("erasure".to_owned()).spawn(work);
        thread.map(|_| Job { receipt_id, done }).map_err(|_| ErasureError::Broken)
    }

    /// Does all the steps, each failure followed by another try; `None` when the server stops.
    fn finish(&self, marker: &Marker) -> Option<Receipt> {
        let (mut pause, mut is_rewritten) = (PAUSES.0, false);
        loop {
            let err = match self.steps(marker, &mut is_rewritten) {
                Ok(receipt) => return Some(receipt),
                Err(err) => err,
            };
            if self.journal.is_closed() {
                return None;
            }
            let cause = std::error::Error::source(&err).map(ToString::to_string);
            warn!(error = %err, cause, receipt = marker.receipt_id, "An erasure is not done yet.");
            let until = Instant::now() + pause;
            while Instant::now() < until && !self.journal.is_closed() {
                std::thread::sleep(LOOK);
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// `is_rewritten`: the long ones are done, and need not be again for the sake of the others.
    fn steps(&self, marker: &Marker, is_rewritten: &mut bool) -> Result<Receipt, StepError> {
        let ids: FxHashSet<CallId> = marker.call_ids.iter().copied().collect();
        let last = marker.seqs.map_or(0, |it| it.1);
        if !ids.is_empty() && !*is_rewritten {
            self.journal.seal()?;
            let reason = marker.receipt_id.replace('_', " ");
            self.journal.rewrite(&reason, |record| redact::redact(record, &ids), |_, _| ())?;
            self.archive.scrub(last, STEP).map_err(StepError::Archive)?;
            self.checkpoint.save(&self.journal, &|call: &Call| self.mirror.sync_of(call))?;
            *is_rewritten = true;
        }
        if !ids.is_empty() {
            match self.mirror.forget(&marker.call_ids, last, MIRROR) {
                Some(true) => {}
                Some(false) => return Err(StepError::Mirror),
                None => {
                    let file = self.data_dir.join("readers").join("firebase.json");
                    firebase::forget_in_file(&file, &marker.call_ids)?;
                    traces::remove(&files::beside(&file))?;
                }
            }
            let names: Vec<_> = marker.call_ids.iter().map(|it| it.0.to_string()).collect();
            traces::sweep(&self.data_dir, &names)?;
            // A repair that was interrupted may have left half an archive.
            for it in archive::with_logs(&archive::beside(&self.data_dir)) {
                traces::remove(&it)?;
            }
        }
        let receipt = marker.receipt(
            traces::chain_head(&self.data_dir),
            traces::not_swept(&self.data_dir)?,
            Timestamp::from(SystemTime::now()),
        );
        receipts::append(&self.data_dir, &receipt)?;
        Marker::remove(&self.data_dir)?;
        Ok(receipt)
    }
}
