//! Start: from the files back to a state, or a clear refusal.
//!
//! The one idea: only the very last write may be incomplete, because only it can have been under
//! way. It is cut and reported (`torn.rs`). Anything else that does not read is damage and stops
//! the start: unreadable is not empty.
//!
//! A segment that was given up after a failed write may end in lines whose fate was unknown; the
//! segment begun after it says where it goes on, and what lies at or beyond that is ignored.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::line::{FORMAT, Header, LineReader, read_header, read_record};
use super::segment::{self, Segment};
use super::torn::{self, Torn};
use crate::domain::{JournalId, Position, Record, Seq, State, Timestamp};

/// What the files held.
#[derive(Debug)]
pub struct Recovered {
    pub id: Option<JournalId>,
    pub state: State,
    pub segments: Vec<Segment>,
    /// Size of the last segment after the cut.
    pub last_size_bytes: u64,
    pub last_at: Timestamp,
    pub n_replayed: u64,
    pub next_ordinal: u32,
    /// Bytes of records beyond the stored state.
    pub replayed_bytes: u64,
}

/// Reads all segments of `dir`, applying what lies beyond `start` to its state; `each` sees those
/// records too, with their size and how many bytes follow, to keep the latest in memory.
/// `handed_out`: places up to which the records are known to have been durable once.
pub fn recover(
    dir: &Path,
    start: Option<(State, Position)>,
    handed_out: &[Position],
    mut each: impl FnMut(Record, usize, u64),
) -> Result<Recovered, JournalError> {
    let files = segment::list(dir)?;
    let next_ordinal = files.last().map_or(1, |it| it.0 + 1);
    let mut torn = Vec::new();
    let (segments, id) = open_all(files, &mut torn)?;
    let (state, from) = match start {
        None => (State::default(), 0),
        Some((state, position)) => {
            fits(&segments, id, position)?;
            (state, position.seq)
        }
    };
    let mut found = Recovered {
        id,
        state,
        segments,
        last_size_bytes: 0,
        last_at: Timestamp::default(),
        n_replayed: 0,
        next_ordinal,
        replayed_bytes: 0,
    };
    if let Some(first) = found.segments.first().filter(|it| it.first_seq > from + 1) {
        return Err(JournalError::Mismatch {
            why: format!(
                "{} begins at record {}, and records from {} on are nowhere: restore the older \
                 segments or total.json from a backup, or run `aurora repair` to go on without them",
                first.path.display(),
                first.first_seq,
                from + 1
            ),
        });
    }
    let handed_out = handed_out.iter().filter(|it| Some(it.journal) == id).map(|it| it.seq);
    let known = handed_out.fold(from, Seq::max);
    let head = replay_all(&mut found, (from, known), &mut torn, &mut each)?;
    if let Some(at) = time_before_empty(&found.segments, head)? {
        found.last_at = at;
    }
    if head < from {
        return Err(JournalError::Mismatch {
            why: format!(
                "total.json stands at record {from}, but the journal ends at {head}: newer \
                 segments are missing; restore them, or run `aurora repair` to go on without them"
            ),
        });
    }
    torn.into_iter().try_for_each(Torn::remove)?;
    Ok(found)
}

fn fits(
    segments: &[Segment],
    id: Option<JournalId>,
    position: Position,
) -> Result<(), JournalError> {
    let why = match id {
        Some(id) if id != position.journal => format!(
            "total.json belongs to journal {}, the segments to journal {id}: restore the two \
             together, or run `aurora repair` to believe the segments",
            position.journal
        ),
        None if segments.is_empty() && position.seq > 0 => format!(
            "total.json stands at record {}, but there are no segments: restore the journal \
             folder, or run `aurora repair` to go on without it",
            position.seq
        ),
        _ => return Ok(()),
    };
    Err(JournalError::Mismatch { why })
}

