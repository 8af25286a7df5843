//! The journal: the one place where something becomes true.
//!
//! # Promises
//! - A change that [`Journal::submit`] reports as durable survives a crash and a power cut.
//! - Sequences start at 1 and have no gaps; what readers see, what is on disk and what a restart
//!   rebuilds is the same order.
//! - Readers never wait for the disk; only the writer does.
//!
//! # Not here
//! Who reads it: live streams, the checkpoint and the mirror each keep their own position.
//! The line format and the recovery rules: `docs/journal-format.md`.

pub mod chain;
mod commit;
mod error;
mod fields;
pub mod line;
mod lock;
pub mod mend;
pub mod quarantine;
mod reader;
mod recovery;
mod rewrite;
mod segment;
mod settings;
mod shared;
mod stats;
pub mod survey;
mod torn;
mod upkeep;
mod view;
mod wake;
mod writer;

use std::cmp;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::Receiver;
use tokio::sync::oneshot;
use tracing::warn;

pub use self::commit::{Committed, Draft, Need, Pending};
pub use self::error::JournalError;
pub use self::lock::{DataLock, Holder, HolderState, holder};
pub use self::reader::Reader;
pub use self::rewrite::Rewritten;
pub use self::settings::{Opened, Settings};
pub use self::stats::Stats;
pub use self::upkeep::{Released, SegmentInfo, SegmentsHeld};
pub use self::wake::wake_together;

use self::commit::{Change, Claim};
use self::segment::OpenSegment;
use self::shared::Shared;
use self::view::View;
use self::writer::{Command, Writer};
use crate::domain::{JournalId, Position, Record, Seq, State};
use crate::files::sync_folder;

/// Commits that may wait for the journal thread. More than callers that can be connected.
const WAITING: usize = 16 * 1024;

#[derive(Debug)]
pub struct Journal {
    id: JournalId,
    /// To the journal thread, which owns the file, the order and the state that decides. This kind
    /// of channel drops what still waits in it when that thread ends, so that nobody waits for
    /// ever; crossbeam's bounded one keeps it until the last sender is gone.
    commands: SyncSender<Command>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held as long as the journal is.
    _lock: Arc<DataLock>,
}

impl Journal {
    /// Locks the folder, reads what is there beyond `start`, and begins to take commits.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another process has the folder; [`JournalError::Corrupt`],
    /// [`JournalError::NewerFormat`] or [`JournalError::Mismatch`] if what is there can't be
    /// trusted; [`JournalError::Io`] otherwise. Nothing was changed but an unfinished last write.
    pub fn open(
        settings: Settings,
        start: Option<(State, Position)>,
    ) -> Result<(Arc<Self>, Opened), JournalError> {
        make_folder(&settings.data_dir, &folder(&settings))?;
        let lock = DataLock::take(&settings.data_dir)?;
        Self::open_locked(Arc::new(lock), settings, start)
    }

