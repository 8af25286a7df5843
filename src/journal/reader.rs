//! Reading after a position: from memory while it holds the records, else from the segments.
//!
//! A reader remembers where in which file it stopped, so that catching up reads every byte once.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::Arc;

use super::Shared;
use super::error::JournalError;
use super::line::read_record;
use super::segment::Segment;
use crate::domain::{Record, Seq};

/// Follows the journal from one place on. It never waits and never sees what is not durable.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    after: Seq,
    file: Option<OpenFile>,
}

#[derive(Debug)]
struct OpenFile {
    segment: Segment,
    lines: BufReader<File>,
    line: u64,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, after: Seq) -> Self {
        Self { shared, after, file: None }
    }

    /// The last record that was handed out.
    pub fn position(&self) -> Seq {
        self.after
    }

    /// The next records, in order: at most `limit` of them and, from disk, about `limit_bytes`.
    /// Empty: there is nothing yet.
    ///
    /// # Errors
    /// [`JournalError::Io`] and [`JournalError::Corrupt`] from the segments; the position stays.
    pub fn next_batch(
        &mut self,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        let head = {
            let view = self.shared.view();
            if let Some(batch) = view.ring.after(self.after, limit) {
                drop(view);
                self.file = None;
                self.after = batch.last().map_or(self.after, |it| it.seq);
                return Ok(batch);
            }
            view.head
        };
        if self.after >= head {
            return Ok(Vec::new());
        }
        self.read_disk(head, limit, limit_bytes)
    }

    fn read_disk(
        &mut self,
        head: Seq,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        let mut batch = Vec::new();
        let (mut line, mut bytes) = (Vec::new(), 0);
        while batch.len() < limit && bytes < limit_bytes && self.after < head {
            let open = match &mut self.file {
                Some(open) => open,
                None => self.file.insert(open(&self.shared, self.after + 1)?),
            };
            line.clear();
            let size = open
                .lines
                .read_until(b'\n', &mut line)
                .map_err(JournalError::io("read", &open.segment.path))?;
            if size == 0 {
                if !begins_at(&self.shared, self.after + 1) {
                    let why = format!("record {} is missing", self.after + 1);
                    let (file, line) = (open.segment.path.clone(), open.line);
                    return Err(JournalError::Corrupt { file, line, why });
                }
                self.file = None;
                continue;
            }
            open.line += 1;
            line.pop();
            let record = read_record(&line).map_err(|why| JournalError::Corrupt {
                file: open.segment.path.clone(),
                line: open.line,
                why,
            })?;
            if record.seq <= self.after {
                continue;
            }
            self.after = record.seq;
            bytes += size;
            batch.push(Arc::new(record));
            if begins_at(&self.shared, self.after + 1) {
                // The next record lies in the next segment, whatever follows here.
                self.file = None;
            }
        }
        Ok(batch)
    }
}

/// The segment that holds `seq`: the last one begun at or before it.
fn segment_of(shared: &Shared, seq: Seq) -> Option<Segment> {
    shared.lock_segments().iter().rev().find(|it| it.first_seq <= seq).cloned()
}

/// Whether a segment begins with `seq`.
fn begins_at(shared: &Shared, seq: Seq) -> bool {
    shared.lock_segments().iter().rev().any(|it| it.first_seq == seq)
}

fn open(shared: &Shared, seq: Seq) -> Result<OpenFile, JournalError> {
    let segment = segment_of(shared, seq)
        .ok_or_else(|| JournalError::Mismatch { why: format!("record {seq} is no longer held") })?;
    let file = File::open(&segment.path).map_err(JournalError::io("open", &segment.path))?;
    let mut lines = BufReader::with_capacity(64 * 1024, file);
    let mut header = Vec::new();
    lines.read_until(b'\n', &mut header).map_err(JournalError::io("read", &segment.path))?;
    Ok(OpenFile { segment, lines, line: 1 })
}