/// Reads every header. A last file without a whole header was being made when the process died:
/// nothing was ever acknowledged from it.
fn open_all(
    files: Vec<(u32, PathBuf)>,
    torn: &mut Vec<Torn>,
) -> Result<(Vec<Segment>, Option<JournalId>), JournalError> {
    let mut segments = Vec::with_capacity(files.len());
    let mut id = None;
    let last = files.len().saturating_sub(1);
    for (place, (ordinal, path)) in files.into_iter().enumerate() {
        let Some(header) = header_of(&path, place == last)? else {
            torn.push(Torn::File(path));
            continue;
        };
        let own: JournalId = header.journal_id.parse().map_err(|_| JournalError::Corrupt {
            file: path.clone(),
            line: 1,
            why: "its journal id is none".to_owned(),
        })?;
        if *id.get_or_insert(own) != own {
            return Err(JournalError::Corrupt {
                file: path,
                line: 1,
                why: "it belongs to another journal than the segments before it".to_owned(),
            });
        }
        let Header { first_seq, format, .. } = header;
        // A segment goes on where those before it end, or takes over from their unsynced ends. One
        // that would take over more is a stray copy, and would hide what stands in the others.
        if let Some(before) = segments.last().filter(|it: &&Segment| it.first_seq > first_seq) {
            let why = format!(
                "it begins at record {first_seq}, before {}, which begins at {}",
                before.path.display(),
                before.first_seq
            );
            return Err(JournalError::Corrupt { file: path, line: 1, why });
        }
        segments.push(Segment::new(ordinal, path, first_seq, format));
    }
    Ok((segments, id))
}

pub fn header_of(path: &Path, is_last: bool) -> Result<Option<Header>, JournalError> {
    let file = File::open(path).map_err(JournalError::io("open", path))?;
    let mut line = Vec::new();
    BufReader::with_capacity(512, file)
        .read_until(b'\n', &mut line)
        .map_err(JournalError::io("read", path))?;
    if line.pop() != Some(b'\n') {
        if is_last {
            return Ok(None);
        }
        let why = "its header is not finished".to_owned();
        return Err(JournalError::Corrupt { file: path.to_owned(), line: 1, why });
    }
    let header = read_header(&line).map_err(|why| JournalError::Corrupt {
        file: path.to_owned(),
        line: 1,
        why,
    })?;
    if header.format > FORMAT {
        let file = path.to_owned();
        return Err(JournalError::NewerFormat { file, found: header.format, known: FORMAT });
    }
    Ok(Some(header))
}

/// Returns the last sequence that the journal holds.
fn replay_all(
    found: &mut Recovered,
    (from, known): (Seq, Seq),
    torn: &mut Vec<Torn>,
    each: &mut impl FnMut(Record, usize, u64),
) -> Result<Seq, JournalError> {
    let mut expected = found.segments.first().map_or(1, |it| it.first_seq);
    let size = |it: &Segment| fs::metadata(&it.path).map_or(0, |it| it.len());
    let mut bytes_left: u64 = found.segments.iter().map(size).sum();
    for place in 0..found.segments.len() {
        let segment = found.segments[place].clone();
        let size_bytes = size(&segment);
        bytes_left = bytes_left.saturating_sub(size_bytes);
        // Where a later segment goes on; beyond that, this one does not count.
        let limit = segment::limit(&found.segments, place);
        if limit.is_some_and(|it| it <= segment.first_seq) {
            continue;
        }
        if segment.first_seq != expected {
            let why = format!("it begins at record {}, not at {expected}", segment.first_seq);
            return Err(JournalError::Corrupt { file: segment.path, line: 1, why });
        }
        if limit.is_some_and(|it| it <= from + 1) {
            // All of it is in the stored state.
            expected = limit.unwrap_or(expected);
            continue;
        }
        let mut each = |record, n_bytes: usize, end_bytes: u64| {
            each(record, n_bytes, size_bytes.saturating_sub(end_bytes) + bytes_left);
        };
        expected = replay(found, &segment, limit, (from, known), torn, &mut each)?;
    }
    Ok(expected - 1)
}