    /// As [`Journal::open`], in a data folder that is ours already.
    ///
    /// # Errors
    /// As [`Journal::open`], but [`JournalError::Locked`].
    pub fn open_locked(
        lock: Arc<DataLock>,
        settings: Settings,
        start: Option<(State, Position)>,
    ) -> Result<(Arc<Self>, Opened), JournalError> {
        let dir = folder(&settings);
        make_folder(&settings.data_dir, &dir)?;
        let mut view = View::new(settings.ring_bytes);
        let stored_id = start.as_ref().map(|it| it.1.journal);
        let found = recovery::recover(&dir, start, &settings.handed_out, |record, size, left| {
            // What the ring could not keep need not pass through it.
            if left <= settings.ring_bytes as u64 {
                view.ring.push(Arc::new(record), size);
            }
        })?;
        let id =
            found.id.or(stored_id).unwrap_or_else(|| JournalId::from_bits(settings.new_id_bits));
        let last = found.segments.last();
        let reopened = last
            .map(|it| {
                OpenSegment::reopen(&dir, it, found.last_size_bytes)
                    .map_err(JournalError::io("open", &it.path))
            })
            .transpose()?;
        // What is new in a format never follows what is old in one file.
        let segment = reopened.filter(|_| last.is_some_and(|it| it.format == line::FORMAT));
        if let Err(err) = segment::remove_leftovers(&dir) {
            warn!(error = %err, dir = %dir.display(), "A leftover of a crash could not be removed.");
        }
        let opened = Opened {
            n_replayed: found.n_replayed,
            replayed_bytes: found.replayed_bytes,
            n_open_calls: found.state.n_open(),
        };
        view.head = found.state.seq();
        view.state = found.state.clone();
        let shared = Arc::new(Shared::new(dir, view, found.segments));
        shared.stats.replayed.store(found.n_replayed, Ordering::Relaxed);
        let writer = Writer {
            shared: Arc::clone(&shared),
            node: settings.node,
            segment_bytes: settings.segment_bytes,
            id,
            state: found.state,
            last_at: found.last_at,
            next_ordinal: found.next_ordinal,
            segment,
            unwritten: Vec::new(),
            lines: Vec::new(),
            of_callers: (0, 0),
            seals: Vec::new(),
            retry: None,
            has_news: false,
            was_alone: false,
        };
        let (commands, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&waiting))
            .map_err(JournalError::io("start the thread of", &settings.data_dir))?;
        let thread = Mutex::new(Some(thread));
        Ok((Arc::new(Self { id, commands, shared, thread, _lock: lock }), opened))
    }

    pub fn id(&self) -> JournalId {
        self.id
    }

    /// Decides, appends and applies as one step; the result can be awaited, or not.
    ///
    /// `decide` sees the state exactly as it is when its events are appended, so no other request
    /// slips between check and write. It runs on the journal thread: compute, do not wait. When it
    /// returns without an event, nothing is written, and the result still waits for everything
    /// that it saw to be durable.
    ///
    /// # Errors
    /// Through the result: whatever `decide` returns, and nothing was written;
    /// [`JournalError::Unwritable`] if the disk failed: with [`Need::Durable`] always (it was taken
    /// back; only a crash before the disk is back may bring it to light), with [`Need::Answer`]
    /// once the memory for it is full; [`JournalError::Busy`], [`JournalError::Panicked`], [`JournalError::Closed`].
    pub fn submit<T, E>(
        &self,
        need: Need,
        decide: impl FnOnce(&State, &mut Draft<'_>) -> Result<T, E> + Send + 'static,
    ) -> Pending<T, E>
    where
        T: Send + 'static,
        E: From<JournalError> + Send + 'static,
    {
        let (reply, pending) = oneshot::channel();
        let claim = Claim::default();
        let change =
            Change { need, claim: claim.clone(), decide: Some(decide), decided: None, reply };
        match self.commands.try_send(Command::Commit(Box::new(change))) {
            Ok(()) => Pending { reply: pending, claim },
            Err(refused) => {
                let err = match refused {
                    TrySendError::Full(_) => JournalError::Busy,
                    TrySendError::Disconnected(_) => JournalError::Closed,
                };
                let (reply, pending) = oneshot::channel();
                let _ = reply.send(Err(err.into()));
                Pending { reply: pending, claim }
            }
        }
    }

    /// Looks at the durable state. The lock is held meanwhile: memory work only.
    pub fn view<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.view().state)
    }

    /// The durable state as it is now; costs a pointer per call.
    pub fn snapshot(&self) -> State {
        self.shared.view().state.clone()
    }

    /// Last durable sequence.
    pub fn head(&self) -> Seq {
        self.shared.head.load(Ordering::Acquire)
    }

    pub fn position(&self, seq: Seq) -> Position {
        Position { journal: self.id, seq }
    }

    /// A reader that hands out what comes after `seq`.
    pub fn read_after(&self, seq: Seq) -> Reader {
        Reader::new(Arc::clone(&self.shared), seq)
    }

    /// Up to `limit` records after `seq` if memory still holds them all; never touches the disk.
    /// A `seq` beyond the head is not ours: nothing is held after it.
    pub fn recent_after(&self, seq: Seq, limit: usize) -> Option<Vec<Arc<Record>>> {
        let view = self.shared.view();
        match seq.cmp(&view.head) {
            cmp::Ordering::Less => view.ring.after(seq, limit),
            cmp::Ordering::Equal => Some(Vec::new()),
            cmp::Ordering::Greater => None,
        }
    }

    /// The durable state with the last sequence in it.
    pub fn snapshot_at_head(&self) -> (State, Seq) {
        let view = self.shared.view();
        (view.state.clone(), view.head)
    }

    /// Whether the records after `seq` are still held, in memory or on disk.
    pub fn holds_after(&self, seq: Seq) -> bool {
        seq <= self.head() && seq + 1 >= self.first_held()
    }

    /// Rings when there is something new; disconnected when the journal is closed. Rings are
    /// merged: read until there is nothing.
    pub fn bell(&self) -> Receiver<()> {
        self.shared.new_bell()
    }

    /// Whether it takes no commits any more; bells are disconnected then.
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }

    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// Whether the disk takes writes, and takes them in time.
    pub fn is_writable(&self) -> bool {
        self.stats().is_writable.load(Ordering::Acquire) && !self.stats().is_stalled()
    }

    /// Writes what waits, then stops taking commits. Readers are told by their bells.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = self.commands.send(Command::Close);
            let _ = thread.join();
        }
        self.shared.take_bells_away();
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

fn folder(settings: &Settings) -> PathBuf {
    settings.data_dir.join("journal")
}

/// Makes the journal's folder where there is none yet. Its entry and its parent's are synced: a
/// durable record in a folder that a power cut takes away is not durable.
fn make_folder(data_dir: &Path, dir: &Path) -> Result<(), JournalError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(JournalError::io("create", dir))?;
    sync_folder(data_dir).map_err(JournalError::io("sync", data_dir))?;
    // The data folder itself may lie where we may look but not list; then it was not made by us.
    if let Some(parent) = std::path::absolute(data_dir).ok().as_deref().and_then(Path::parent) {
        let _ = sync_folder(parent);
    }
    Ok(())
}
