//! What the journal thread and the readers share: the view, the list of segments, the bells.

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::segment::Segment;
use super::stats::Stats;
use super::upkeep::Upkeep;
use super::view::View;

#[derive(Debug)]
pub(super) struct Shared {
    pub dir: PathBuf,
    view: RwLock<View>,
    segments: Mutex<Vec<Segment>>,
    /// Held while sealed segments are removed or changed, however long that takes. The journal
    /// thread never asks for it; whoever holds it may take the other locks, not the reverse.
    upkeep: Mutex<Upkeep>,
    /// `None` once the journal is closed.
    bells: Mutex<Option<Vec<Sender<()>>>>,
    /// As in the view, to be read without its lock.
    pub head: AtomicU64,
    pub stats: Stats,
}

// A poisoned lock means that a reader panicked; the data behind it is only changed by whole
// records, so it is as good as before.
impl Shared {
    pub fn new(dir: PathBuf, view: View, segments: Vec<Segment>) -> Self {
        Self {
            dir,
            head: AtomicU64::new(view.head),
            view: RwLock::new(view),
            segments: Mutex::new(segments),
            upkeep: Mutex::default(),
            bells: Mutex::new(Some(Vec::new())),
            stats: Stats::default(),
        }
    }

    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lock_segments(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lock_upkeep(&self) -> MutexGuard<'_, Upkeep> {
        self.upkeep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_bells(&self) -> MutexGuard<'_, Option<Vec<Sender<()>>>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bell that is disconnected from the start if the journal is closed already.
    pub fn new_bell(&self) -> Receiver<()> {
        let (ring, bell) = bounded(1);
        if let Some(bells) = self.lock_bells().as_mut() {
            bells.push(ring);
        }
        bell
    }

    pub fn ring_bells(&self) {
        // A bell that is ringing already needs no second ring; one whose reader is gone goes.
        if let Some(bells) = self.lock_bells().as_mut() {
            bells.retain(|it| !matches!(it.try_send(()), Err(TrySendError::Disconnected(()))));
        }
    }

    pub fn is_closed(&self) -> bool {
        self.lock_bells().is_none()
    }

    pub fn take_bells_away(&self) {
        *self.lock_bells() = None;
    }
}
