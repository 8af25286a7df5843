//! Rewriting sealed segments: records keep their place and lose their words.
//!
//! The one idea: a segment is written anew beside the old file, line by line, and renamed over it
//! when it is whole and synced. At every moment there is one whole file of that name, so a crash
//! leaves the old segment or the new one, and running it again finishes the work. Callers never
//! wait for it: the journal thread knows nothing of sealed segments.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::chain::Hash;
use super::error::JournalError;
use super::line::{LineReader, read_record, write_record};
use super::segment::{self, Sealed, Segment};
use super::{Journal, Shared};
use crate::domain::{Event, Record, Seq};
use crate::files::sync_folder;

/// Written before the next sync. A commit's sync may have to wait for what others wrote.
const SYNC_EVERY: usize = 1024 * 1024;
/// Read before progress is told again.
const TELL_EVERY: u64 = 1024 * 1024;

/// What [`Journal::rewrite`] changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewritten {
    pub n_segments: usize,
    pub n_records: u64,
}

impl Journal {
    /// Gives each record of the sealed segments, and of the memory, to `redact`; where that returns
    /// another event, the record is replaced by one with the same place, time and node. Seal first
    /// to reach all that is written. Lines that do not count go, too: they may repeat words.
    ///
    /// `redact` may see a record several times. It must give back nothing for what it returned
    /// before; then running it again after a crash finishes what was begun. `progress` is told
    /// bytes done and in all.
    ///
    /// The hash chain gets a line with `reason` for each segment: no word and no number in it.
    /// Segments are not removed meanwhile. Readers with an old file go over to the new one.
    ///
    /// # Errors
    /// [`JournalError::Io`], [`JournalError::Corrupt`], and [`JournalError::Closed`] when the
    /// journal is closed meanwhile: what was rewritten before stays so.
    pub fn rewrite(
        &self,
        reason: &str,
        mut redact: impl FnMut(&Record) -> Option<Event>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Rewritten, JournalError> {
        let mut upkeep = self.shared.lock_upkeep();
        let mut redact = |record: &Record| {
            let event = redact(record).filter(|it| *it != record.event)?;
            Some(Record { event, seq: record.seq, at: record.at, node: Arc::clone(&record.node) })
        };
        let sealed = Sealed::all(&self.shared.lock_segments());
        self.chain_sealed(&mut upkeep)?;
        let chain = upkeep.chain(&self.shared.dir)?;
        if let Some(last) = sealed.last() {
            redact_memory(&self.shared, last.limit, &mut redact);
        }
        let mut total = 0;
        for it in &sealed {
            let size = fs::metadata(&it.segment.path);
            total += size.map_err(JournalError::io("measure", &it.segment.path))?.len();
        }
        let (mut rewritten, mut done) = (Rewritten::default(), 0);
        for it in &sealed {
            // A stop does not wait for all.
            if self.is_closed() {
                return Err(JournalError::Closed);
            }
            let changes = it.scan(&mut redact, |n_bytes| progress(done + n_bytes, total))?;
            done += changes.size_bytes;
            if it.is_void() {
                it.drop_void(&self.shared)?;
            } else if changes.n_records > 0 || changes.has_tail {
                it.replace(&self.shared, &mut redact, |before, after| {
                    chain.rewritten(it, before, after, reason)
                })?;
                rewritten.n_segments += 1;
                rewritten.n_records += changes.n_records;
            }
            progress(done, total);
        }
        Ok(rewritten)
    }
}

/// Puts redacted records in the place of those before `limit` that memory holds.
fn redact_memory(shared: &Shared, limit: Seq, redact: &mut impl FnMut(&Record) -> Option<Record>) {
    let held = shared.view().ring.before(limit);
    let redacted: Vec<_> = held.iter().filter_map(|it| redact(it).map(Arc::new)).collect();
    shared.view_mut().ring.replace(redacted);
}

struct Changes {
    n_records: u64,
    /// Something stands behind the last line that counts.
    has_tail: bool,
    size_bytes: u64,
}

impl Sealed {
    fn drop_void(&self, shared: &Shared) -> Result<(), JournalError> {
        shared.lock_segments().retain(|it| it.ordinal != self.segment.ordinal);
        segment::remove(&shared.dir, &self.segment.path)
    }

    fn scan(
        &self,
        redact: &mut impl FnMut(&Record) -> Option<Record>,
        mut progress: impl FnMut(u64),
    ) -> Result<Changes, JournalError> {
        let mut lines = Lines::open(self)?;
        let (mut n_records, mut told) = (0, 0);
        while let Some(record) = lines.next()? {
            n_records += u64::from(redact(&record).is_some());
            if lines.offset - told >= TELL_EVERY {
                told = lines.offset;
                progress(told);
            }
        }
        let size = lines.file.get_ref().metadata();
        let size_bytes = size.map_err(JournalError::io("measure", &self.segment.path))?.len();
        Ok(Changes { n_records, has_tail: size_bytes > lines.offset, size_bytes })
    }

