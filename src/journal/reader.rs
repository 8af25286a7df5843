//! Reading after a position: from memory while it holds the records, else from the segments.
//!
//! A reader remembers where in which file it stopped, so that catching up reads every byte once.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::JournalError;
use super::line::LineReader;
use super::segment::Segment;
use super::shared::Shared;
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
    text: Vec<u8>,
    reader: LineReader,
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
    /// [`JournalError::Io`] and [`JournalError::Corrupt`] from the segments, after all that reads
    /// before the damage was handed out; the position stays.
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

    /// As [`Reader::next_batch`], but from disk alone: for a thread of low priority, which must not
    /// hold the lock that the journal's thread waits for when it is put aside for others.
    ///
    /// # Errors
    /// As [`Reader::next_batch`].
    pub fn next_batch_from_disk(
        &mut self,
        limit: usize,
        limit_bytes: usize,
    ) -> Result<Vec<Arc<Record>>, JournalError> {
        let head = self.shared.head.load(Ordering::Acquire);
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
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < limit && bytes < limit_bytes && self.after < head {
            match self.read_one() {
                Ok((record, size)) => {
                    self.after = record.seq;
                    bytes += size;
                    batch.push(Arc::new(record));
                }
                Err(err) => {
                    // The next call begins anew at the same record, and meets the same damage.
                    self.file = None;
                    if batch.is_empty() {
                        return Err(err);
                    }
                    break;
                }
            }
        }
        Ok(batch)
    }

    fn read_one(&mut self) -> Result<(Record, usize), JournalError> {
        let seq = self.after + 1;
        let file = file_of(&self.shared, seq);
        // A new segment may have taken over while this one was open; what follows here no longer
        // counts then. Or it was rewritten, and what it says here is to be forgotten.
        let open = match &mut self.file {
            Some(open) if Some((open.segment.ordinal, open.segment.revision)) == file => open,
            _ => self.file.insert(open(&self.shared, seq)?),
        };
        let path = &open.segment.path;
        loop {
            open.text.clear();
            let size = open
                .lines
                .read_until(b'\n', &mut open.text)
                .map_err(JournalError::io("read", path))?;
            open.line += 1;
            let damaged = |why| JournalError::Corrupt { file: path.clone(), line: open.line, why };
            if size == 0 {
                return Err(damaged(format!("record {seq} is missing")));
            }
            open.text.pop();
            let record = open.reader.read_record(&open.text).map_err(damaged)?;
            if record.seq == seq {
                return Ok((record, size));
            }
            if record.seq > seq {
                return Err(damaged(format!("it is record {}, not {seq}", record.seq)));
            }
        }
    }
}

/// The segment that holds `seq`: the last one begun at or before it.
fn segment_of(segments: &[Segment], seq: Seq) -> Option<&Segment> {
    segments.iter().rev().find(|it| it.first_seq <= seq)
}

/// Ordinal and revision of the segment that holds `seq`.
fn file_of(shared: &Shared, seq: Seq) -> Option<(u32, u32)> {
    segment_of(&shared.lock_segments(), seq).map(|it| (it.ordinal, it.revision))
}

fn open(shared: &Shared, seq: Seq) -> Result<OpenFile, JournalError> {
    let gone = || JournalError::Mismatch { why: format!("record {seq} is no longer held") };
    let segment = segment_of(&shared.lock_segments(), seq).cloned().ok_or_else(gone)?;
    let file = File::open(&segment.path).map_err(|err| {
        // It may have been removed since the list was looked at.
        if file_of(shared, seq).is_some_and(|it| it.0 == segment.ordinal) {
            JournalError::io("open", &segment.path)(err)
        } else {
            gone()
        }
    })?;
    let mut lines = BufReader::with_capacity(64 * 1024, file);
    let mut text = Vec::new();
    lines.read_until(b'\n', &mut text).map_err(JournalError::io("read", &segment.path))?;
    Ok(OpenFile { segment, lines, line: 1, text, reader: LineReader::default() })
}
