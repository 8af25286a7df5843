//! The line format, version 2: one JSON object a line, closed by a checksum.
//!
//! The one idea: a line is `{…,"crc":"xxxxxxxx"}` where the eight hex digits are the CRC-32C of
//! every byte before `,"crc"`. The checksum is always last, so it is checked on the raw bytes
//! before anything is parsed. `docs/journal-format.md` is the full description.

use serde::{Deserialize, Serialize};

use super::fields::{Line, Repeated};
use crate::domain::{JournalId, Record, Seq};

/// What this Aurora writes; it reads every one before.
pub const FORMAT: u32 = 2;

/// `,"crc":"xxxxxxxx"}`
const TRAILER: usize = 18;

/// First line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format.
    pub format: u32,
    pub journal_id: String,
    pub first_seq: Seq,
}

impl Header {
    pub fn new(id: JournalId, first_seq: Seq) -> Self {
        Self { format: FORMAT, journal_id: id.to_string(), first_seq }
    }
}

/// Appends the record's line to `out`, newline included.
pub fn write_record(record: &Record, out: &mut Vec<u8>) {
    write_line(&Line::from_record(record), out);
}

/// Appends the header's line to `out`, newline included.
pub fn write_header(header: &Header, out: &mut Vec<u8>) {
    write_line(header, out);
}

pub(super) fn write_line(value: &impl Serialize, out: &mut Vec<u8>) {
    let start = out.len();
    serde_json::to_writer(&mut *out, value).expect("lines hold nothing that JSON cannot");
    out.pop();
    let crc = crc32c::crc32c(&out[start..]);
    out.extend_from_slice(b",\"crc\":\"");
    for shift in (0..8).rev() {
        out.push(b"0123456789abcdef"[(crc >> (shift * 4)) as usize & 15]);
    }
    out.extend_from_slice(b"\"}\n");
}

/// Reads one line, without its newline.
///
/// # Errors
/// Why it is not a record, in words for an operator; never with its content.
pub fn read_record(line: &[u8]) -> Result<Record, String> {
    LineReader::default().read_record(line)
}

/// Reads line after line. What most lines repeat is kept once for all of them.
#[derive(Debug, Default)]
pub struct LineReader {
    repeated: Repeated,
}

impl LineReader {
    /// As [`read_record`].
    ///
    /// # Errors
    /// As [`read_record`].
    pub fn read_record(&mut self, line: &[u8]) -> Result<Record, String> {
        check(line)?;
        // Once for the whole line is quicker than once for each text in it.
        let text = std::str::from_utf8(line).map_err(|err| err.to_string())?;
        let line: Line<'_> = serde_json::from_str(text).map_err(|err| err.to_string())?;
        line.into_record(&mut self.repeated)
    }
}

/// Reads a segment's first line, without its newline.
///
/// # Errors
/// As [`read_record`].
pub fn read_header(line: &[u8]) -> Result<Header, String> {
    check(line)?;
    serde_json::from_slice(line).map_err(|err| err.to_string())
}

pub(super) fn check(line: &[u8]) -> Result<(), String> {
    let Some(split) = line.len().checked_sub(TRAILER) else {
        return Err("it is too short".to_owned());
    };
    let (body, trailer) = line.split_at(split);
    let hex = trailer
        .strip_prefix(b",\"crc\":\"")
        .and_then(|it| it.strip_suffix(b"\"}"))
        .filter(|it| it.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .and_then(|it| std::str::from_utf8(it).ok())
        .and_then(|it| u32::from_str_radix(it, 16).ok())
        .ok_or("it does not end in a checksum")?;
    if hex == crc32c::crc32c(body) { Ok(()) } else { Err("its checksum does not match".to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use ulid::Ulid;

    use super::*;
    use crate::domain::{CallId, Event, Message, MessageAdded, MessageId, Role, Timestamp};

    fn message(seq: Seq, content: &str) -> Record {
        Record {
            seq,
            at: Timestamp::from_millis(1_763_640_000_123),
            node: "local".into(),
            event: Event::MessageAdded(MessageAdded {
                call_id: CallId(Ulid::from_parts(1_763_640_000_000, 7)),
                message: Arc::new(Message {
                    id: MessageId(1),
                    role: Role::User,
                    content: content.into(),
                    timestamp: Timestamp::from_millis(1_763_640_000_123),
                    sources: "".into(),
                    answered_by: None,
                    card: None,
                    by: None,
                    remote_key: None,
                }),
                request: None,
            }),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(seq in 1..u64::MAX, content in any::<String>()) {
            let record = message(seq, &content);
            let mut line = Vec::new();
            write_record(&record, &mut line);
            prop_assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
            prop_assert_eq!(read_record(&line[..line.len() - 1]), Ok(record));
        }

        #[test]
        fn no_flipped_bit_goes_unnoticed(content in "[a-z ]{0,40}", at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut line = Vec::new();
            write_record(&message(9, &content), &mut line);
            line.pop();
            let at = at.index(line.len());
            line[at] ^= 1 << bit;
            prop_assert!(read_record(&line).is_err());
        }

        #[test]
        fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read_record(&bytes).is_err());
            prop_assert!(read_header(&bytes).is_err());
        }
    }
}
