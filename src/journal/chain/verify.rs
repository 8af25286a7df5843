//! Checking what is held against the chain.

use std::path::Path;

use super::super::error::JournalError;
use super::super::recovery::header_of;
use super::super::segment::{self, Segment};
use super::link::{Hash, hash_records};
use super::walk::Walk;
use super::{FILE, read};

/// Hashed before progress is told again.
const TELL_EVERY: u64 = 1024 * 1024;

/// What [`verify()`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether its own lines read and follow each other.
    pub does_read: bool,
    /// Lines of the chain.
    pub n_lines: u64,
    /// Sealed segments that were compared with their line.
    pub n_compared: usize,
    /// The last segment that was sealed, and its last record.
    pub last_sealed: Option<(u32, u64)>,
    /// Segments of which only the line is left.
    pub n_removed: usize,
    /// Over every sealed segment that has a line; as the log has it.
    pub sealed_head: Hash,
    /// Over all that is written, to the last whole line.
    pub head: Hash,
    /// What does not fit together, in words. Empty: nothing that is held was changed since it was
    /// sealed, if the head is the one that was noted elsewhere.
    pub problems: Vec<String>,
    /// Segments that are as they were before their last rewriting, which was not finished.
    pub unfinished: Vec<String>,
    /// What is to be known, and is nothing wrong: that a repair began the chain anew.
    pub notes: Vec<String>,
}

/// Computes the hash of each segment in the journal's folder `dir` anew, and compares. Beside a
/// server that removes or rewrites segments meanwhile, try again. `progress` is told bytes done and
/// in all.
///
/// # Errors
/// [`JournalError::Io`] if something cannot be read; what reads and is wrong is a problem in the
/// report.
pub fn verify(dir: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Report, JournalError> {
    let walk = read(&dir.join(FILE))?;
    let mut report = Report {
        n_lines: walk.n_lines,
        sealed_head: walk.head,
        head: walk.head,
        does_read: walk.problems.is_empty(),
        last_sealed: walk.known.last_key_value().map(|it| (*it.0, it.1.last_seq)),
        problems: walk.problems.clone(),
        notes: walk.notes.clone(),
        ..Report::default()
    };
    let segments = held(dir, &mut report)?;
    missing(&walk, &segments, &mut report);
    let mut total = 0;
    for it in &segments {
        let size = it.path.metadata().map_err(JournalError::io("measure", &it.path))?;
        total += size.len();
    }
    let (mut done, mut told) = (0, 0);
    for (place, it) in segments.iter().enumerate() {
        let limit = segment::limit(&segments, place);
        if limit.is_some_and(|limit| limit <= it.first_seq) {
            continue;
        }
        let hashed = hash_records(&it.path, it.first_seq, limit, |n_bytes| {
            done += n_bytes;
            if done - told >= TELL_EVERY {
                told = done;
                progress(done, total);
            }
        });
        let (hash, n_records) = hashed.map_err(JournalError::io("read", &it.path))?;
        compare(it, limit, hash, n_records, &walk, &mut report);
    }
    progress(total, total);
    Ok(report)
}

/// The segments whose header reads.
pub(super) fn held(dir: &Path, report: &mut Report) -> Result<Vec<Segment>, JournalError> {
    let files = segment::list(dir)?;
    let last = files.len().saturating_sub(1);
    let mut segments = Vec::with_capacity(files.len());
    for (place, (ordinal, path)) in files.into_iter().enumerate() {
        match header_of(&path, place == last) {
            Ok(Some(header)) => {
                segments.push(Segment::new(ordinal, path, header.first_seq, header.format));
            }
            Ok(None) => {}
            Err(err @ JournalError::Io { .. }) => return Err(err),
            Err(err) => report.problems.push(err.to_string()),
        }
    }
    Ok(segments)
}

/// Segments are removed from the beginning only.
fn missing(walk: &Walk, segments: &[Segment], report: &mut Report) {
    let first = segments.first().map(|it| it.first_seq);
    for (ordinal, known) in &walk.known {
        if segments.iter().any(|it| it.ordinal == *ordinal) {
            continue;
        }
        if first.is_some_and(|it| known.last_seq < it) {
            report.n_removed += 1;
        } else {
            report.problems.push(format!(
                "segment {ordinal} with records {} to {} is missing",
                known.first_seq, known.last_seq
            ));
        }
    }
}

fn compare(
    segment: &Segment,
    limit: Option<u64>,
    hash: Hash,
    n_records: u64,
    walk: &Walk,
    report: &mut Report,
) {
    let name = segment.path.display();
    let Some(limit) = limit else {
        // Written to until now: it has no line yet.
        if walk.known.contains_key(&segment.ordinal) {
            report
                .problems
                .push(format!("{name} is sealed, but the segments after it are missing"));
        } else if n_records > 0 {
            report.head = report.head.followed_by(hash);
        }
        return;
    };
    if segment.first_seq + n_records != limit {
        let from = segment.first_seq + n_records;
        report.problems.push(format!("{name}: records {from} to {} are missing", limit - 1));
    }
    let Some(known) = walk.known.get(&segment.ordinal) else {
        // Sealed just before the server died; its line comes with the next start.
        report.head = report.head.followed_by(hash);
        return;
    };
    report.n_compared += 1;
    if (known.first_seq, known.last_seq) != (segment.first_seq, limit - 1) {
        report.problems.push(format!(
            "{name} holds records {} to {}, and its line tells of {} to {}",
            segment.first_seq,
            limit - 1,
            known.first_seq,
            known.last_seq
        ));
    } else if Some(hash) == known.before && hash != known.sha256 {
        report
            .unfinished
            .push(format!("{name} is as it was before its last rewriting, which was not finished"));
    } else if hash != known.sha256 {
        report.problems.push(format!("{name} was changed since it was sealed"));
    }
}
