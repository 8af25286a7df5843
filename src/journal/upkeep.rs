//! What becomes of segments that are written: they are counted, and removed when nobody needs
//! them any more.
//!
//! The one idea: the list in memory is the truth for readers, so a segment leaves it before its
//! file goes. Files go oldest first, each durably before the next: whatever a power cut leaves has
//! no hole, it only begins earlier than it would have.

use std::collections::VecDeque;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::sync::mpsc::{TrySendError, sync_channel};

use super::chain::Chain;
use super::error::JournalError;
use super::segment::{self, Sealed, Segment};
use super::writer::Command;
use super::{Journal, Shared};
use crate::domain::Seq;

/// What is kept between two rounds of upkeep.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// Out of the list, and not known to be off the disk.
    released: VecDeque<Segment>,
    /// Read when it is first needed.
    chain: Option<Chain>,
}

impl Upkeep {
    pub fn chain(&mut self, dir: &Path) -> Result<&mut Chain, JournalError> {
        match &mut self.chain {
            Some(chain) => Ok(chain),
            none => Ok(none.insert(Chain::open(dir)?)),
        }
    }
}

/// A segment, for those who count, copy or show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    pub ordinal: u32,
    pub path: PathBuf,
    pub first_seq: Seq,
    pub size_bytes: u64,
    /// Nothing is appended to it any more.
    pub is_sealed: bool,
}

/// See [`Journal::hold_segments`].
#[derive(Debug)]
pub struct SegmentsHeld<'a> {
    _upkeep: MutexGuard<'a, Upkeep>,
}

/// What [`Journal::release`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Released {
    pub n_segments: usize,
    pub size_bytes: u64,
}

impl Journal {
    /// The first record that is still held. 1 until segments are removed, also before there is any.
    pub fn first_held(&self) -> Seq {
        self.shared.lock_segments().first().map_or(1, |it| it.first_seq)
    }

    /// The segments that are held, oldest first. The last one is written to.
    ///
    /// # Errors
    /// [`JournalError::Io`] if a file cannot be measured.
    pub fn segments(&self) -> Result<Vec<SegmentInfo>, JournalError> {
        let segments = self.shared.lock_segments().clone();
        let last = segments.len().saturating_sub(1);
        let mut found = Vec::with_capacity(segments.len());
        for (place, Segment { ordinal, path, first_seq, .. }) in segments.into_iter().enumerate() {
            let size_bytes = match fs::metadata(&path) {
                Ok(it) => it.len(),
                // Removed since the list was looked at.
                Err(err) if err.kind() == ErrorKind::NotFound && place != last => continue,
                Err(err) => return Err(JournalError::io("measure", path)(err)),
            };
            found.push(SegmentInfo {
                ordinal,
                path,
                first_seq,
                size_bytes,
                is_sealed: place != last,
            });
        }
        Ok(found)
    }

    /// Closes the segment that is written to and begins the next, which holds no record yet;
    /// returns the sequence that it begins with. Nothing happens if the last one is empty. Waits
    /// for the journal thread; commits wait for it no longer than for any new segment.
    ///
    /// # Errors
    /// [`JournalError::Unwritable`] while the disk takes no writes; [`JournalError::Io`] if the
    /// segment cannot be made, and the next commit tries again; [`JournalError::Busy`],
    /// [`JournalError::Closed`].
    pub fn seal(&self) -> Result<Seq, JournalError> {
        let (reply, answer) = sync_channel(1);
        self.commands.try_send(Command::Seal(reply)).map_err(|refused| match refused {
            TrySendError::Full(_) => JournalError::Busy,
            TrySendError::Disconnected(_) => JournalError::Closed,
        })?;
        answer.recv().unwrap_or(Err(JournalError::Closed))
    }

    /// Removes the segments that lie wholly at or before `up_to`, oldest first; never the one that
    /// is written to, and never the last record. What goes is gone: the caller knows that all who
    /// follow are past it.
    ///
    /// Readers that stand in a removed segment are told that the record is no longer held.
    ///
    /// # Errors
    /// [`JournalError::Io`]: what is still there is tried again by the next call.
    /// [`JournalError::Closed`]: as [`Self::keep_chain`].
    pub fn release(&self, up_to: Seq) -> Result<Released, JournalError> {
        let mut upkeep = self.shared.lock_upkeep();
        // The last record says when the clock was last looked at; a start goes on from there.
        let up_to = up_to.min(self.head().saturating_sub(1));
        // Once a segment is gone, nobody can hash it any more.
        self.chain_sealed(&mut upkeep)?;
        upkeep.released.extend(take_before(&self.shared, up_to));
        let mut removed = Released::default();
        while let Some(next) = upkeep.released.front() {
            removed.size_bytes += fs::metadata(&next.path).map_or(0, |it| it.len());
            segment::remove(&self.shared.dir, &next.path)?;
            removed.n_segments += 1;
            upkeep.released.pop_front();
        }
        Ok(removed)
    }

    /// Gives the segments that were sealed their line in the hash chain. Reads them, so it takes a
    /// moment for each.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the next call tries again. [`JournalError::Closed`] if the journal is
    /// closed before all have it.
    pub fn keep_chain(&self) -> Result<(), JournalError> {
        self.chain_sealed(&mut self.shared.lock_upkeep())
    }

    /// While it is held, no segment is removed or replaced: to copy them one after the other. The
    /// journal goes on; whoever holds it must not ask for upkeep itself.
    pub fn hold_segments(&self) -> SegmentsHeld<'_> {
        SegmentsHeld { _upkeep: self.shared.lock_upkeep() }
    }

    pub(super) fn chain_sealed(&self, upkeep: &mut Upkeep) -> Result<(), JournalError> {
        let sealed = Sealed::all(&self.shared.lock_segments());
        let chain = upkeep.chain(&self.shared.dir)?;
        chain.write_kept();
        for it in sealed.iter().filter(|it| !it.is_void()) {
            if chain.has(it) {
                continue;
            }
            // There may be many after an update, and a stop does not wait for all.
            if self.is_closed() {
                return Err(JournalError::Closed);
            }
            chain.add_sealed(it)?;
        }
        Ok(())
    }
}

/// Takes what lies wholly at or before `up_to` from the list.
fn take_before(shared: &Shared, up_to: Seq) -> Vec<Segment> {
    let mut segments = shared.lock_segments();
    let is_before =
        |place: &usize| segment::limit(&segments, *place).is_some_and(|it| it <= up_to + 1);
    let n_segments = (0..segments.len()).take_while(is_before).count();
    segments.drain(..n_segments).collect()
}
