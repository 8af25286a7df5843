//! The hash chain: `journal/chain.jsonl`, a line for each segment that was sealed or rewritten.
//!
//! The one idea: each line's head is a hash over the head before it and the segment's records. Who
//! changes an old record must change every head from there on, and the last one stands in the log
//! too, out of reach. It is written beside the turns, never by the journal thread: a server that
//! dies before a line is written adds it after the next start.
//!
//! It proves nothing while it runs and stops nothing: what is wrong with it is told by
//! [`verify()`], and a line that cannot rest on all before it carries a mark.

mod link;
mod mended;
mod verify;
mod walk;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tracing::{info, warn};

pub use self::link::Hash;
pub use self::mended::{Follow, follow_repair};
pub use self::verify::{Report, verify};

pub(super) use self::link::Link;
use self::link::hash_records;
use self::walk::{Known, Walk};
use super::error::JournalError;
use super::segment::Sealed;
use crate::files::sync_folder;

/// Its name in the journal's folder.
pub const FILE: &str = "chain.jsonl";

fn read(path: &Path) -> Result<Walk, JournalError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Walk::over(&bytes)),
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(Walk::default()),
        Err(err) => Err(JournalError::io("read", path)(err)),
    }
}

/// The chain of a journal that is open.
#[derive(Debug)]
pub(super) struct Chain {
    path: PathBuf,
    walk: Walk,
    /// Lines that the disk did not take yet.
    unwritten: Vec<u8>,
    is_waiting: bool,
}

impl Chain {
    /// # Errors
    /// [`JournalError::Io`] if it is there and cannot be read: then it must not be written to.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(FILE);
        let walk = read(&path)?;
        if let Some(mark) = &walk.mark {
            warn!(file = %path.display(), "The hash chain is damaged: {mark}.");
        }
        Ok(Self { path, walk, unwritten: Vec::new(), is_waiting: false })
    }

    /// Whether a sealed segment has its line already.
    pub fn has(&self, sealed: &Sealed) -> bool {
        let Sealed { segment, limit } = sealed;
        let known = self.walk.known.get(&segment.ordinal);
        known.is_some_and(|it| (it.first_seq, it.last_seq + 1) == (segment.first_seq, *limit))
    }

    /// Adds a sealed segment that has no line yet.
    ///
    /// # Errors
    /// [`JournalError::Io`] if the segment cannot be read. A line that cannot be written is kept
    /// and tried again: a full disk must not keep segments from being removed.
    pub fn add_sealed(&mut self, sealed: &Sealed) -> Result<(), JournalError> {
        let Sealed { segment, limit } = sealed;
        let (ordinal, first_seq, last_seq) = (segment.ordinal, segment.first_seq, limit - 1);
        let path = &segment.path;
        let (sha256, n_records) = hash_records(path, first_seq, Some(*limit), |_| ())
            .map_err(JournalError::io("read", path))?;
        if first_seq + n_records != *limit {
            warn!(file = %path.display(), "A sealed segment has too few records.");
        }
        self.mark_gap(ordinal, first_seq);
        self.add(Link::sealed(ordinal, first_seq, last_seq, sha256));
        let head = self.walk.head;
        info!(
            segment = ordinal, first_seq, last_seq, %head,
            "Segment {ordinal} is sealed; the head of the hash chain is {head}."
        );
        self.write_kept();
        Ok(())
    }

    /// Tries lines again that the disk did not take.
    pub fn write_kept(&mut self) {
        let was_waiting = self.is_waiting;
        let flushed = self.flush();
        self.is_waiting = flushed.is_err();
        if let (Err(err), false) = (flushed, was_waiting) {
            warn!(error = %err, file = %self.path.display(), "The hash chain waits for the disk.");
        }
    }

    /// The records of a segment are about to be replaced by others.
    ///
    /// # Errors
    /// If that cannot be written down first.
    pub fn rewritten(
        &mut self,
        sealed: &Sealed,
        before: Hash,
        after: Hash,
        reason: &str,
    ) -> Result<(), JournalError> {
        let Sealed { segment, limit } = sealed;
        let link = Link::sealed(segment.ordinal, segment.first_seq, limit - 1, after);
        self.add(link.rewritten(before, reason));
        info!(
            segment = segment.ordinal, head = %self.walk.head,
            "Segment {} is rewritten; the head of the hash chain is {}.",
            segment.ordinal, self.walk.head
        );
        self.flush().map_err(JournalError::io("write", &self.path))
    }

    /// Where a line does not follow the one before it, it says so itself.
    fn mark_gap(&mut self, ordinal: u32, first_seq: u64) {
        let expected = self.walk.last_seq.map(|it| it + 1).filter(|it| *it != first_seq);
        if let (None, Some(expected)) = (&self.walk.mark, expected) {
            self.walk.mark =
                Some(format!("segment {ordinal} begins at record {first_seq}, not at {expected}"));
        }
    }

    fn add(&mut self, mut link: Link) {
        link.mark = self.walk.mark.take();
        link.head = self.walk.head.followed_by(link.sha256);
        link.write(&mut self.unwritten);
        self.walk.head = link.head;
        if !link.is_rewriting() {
            self.walk.last_seq = self.walk.last_seq.max(Some(link.last_seq));
        }
        let (sha256, before) = (link.sha256, link.sha256_before);
        let (first_seq, last_seq) = (link.first_seq, link.last_seq);
        self.walk.known.insert(link.segment, Known { first_seq, last_seq, sha256, before });
    }

    /// Puts on disk what is not there yet. Begins behind the last whole line: what a failed write
    /// or a crash left there goes.
    fn flush(&mut self) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let is_new = !self.path.exists();
        let mut file: File =
            OpenOptions::new().write(true).create(true).truncate(false).open(&self.path)?;
        file.set_len(self.walk.whole_bytes)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(&self.unwritten)?;
        file.sync_data()?;
        if let (true, Some(dir)) = (is_new, self.path.parent()) {
            sync_folder(dir)?;
        }
        self.walk.whole_bytes += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }
}