/// Replays one segment and returns the sequence after its last record. What lies up to `from` is in
/// the state already; what lies up to `known` was durable.
fn replay(
    found: &mut Recovered,
    segment: &Segment,
    limit: Option<Seq>,
    (from, known): (Seq, Seq),
    torn: &mut Vec<Torn>,
    each: &mut impl FnMut(Record, usize, u64),
) -> Result<Seq, JournalError> {
    let path = &segment.path;
    let file = File::open(path).map_err(JournalError::io("open", path))?;
    let mut lines = BufReader::with_capacity(256 * 1024, file);
    let mut line = Vec::with_capacity(1024);
    let (mut number, mut offset, mut expected) = (0, 0, segment.first_seq);
    let mut reader = LineReader::default();
    loop {
        line.clear();
        let size = lines.read_until(b'\n', &mut line).map_err(JournalError::io("read", path))?;
        number += 1;
        if limit == Some(expected) {
            break;
        }
        let damaged = |why| JournalError::Corrupt { file: path.clone(), line: number, why };
        if size == 0 {
            let Some(limit) = limit else { break };
            return Err(damaged(format!("records {expected} to {} are missing", limit - 1)));
        }
        if line.pop() != Some(b'\n') {
            if limit.is_none() {
                torn.push(Torn::Line { path: path.clone(), keep: offset, torn_bytes: size });
                break;
            }
            return Err(damaged("it is not finished".to_owned()));
        }
        offset += size as u64;
        if number == 1 {
            continue;
        }
        let record = match reader.read_record(&line) {
            Ok(record) => record,
            Err(why) => {
                let keep = offset - size as u64;
                if limit.is_none() && known < expected {
                    let tail = torn::tail_of(path, keep)?;
                    if torn::is_one_write(&tail, keep, expected, found.last_at) {
                        let (path, n_bytes) = (path.clone(), tail.len() as u64);
                        torn.push(Torn::Holes { path, line: number, keep, n_bytes });
                        offset = keep;
                        break;
                    }
                }
                return Err(damaged(why));
            }
        };
        if record.seq != expected {
            return Err(damaged(format!("it is record {}, not {expected}", record.seq)));
        }
        expected += 1;
        found.last_at = record.at;
        if record.seq > from {
            found.state.apply(&record);
            found.n_replayed += 1;
            found.replayed_bytes += size as u64;
        }
        each(record, size, offset);
    }
    found.last_size_bytes = offset;
    Ok(expected)
}

/// When the last record was written, if the last segment is empty: the one that holds it may not
/// have been read. No later record may seem to be older, even if the clock was set back.
fn time_before_empty(segments: &[Segment], head: Seq) -> Result<Option<Timestamp>, JournalError> {
    if segments.last().is_none_or(|it| it.first_seq <= head) {
        return Ok(None);
    }
    let Some(holder) = segments.iter().rev().find(|it| it.first_seq <= head) else {
        return Ok(None);
    };
    let io = |doing| JournalError::io(doing, &holder.path);
    let mut file = File::open(&holder.path).map_err(io("open"))?;
    let size = file.metadata().map_err(io("measure"))?.len();
    let mut n_bytes = 64 * 1024;
    loop {
        file.seek(SeekFrom::Start(size.saturating_sub(n_bytes))).map_err(io("read"))?;
        let mut end = Vec::new();
        file.by_ref().take(n_bytes).read_to_end(&mut end).map_err(io("read"))?;
        let mut records = end.split(|it| *it == b'\n').rev().filter_map(|it| read_record(it).ok());
        if let Some(record) = records.find(|it| it.seq == head) {
            return Ok(Some(record.at));
        }
        if n_bytes >= size {
            // Its place is known to be good only where it was read; the time is all we want.
            return Ok(None);
        }
        n_bytes *= 8;
    }
}
