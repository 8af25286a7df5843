//! Looking at segments without trusting them: what in each file reads, and what does not.
//!
//! The one idea: a file is stretches of good lines and stretches of bad bytes. A start stops at the
//! first bad one; a survey goes on behind it, so that everything can be told, and mended. It changes
//! nothing and takes no lock, so it may look at a journal that is written to.

mod file;
mod findings;
mod holes;

use std::path::{Path, PathBuf};

pub use self::findings::Finding;

use super::error::JournalError;
use super::line::{FORMAT, Header};
use super::segment;
use crate::domain::{Position, Record, Seq, Timestamp};

/// Read before progress is told again.
const TELL_EVERY: u64 = 4 * 1024 * 1024;

/// Good lines side by side, with sequences that go up by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub first: Seq,
    pub last: Seq,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// Number of its first line.
    pub line: u64,
    pub offset: u64,
    pub n_bytes: u64,
}

/// Bytes that are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    pub line: u64,
    pub offset: u64,
    pub n_bytes: u64,
    /// Line ends in them.
    pub n_lines: u64,
    /// Why the first of them does not read.
    pub why: String,
    /// Its checksum is fine, so it is not damage: this Aurora does not know what it says.
    pub is_foreign: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Run(Run),
    Bad(Bad),
}

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// Where it should be.
    Good(Header),
    /// It reads, in another line.
    Displaced(Header),
    /// Why it does not read.
    Bad(String),
    /// The file ends within it: it was being made when the process died, if it is the last one.
    Unfinished,
}

impl Head {
    pub fn header(&self) -> Option<&Header> {
        match self {
            Self::Good(header) | Self::Displaced(header) => Some(header),
            Self::Bad(_) | Self::Unfinished => None,
        }
    }
}

/// One file.
#[derive(Debug, Clone)]
pub struct Surveyed {
    pub ordinal: u32,
    pub path: PathBuf,
    pub head: Head,
    /// What follows the header's line, in order, without gaps.
    pub parts: Vec<Part>,
    /// Where the header's line ends.
    pub header_bytes: u64,
    /// Up to the end of the last whole line.
    pub whole_bytes: u64,
    /// Behind that.
    pub torn_bytes: u64,
    /// Whether a power cut left that, with whole lines in it.
    pub has_holes: bool,
}

impl Surveyed {
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.parts.iter().filter_map(|it| match it {
            Part::Run(run) => Some(run),
            Part::Bad(_) => None,
        })
    }

    pub fn bads(&self) -> impl Iterator<Item = &Bad> {
        self.parts.iter().filter_map(|it| match it {
            Part::Run(_) => None,
            Part::Bad(bad) => Some(bad),
        })
    }

    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// A segment that was being made: a start takes it away.
    pub fn is_leftover(&self) -> bool {
        self.head == Head::Unfinished
    }
}

/// All segments of a folder, in the order of their numbers.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    pub files: Vec<Surveyed>,
    /// A file went while it was looked for: others have it in hand.
    pub has_moved: bool,
}

/// The segments of the journal's folder with their numbers, in order.
///
/// # Errors
/// [`JournalError::Io`]
pub fn listed(dir: &Path) -> Result<Vec<(u32, PathBuf)>, JournalError> {
    segment::list(dir)
}

/// Reads every segment in the journal's folder. `each` is given the records that count, in order;
/// from the first damage on nothing more. `progress` is told bytes done and in all. `handed_out`:
/// places up to which the records are known to have been durable once.
///
/// # Errors
/// [`JournalError::Io`]: what cannot be read is not damage.
pub fn survey(
    dir: &Path,
    handed_out: &[Position],
    mut each: impl FnMut(Record),
    mut progress: impl FnMut(u64, u64),
) -> Result<Survey, JournalError> {
    let listed = segment::list(dir)?;
    let mut survey = Survey::default();
    let size = |it: &(u32, PathBuf)| it.1.metadata().map_or(0, |it| it.len());
    let total = listed.iter().map(size).sum();
    // Each ends where the next begins, which only their headers tell.
    let mut firsts = Vec::with_capacity(listed.len());
    for (_, path) in &listed {
        firsts.push(file::first_of(path)?);
    }
    let mut expected = firsts.first().copied().flatten();
    let mut done = 0;
    for (place, (ordinal, path)) in listed.into_iter().enumerate() {
        let limit = firsts[place + 1..].iter().flatten().min().copied();
        // A void segment is skipped; one that does not follow ends what counts.
        let is_void = limit.zip(firsts[place]).is_some_and(|(limit, first)| limit <= first);
        let follows = firsts[place].is_some() && firsts[place] == expected;
        let mut tell = |n_bytes: u64| {
            let before = done;
            done += n_bytes;
            if before / TELL_EVERY != done / TELL_EVERY {
                progress(done, total);
            }
        };
        let mut next = expected.filter(|_| follows && !is_void);
        let each = |record: Record| {
            if next == Some(record.seq) && limit.is_none_or(|it| record.seq < it) {
                next = Some(record.seq + 1);
                each(record);
            }
        };
        let Some(surveyed) = file::look(ordinal, &path, each, &mut tell)? else {
            survey.has_moved = true;
            continue;
        };
        if !is_void && !surveyed.is_leftover() {
            let is_whole = limit.is_none() || next == limit;
            expected = next.filter(|_| is_whole);
        }
        survey.files.push(surveyed);
    }
    survey.set_holes_apart(handed_out)?;
    progress(total, total);
    Ok(survey)
}

/// Whether this Aurora does not know everything that stands there: then it must not change it.
///
/// # Errors
/// [`JournalError::NewerFormat`], or [`JournalError::Foreign`].
pub fn is_known(survey: &Survey) -> Result<(), JournalError> {
    for it in &survey.files {
        if let Some(header) = it.head.header().filter(|it| it.format > FORMAT) {
            let (file, found) = (it.path.clone(), header.format);
            return Err(JournalError::NewerFormat { file, found, known: FORMAT });
        }
        if let Some(bad) = it.bads().find(|it| it.is_foreign) {
            let why = bad.why.clone();
            return Err(JournalError::Foreign { file: it.path.clone(), line: bad.line, why });
        }
    }
    Ok(())
}
