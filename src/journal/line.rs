//! The line format, version 1: one JSON object a line, closed by a checksum.
//!
//! The one idea: a line is `{…,"crc":"xxxxxxxx"}` where the eight hex digits are the CRC-32C of
//! every byte before `,"crc"`. The checksum is always last, so it is checked on the raw bytes
//! before anything is parsed. `docs/journal-format.md` is the full description.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Alert, AlertAcknowledged, AlertId, AlertKind, AnsweredBy, CallEnded, CallId, CallStarted,
    CallStatus, CallUpdated, CardStep, EndReason, Event, JournalId, Label, Medium, Message,
    MessageAdded, MessageId, PhoneNumber, Record, Role, Seq, Timestamp, Urgency,
};

pub const FORMAT: u32 = 1;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    CallStarted,
    MessageAdded,
    CallUpdated,
    WordsHeard,
    CallEnded,
    AlertRaised,
    AlertAcknowledged,
}

/// Every field that a record of any type may have, flat: reading it is one pass.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    seq: Seq,
    at: Timestamp,
    #[serde(borrow)]
    node: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<CallId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    sources: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<AnsweredBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<CardStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Label>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    worker_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile_no: Option<PhoneNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_sid: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    urgency: Option<Urgency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<CallStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_id: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<EndReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_id: Option<AlertId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_of_alert: Option<AlertKind>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    /// Read, and checked before on the raw bytes; written by hand.
    #[serde(default, rename = "crc", skip_serializing)]
    _crc: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    fn new(record: &'a Record, kind: Kind) -> Self {
        Self {
            seq: record.seq,
            at: record.at,
            node: Cow::Borrowed(&record.node),
            kind,
            call_id: record.event.call_id(),
            message_id: None,
            role: None,
            content: None,
            sources: None,
            answered_by: None,
            card: None,
            request: None,
            worker_id: None,
            mobile_no: None,
            call_sid: None,
            medium: None,
            language: None,
            urgency: None,
            status: None,
            admin_id: None,
            by: None,
            reason: None,
            alert_id: None,
            kind_of_alert: None,
            detail: None,
            _crc: None,
        }
    }

    fn from_record(record: &'a Record) -> Self {
        match &record.event {
            Event::CallStarted(it) => Self {
                worker_id: Some(Cow::Borrowed(&it.worker_id)),
                mobile_no: Some(it.caller.clone()),
                call_sid: it.call_sid.clone(),
                medium: Some(it.medium),
                language: it.language.clone(),
                urgency: Some(it.urgency),
                ..Self::new(record, Kind::CallStarted)
            },
            Event::MessageAdded(it) => Self {
                message_id: Some(it.message.id),
                role: Some(it.message.role),
                content: Some(Cow::Borrowed(&it.message.content)),
                sources: Some(Cow::Borrowed(&it.message.sources)),
                answered_by: it.message.answered_by,
                card: it.message.card.clone(),
                request: it.request.clone(),
                ..Self::new(record, Kind::MessageAdded)
            },
            Event::CallUpdated(it) => Self {
                urgency: it.urgency,
                status: it.status,
                admin_id: it.admin_id.clone(),
                by: it.by.clone(),
                ..Self::new(record, Kind::CallUpdated)
            },
            Event::WordsHeard { message_id, .. } => {
                Self { message_id: Some(*message_id), ..Self::new(record, Kind::WordsHeard) }
            }
            Event::CallEnded(it) => Self {
                reason: Some(it.reason),
                by: it.by.clone(),
                ..Self::new(record, Kind::CallEnded)
            },
            Event::AlertRaised(it) => Self {
                alert_id: Some(it.alert_id),
                kind_of_alert: Some(it.kind),
                detail: Some(Cow::Borrowed(&it.detail)),
                ..Self::new(record, Kind::AlertRaised)
            },
            Event::AlertAcknowledged(it) => Self {
                alert_id: Some(it.alert_id),
                by: Some(it.by.clone()),
                ..Self::new(record, Kind::AlertAcknowledged)
            },
        }
    }

    fn into_record(self) -> Result<Record, String> {
        fn need<T>(value: Option<T>, name: &str) -> Result<T, String> {
            value.ok_or_else(|| format!("`{name}` is missing"))
        }
        let call_id = self.call_id;
        let call = || need(call_id, "call_id");
        let event = match self.kind {
            Kind::CallStarted => Event::CallStarted(CallStarted {
                call_id: call()?,
                worker_id: need(self.worker_id, "worker_id")?.into(),
                caller: need(self.mobile_no, "mobile_no")?,
                call_sid: self.call_sid,
                medium: need(self.medium, "medium")?,
                language: self.language,
                urgency: need(self.urgency, "urgency")?,
            }),
            Kind::MessageAdded => Event::MessageAdded(MessageAdded {
                call_id: call()?,
                message: Arc::new(Message {
                    id: need(self.message_id, "message_id")?,
                    role: need(self.role, "role")?,
                    content: need(self.content, "content")?.into(),
                    timestamp: self.at,
                    sources: need(self.sources, "sources")?.into(),
                    answered_by: self.answered_by,
                    card: self.card,
                }),
                request: self.request,
            }),
            Kind::CallUpdated => Event::CallUpdated(CallUpdated {
                call_id: call()?,
                urgency: self.urgency,
                status: self.status,
                admin_id: self.admin_id,
                by: self.by,
            }),
            Kind::WordsHeard => Event::WordsHeard {
                call_id: call()?,
                message_id: need(self.message_id, "message_id")?,
            },
            Kind::CallEnded => Event::CallEnded(CallEnded {
                call_id: call()?,
                reason: need(self.reason, "reason")?,
                by: self.by,
            }),
            Kind::AlertRaised => Event::AlertRaised(Alert {
                alert_id: need(self.alert_id, "alert_id")?,
                kind: need(self.kind_of_alert, "kind_of_alert")?,
                call_id,
                detail: need(self.detail, "detail")?.into(),
                at: self.at,
            }),
            Kind::AlertAcknowledged => Event::AlertAcknowledged(AlertAcknowledged {
                alert_id: need(self.alert_id, "alert_id")?,
                by: need(self.by, "by")?,
            }),
        };
        Ok(Record { seq: self.seq, at: self.at, node: self.node.into(), event })
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

fn write_line(value: &impl Serialize, out: &mut Vec<u8>) {
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
    check(line)?;
    let line: Line<'_> = serde_json::from_slice(line).map_err(|err| err.to_string())?;
    line.into_record()
}

/// Reads a segment's first line, without its newline.
///
/// # Errors
/// As [`read_record`].
pub fn read_header(line: &[u8]) -> Result<Header, String> {
    check(line)?;
    serde_json::from_slice(line).map_err(|err| err.to_string())
}

fn check(line: &[u8]) -> Result<(), String> {
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
    use super::*;
    use proptest::prelude::*;
    use ulid::Ulid;

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
