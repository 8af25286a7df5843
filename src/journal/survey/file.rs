//! One segment, line by line, whatever stands in it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::Path;

use super::{Bad, Head, Part, Run, Surveyed};
use crate::domain::{Record, Seq};
use crate::journal::error::JournalError;
use crate::journal::line::{Header, LineReader, check, read_header};

/// No line of ours is longer; bytes without a line end are taken in pieces of this size.
const LONGEST: usize = 64 * 1024 * 1024;

/// Where the segment says that it begins.
pub fn first_of(path: &Path) -> Result<Option<Seq>, JournalError> {
    let Some(mut lines) = open(path)? else { return Ok(None) };
    let mut line = Vec::new();
    // A header in the second line was swapped with the record in the first.
    for _ in 0..2 {
        read_piece(&mut lines, &mut line).map_err(JournalError::io("read", path))?;
        if let Some(header) = line.strip_suffix(b"\n").and_then(|it| read_header(it).ok()) {
            return Ok(Some(header.first_seq));
        }
    }
    Ok(None)
}

/// `None` if the file has gone.
pub fn look(
    ordinal: u32,
    path: &Path,
    mut each: impl FnMut(Record),
    tell: &mut impl FnMut(u64),
) -> Result<Option<Surveyed>, JournalError> {
    let Some(mut lines) = open(path)? else { return Ok(None) };
    let mut found = Surveyed {
        ordinal,
        path: path.to_owned(),
        head: Head::Unfinished,
        parts: Vec::new(),
        header_bytes: 0,
        whole_bytes: 0,
        torn_bytes: 0,
        has_holes: false,
    };
    let (mut piece, mut reader) = (Vec::new(), LineReader::default());
    let (mut number, mut offset) = (1, 0);
    loop {
        let size = read_piece(&mut lines, &mut piece).map_err(JournalError::io("read", path))?;
        tell(size as u64);
        if size == 0 {
            break;
        }
        let place = Place { line: number, offset, n_bytes: size as u64 };
        offset += place.n_bytes;
        let Some(line) = piece.strip_suffix(b"\n") else {
            if size < LONGEST {
                found.torn_bytes = place.n_bytes;
                break;
            }
            found.add_bad(place, 0, "it is too long".to_owned(), false);
            continue;
        };
        number += 1;
        found.whole_bytes = offset;
        if let Some(record) = found.add_line(line, place, &mut reader) {
            each(record);
        }
    }
    Ok(Some(found))
}

/// A line, or bytes without an end.
#[derive(Clone, Copy)]
struct Place {
    line: u64,
    offset: u64,
    n_bytes: u64,
}

impl Surveyed {
    fn add_line(&mut self, line: &[u8], place: Place, reader: &mut LineReader) -> Option<Record> {
        let is_first = place.offset == 0;
        let read = reader.read_record(line);
        if read.is_err()
            && let Ok(header) = read_header(line)
        {
            return self.add_header(header, place);
        }
        if is_first {
            self.head = Head::Bad(match &read {
                Ok(_) => "it is a record, not a header".to_owned(),
                Err(why) => why.clone(),
            });
        }
        match read {
            Ok(record) => {
                self.add_record(&record, place);
                Some(record)
            }
            Err(why) => {
                let is_foreign = check(line).is_ok();
                self.add_bad(place, 1, why, is_foreign);
                None
            }
        }
    }

    fn add_header(&mut self, header: Header, place: Place) -> Option<Record> {
        if place.offset == 0 {
            self.head = Head::Good(header);
            self.header_bytes = place.n_bytes;
            return None;
        }
        if matches!(self.head, Head::Bad(_)) {
            self.head = Head::Displaced(header);
        }
        // It stood for no record.
        self.add_bad(place, 0, "it is a header, not a record".to_owned(), false);
        None
    }

    fn add_record(&mut self, record: &Record, place: Place) {
        match self.parts.last_mut() {
            Some(Part::Run(run)) if run.last + 1 == record.seq => {
                (run.last, run.last_at) = (record.seq, record.at);
                run.n_bytes += place.n_bytes;
            }
            _ => self.parts.push(Part::Run(Run {
                first: record.seq,
                last: record.seq,
                first_at: record.at,
                last_at: record.at,
                line: place.line,
                offset: place.offset,
                n_bytes: place.n_bytes,
            })),
        }
    }

    fn add_bad(&mut self, place: Place, n_lines: u64, why: String, is_foreign: bool) {
        match self.parts.last_mut() {
            Some(Part::Bad(bad))
                if bad.is_foreign == is_foreign && bad.n_lines > 0 && n_lines > 0 =>
            {
                bad.n_bytes += place.n_bytes;
                bad.n_lines += n_lines;
            }
            _ => {
                let Place { line, offset, n_bytes } = place;
                self.parts.push(Part::Bad(Bad { line, offset, n_bytes, n_lines, why, is_foreign }));
            }
        }
    }
}

fn open(path: &Path) -> Result<Option<BufReader<File>>, JournalError> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(256 * 1024, file))),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(JournalError::io("open", path)(err)),
    }
}

/// Reads up to the next line end, or [`LONGEST`] bytes without one.
fn read_piece(from: &mut impl BufRead, piece: &mut Vec<u8>) -> io::Result<usize> {
    piece.clear();
    let mut limited = io::Read::take(from, LONGEST as u64);
    limited.read_until(b'\n', piece)
}
