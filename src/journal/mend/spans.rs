//! What of a file finds no place in the new one: it goes into quarantine, byte for byte.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use super::Piece;
use crate::domain::Seq;
use crate::journal::error::JournalError;
use crate::journal::line::read_record;
use crate::journal::quarantine::Span;
use crate::journal::survey::{Part, Run, Surveyed};

/// The stretches of `file`, which will lie at `path`, that no piece takes up.
pub fn spans_of(file: &Surveyed, path: &Path, used: &[Piece]) -> Result<Vec<Span>, JournalError> {
    let mut spans = Vec::new();
    for part in &file.parts {
        match part {
            Part::Bad(bad) => spans.push(Span {
                line: bad.line,
                offset: bad.offset,
                n_bytes: bad.n_bytes,
                why: bad.why.clone(),
            }),
            Part::Run(run) => {
                let taken = taken_from(run, path, used);
                if taken != [(run.first, run.last)] {
                    unused_of(file, run, &taken, &mut spans)?;
                }
            }
        }
    }
    if file.torn_bytes > 0 {
        spans.push(Span {
            line: 0,
            offset: file.whole_bytes,
            n_bytes: file.torn_bytes,
            why: "it is not finished".to_owned(),
        });
    }
    Ok(spans)
}

fn taken_from(run: &Run, path: &Path, used: &[Piece]) -> Vec<(Seq, Seq)> {
    let taken = used.iter().filter_map(|it| match it {
        Piece::Lines { path: from, offset, first, last }
            if from == path && *offset == run.offset =>
        {
            Some((*first, *last))
        }
        _ => None,
    });
    taken.collect()
}

/// Finds the lines of a run that nobody takes; the file still lies where it was surveyed.
fn unused_of(
    file: &Surveyed,
    run: &Run,
    taken: &[(Seq, Seq)],
    spans: &mut Vec<Span>,
) -> Result<(), JournalError> {
    let io = |doing| JournalError::io(doing, &file.path);
    let mut lines = BufReader::new(File::open(&file.path).map_err(io("open"))?);
    lines.seek(SeekFrom::Start(run.offset)).map_err(io("read"))?;
    let (mut offset, mut text) = (run.offset, Vec::new());
    let mut open: Option<Span> = None;
    for (place, seq) in (run.first..=run.last).enumerate() {
        text.clear();
        let n_bytes = lines.read_until(b'\n', &mut text).map_err(io("read"))? as u64;
        let is_taken = taken.iter().any(|it| (it.0..=it.1).contains(&seq));
        match &mut open {
            _ if is_taken => spans.extend(open.take()),
            Some(span) => span.n_bytes += n_bytes,
            none => {
                debug_assert!(read_record(text.trim_ascii_end()).is_ok_and(|it| it.seq == seq));
                let why = format!("from record {seq} on it does not count here");
                *none = Some(Span { line: run.line + place as u64, offset, n_bytes, why });
            }
        }
        offset += n_bytes;
    }
    spans.extend(open);
    Ok(())
}
