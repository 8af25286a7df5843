//! Mending a damaged journal: from what still reads to one that has no gap.
//!
//! The one idea: each sequence belongs to one file, and the plan says for each file where its lines
//! come from: from itself, from where they were carried to, or from nowhere. Those are replaced by
//! `record_lost`, so that all others keep their places, and whoever follows goes on. Nothing is
//! deleted: what has no place any more goes into quarantine.

mod order;
mod pieces;
mod spans;
mod write;

use std::path::PathBuf;

use super::error::JournalError;
use super::line::Header;
use super::quarantine::Span;
use super::survey::{Survey, is_known};
use crate::domain::{JournalId, Seq, Timestamp};

pub use self::write::{Mended, mend};

/// Most records that are replaced by placeholders: 100 bytes each. Beyond it a backup is the better
/// way, and a wrong number the likelier reason.
pub const MOST_LOST: u64 = 2_000_000;

/// What is known from elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hints {
    /// Of `total.json`, or another file that names one.
    pub id: Option<JournalId>,
    /// The last record that somebody has read: the journal went so far once.
    pub reach: Seq,
    /// The last segment that was sealed, as the hash chain has it: others came after it.
    pub sealed: Option<u32>,
    /// For a journal of which nothing is left.
    pub new_id_bits: u64,
}

/// What is to be done; nothing is done yet.
#[derive(Debug, Clone)]
pub struct Plan {
    pub id: JournalId,
    /// The first record that is held afterwards, and the last.
    pub first: Seq,
    pub last: Seq,
    /// Files that leave as they are, with the reason.
    pub away: Vec<(PathBuf, String)>,
    /// Files that get another number.
    pub renamed: Vec<(PathBuf, PathBuf)>,
    pub files: Vec<FilePlan>,
    /// Records that are replaced by placeholders, as ranges.
    pub lost: Vec<(Seq, Seq)>,
}

/// A file that is written anew, or for the first time.
#[derive(Debug, Clone)]
pub struct FilePlan {
    pub ordinal: u32,
    pub path: PathBuf,
    pub is_new: bool,
    pub header: Header,
    pub pieces: Vec<Piece>,
    /// What of the old file is not in the new one.
    pub spans: Vec<Span>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The lines of these records, which stand in a run that begins at `offset` of a file.
    Lines {
        path: PathBuf,
        offset: u64,
        first: Seq,
        last: Seq,
    },
    Lost {
        first: Seq,
        last: Seq,
        at: Timestamp,
    },
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.away.is_empty() && self.renamed.is_empty() && self.files.is_empty()
    }

    pub fn n_lost(&self) -> u64 {
        self.lost.iter().map(|it| it.1 - it.0 + 1).sum()
    }
}

/// Plans how a journal is mended. `None` if there is none, and nobody has ever read one.
///
/// # Errors
/// [`JournalError::NewerFormat`], [`JournalError::Foreign`]: what an older Aurora must not touch;
/// [`JournalError::Mismatch`] if more is missing than is replaced; [`JournalError::Io`].
pub fn plan(
    dir: &std::path::Path,
    survey: &Survey,
    hints: Hints,
) -> Result<Option<Plan>, JournalError> {
    is_known(survey)?;
    let ordered = order::order(dir, survey, hints);
    let Some(ordered) = ordered else { return Ok(None) };
    let plan = pieces::assemble(dir, ordered, hints)?;
    if plan.n_lost() > MOST_LOST {
        return Err(JournalError::Mismatch {
            why: format!(
                "{} records are missing, which is more than a repair replaces ({MOST_LOST}): \
                 restore the journal from a backup",
                plan.n_lost()
            ),
        });
    }
    Ok(Some(plan))
}