    /// Writes the segment anew beside it, has that noted, and puts it in its place. Were it noted
    /// afterwards, a crash between the two would look like tampering.
    fn replace(
        &self,
        shared: &Shared,
        redact: &mut impl FnMut(&Record) -> Option<Record>,
        note: impl FnOnce(Hash, Hash) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let beside = self.segment.path.with_extension("rewrite");
        let made = self.write_to(&beside, redact).and_then(|(before, after)| {
            if before != after {
                note(before, after)?;
            }
            fs::rename(&beside, &self.segment.path).map_err(JournalError::io("rename", &beside))
        });
        if made.is_err() {
            let _ = fs::remove_file(&beside);
            return made;
        }
        let ordinal = self.segment.ordinal;
        if let Some(it) = shared.lock_segments().iter_mut().find(|it| it.ordinal == ordinal) {
            it.revision += 1;
        }
        sync_folder(&shared.dir).map_err(JournalError::io("sync", &shared.dir))
    }

    /// Returns the hashes of the records before and after.
    fn write_to(
        &self,
        beside: &Path,
        redact: &mut impl FnMut(&Record) -> Option<Record>,
    ) -> Result<(Hash, Hash), JournalError> {
        let mut lines = Lines::open(self)?;
        let (mut before, mut after) = (Sha256::new(), Sha256::new());
        let file = File::create(beside).map_err(JournalError::io("create", beside))?;
        let mut out = BufWriter::with_capacity(256 * 1024, file);
        let mut put = |bytes: &[u8], unsynced: usize| {
            out.write_all(bytes).map_err(JournalError::io("write", beside))?;
            if unsynced + bytes.len() < SYNC_EVERY {
                return Ok(unsynced + bytes.len());
            }
            out.flush()
                .and_then(|()| out.get_ref().sync_data())
                .map_err(JournalError::io("sync", beside))?;
            Ok(0)
        };
        let mut unsynced = put(&lines.text, 0)?;
        let mut line = Vec::new();
        while let Some(record) = lines.next()? {
            before.update(&lines.text);
            let Some(redacted) = redact(&record) else {
                after.update(&lines.text);
                unsynced = put(&lines.text, unsynced)?;
                continue;
            };
            line.clear();
            write_record(&redacted, &mut line);
            // What is replaced is gone: better no rewriting than a line that nobody can read.
            if read_record(&line[..line.len() - 1]).as_ref() != Ok(&redacted) {
                let why = "what was to take its place does not read back".to_owned();
                return Err(lines.damaged(why));
            }
            after.update(&line);
            unsynced = put(&line, unsynced)?;
        }
        out.flush()
            .and_then(|()| out.get_ref().sync_all())
            .map_err(JournalError::io("sync", beside))?;
        Ok((before.into(), after.into()))
    }
}

/// The lines of a sealed segment that count, each checked.
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    next_seq: Seq,
    limit: Seq,
    number: u64,
    /// Behind the line in `text`.
    offset: u64,
    /// The line that was read last, newline included.
    text: Vec<u8>,
    reader: LineReader,
}

impl Lines {
    /// Stands at the header.
    fn open(sealed: &Sealed) -> Result<Self, JournalError> {
        let Segment { path, first_seq, .. } = sealed.segment.clone();
        let file = File::open(&path).map_err(JournalError::io("open", &path))?;
        let mut lines = Self {
            path,
            file: BufReader::with_capacity(256 * 1024, file),
            next_seq: first_seq,
            limit: sealed.limit,
            number: 0,
            offset: 0,
            text: Vec::new(),
            reader: LineReader::default(),
        };
        lines.read_line()?;
        Ok(lines)
    }

    /// The next record that counts.
    fn next(&mut self) -> Result<Option<Record>, JournalError> {
        if self.next_seq >= self.limit {
            return Ok(None);
        }
        self.read_line()?;
        let record = self.reader.read_record(&self.text[..self.text.len() - 1]);
        let record = record.map_err(|why| self.damaged(why))?;
        if record.seq != self.next_seq {
            let why = format!("it is record {}, not {}", record.seq, self.next_seq);
            return Err(self.damaged(why));
        }
        self.next_seq += 1;
        Ok(Some(record))
    }

    fn read_line(&mut self) -> Result<(), JournalError> {
        self.text.clear();
        let size = self
            .file
            .by_ref()
            .read_until(b'\n', &mut self.text)
            .map_err(JournalError::io("read", &self.path))?;
        self.number += 1;
        self.offset += size as u64;
        if self.text.last() == Some(&b'\n') {
            return Ok(());
        }
        Err(self.damaged(format!("records {} to {} are missing", self.next_seq, self.limit - 1)))
    }

    fn damaged(&self, why: String) -> JournalError {
        JournalError::Corrupt { file: self.path.clone(), line: self.number, why }
    }
}
