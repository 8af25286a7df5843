//! What an interrupted write leaves at the end of the last segment, and how it is taken away.
//!
//! The one idea: only the write that was under way may be missing or in pieces, and only where
//! nothing says that it was ever acknowledged. A power cut can bring single blocks of it to disk
//! and leave zeros for the others; zeros stand in no line of ours, and blocks have borders, so that
//! such a hole is told from other damage.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracing::warn;

use super::error::JournalError;
use super::line::read_record;
use super::quarantine::{Quarantine, Span};
use crate::domain::{Seq, Timestamp};

/// The smallest piece that a disk writes whole.
const BLOCK: u64 = 512;

/// It goes once everything else was found good: a refused start changes nothing.
#[derive(Debug)]
pub(super) enum Torn {
    /// A segment without a whole header.
    File(PathBuf),
    /// A last line without its end.
    Line { path: PathBuf, keep: u64, torn_bytes: usize },
    /// A last write with holes, from its first line that does not read: put aside, since whole
    /// lines may stand in it.
    Holes { path: PathBuf, line: u64, keep: u64, n_bytes: u64 },
}

/// What stands in a segment from `offset` on.
pub(super) fn tail_of(path: &Path, offset: u64) -> Result<Vec<u8>, JournalError> {
    let read = || {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    read().map_err(JournalError::io("read", path))
}

/// Whether `tail`, which begins at `offset` with the line that should be record `expected` and
/// ends the last segment, is one write that a power cut interrupted.
///
/// Everything that does not read must be explained by zeroed blocks, and what reads must be of one
/// batch, whose records share their time: a second batch was begun only once the first was synced.
pub(super) fn is_one_write(tail: &[u8], offset: u64, expected: Seq, last_at: Timestamp) -> bool {
    if !has_zeroed_blocks(tail, offset) {
        return false;
    }
    let mut next = expected;
    let mut batch_at = None;
    let mut pieces = tail.split(|it| *it == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        // Without its end, the last piece may be anything.
        if pieces.peek().is_none() {
            break;
        }
        match read_record(piece) {
            Ok(record) if record.seq < next || *batch_at.get_or_insert(record.at) != record.at => {
                return false;
            }
            Ok(record) => next = record.seq + 1,
            Err(_) if piece.contains(&0) => {}
            Err(_) => return false,
        }
    }
    batch_at.is_none_or(|it| it >= last_at)
}

/// Whether there are zeros, and only from border to border of a block (or of the write).
fn has_zeroed_blocks(tail: &[u8], offset: u64) -> bool {
    let is_border =
        |at: usize| at == 0 || at == tail.len() || (offset + at as u64).is_multiple_of(BLOCK);
    let mut has_zeros = false;
    for (at, pair) in tail.windows(2).enumerate() {
        if (pair[0] == 0) != (pair[1] == 0) && !is_border(at + 1) {
            return false;
        }
        has_zeros |= pair.contains(&0);
    }
    has_zeros
}

impl Torn {
    /// Takes it away, durably.
    pub fn remove(self) -> Result<(), JournalError> {
        match self {
            Self::File(path) => {
                warn!(file = %path.display(), "Removed a segment whose header was never finished.");
                fs::remove_file(&path).map_err(JournalError::io("remove", &path))
            }
            Self::Line { path, keep, torn_bytes } => {
                warn!(
                    file = %path.display(), offset = keep, torn_bytes,
                    "Cut an unfinished last line: the process or the machine stopped while \
                     writing it, and nothing in it was acknowledged."
                );
                cut(&path, keep)
            }
            Self::Holes { path, line, keep, n_bytes } => {
                let data_dir = path.parent().and_then(Path::parent).unwrap_or(Path::new("."));
                let quarantine = Quarantine::of(data_dir, Timestamp::from(SystemTime::now()));
                let why = "the machine stopped while it was being written".to_owned();
                let kept = quarantine.keep(&path, &[Span { line, offset: keep, n_bytes, why }])?;
                warn!(
                    file = %path.display(), offset = keep, torn_bytes = n_bytes,
                    kept = %kept.display(),
                    "Cut an unfinished last write with holes: the machine stopped while writing \
                     it, and nothing in it was acknowledged. What was found of it is kept in {}.",
                    kept.display()
                );
                cut(&path, keep)
            }
        }
    }
}

fn cut(path: &Path, keep: u64) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).open(path);
    let file = file.map_err(JournalError::io("open", path))?;
    file.set_len(keep).map_err(JournalError::io("cut", path))?;
    file.sync_all().map_err(JournalError::io("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_count_as_a_hole_only_from_border_to_border() {
        let write = |holes: &[(usize, usize)]| {
            let mut tail = vec![b'x'; 3_000];
            holes.iter().for_each(|it| tail[it.0..it.1].fill(0));
            tail
        };
        // The write begins 100 bytes into a block.
        let is_hole = |holes: &[_]| has_zeroed_blocks(&write(holes), 1_124);
        assert!(is_hole(&[(0, 412)]) && is_hole(&[(412, 924)]) && is_hole(&[(2_972 - 512, 3_000)]));
        assert!(is_hole(&[(0, 412), (924, 1_436)]) && is_hole(&[(0, 3_000)]));
        assert!(!is_hole(&[]) && !is_hole(&[(1, 412)]) && !is_hole(&[(412, 923)]));
        assert!(!is_hole(&[(512, 1_024)]) && !is_hole(&[(0, 412), (1_000, 1_001)]));
    }
}
