//! A message a line, with the columns of its call (RFC 4180).
//!
//! A spreadsheet runs a cell that begins like a formula, and what stands in a cell is what a caller
//! said. So such a cell gets a `'` before it, unless a program wants it raw.

use std::borrow::Cow;
use std::io::{self, Write};

use csv::{Terminator, WriterBuilder};

use crate::domain::{Call, Label, Message, Note, Timestamp};
use crate::readers::archive::WholeCall;

const HEADER: [&str; 24] = [
    "call_id",
    "conversation_id",
    "mobile_no",
    "worker_id",
    "urgency",
    "status",
    "medium",
    "language",
    "call_sid",
    "started_at",
    "last_message_at",
    "ended_at",
    "end_reason",
    "admin_id",
    "deleted_at",
    "legal_hold",
    "admin_notes",
    "final_action",
    "message_id",
    "role",
    "timestamp",
    "answered_by",
    "sources",
    "content",
];
/// Columns of the call.
const OF_CALL: usize = 18;

pub fn header(out: &mut impl Write) -> io::Result<()> {
    let mut writer = writer(out);
    writer.write_record(HEADER)?;
    writer.flush()
}

/// A call without messages has one line.
pub fn rows(whole: &WholeCall, is_raw: bool, out: &mut impl Write) -> io::Result<()> {
    let mut writer = writer(out);
    let safe = |cell: &str| if is_raw { cell.to_owned() } else { harmless(cell).into_owned() };
    let of_call = of_call(&whole.call).map(|it| safe(&it));
    for message in &whole.call.messages {
        let of_message = of_message(message).map(|it| safe(&it));
        writer.write_record(of_call.iter().chain(&of_message))?;
    }
    if whole.call.messages.is_empty() {
        let nothing: [String; HEADER.len() - OF_CALL] = Default::default();
        writer.write_record(of_call.iter().chain(&nothing))?;
    }
    writer.flush()
}

fn writer<W: Write>(out: W) -> csv::Writer<W> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(out)
}

fn of_call(call: &Call) -> [Cow<'_, str>; OF_CALL] {
    let time = |it: Option<Timestamp>| Cow::from(it.map(|it| it.to_string()).unwrap_or_default());
    fn label(it: Option<&Label>) -> Cow<'_, str> {
        Cow::from(it.map_or("", Label::as_str))
    }
    fn note(it: Option<&Note>) -> Cow<'_, str> {
        Cow::from(it.map_or("", Note::as_str))
    }
    [
        call.id.to_string().into(),
        call.conversation_id().to_string().into(),
        call.caller.as_str().into(),
        (&*call.worker_id).into(),
        call.urgency.as_str().into(),
        call.status.as_str().into(),
        call.medium.as_str().into(),
        label(call.language.as_ref()),
        label(call.call_sid.as_ref()),
        call.started_at.to_string().into(),
        call.last_message_at.to_string().into(),
        time(call.ended_at),
        call.end_reason.map_or("", |it| it.as_str()).into(),
        label(call.admin_id.as_ref()),
        time(call.deleted_at),
        if call.legal_hold { "true" } else { "false" }.into(),
        note(call.admin_notes.as_ref()),
        note(call.final_action.as_ref()),
    ]
}

fn of_message(message: &Message) -> [Cow<'_, str>; HEADER.len() - OF_CALL] {
    [
        message.id.to_string().into(),
        message.role.as_str().into(),
        message.timestamp.to_string().into(),
        message.answered_by.map_or("", |it| it.as_str()).into(),
        (&*message.sources).into(),
        (&*message.content).into(),
    ]
}

/// Without what makes a spreadsheet calculate. Some look past blanks, and take the wide forms of
/// the signs for the signs.
fn harmless(cell: &str) -> Cow<'_, str> {
    const SIGNS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    let is_formula = cell.trim_start().starts_with(SIGNS) || cell.starts_with(['\t', '\r', '\n']);
    if is_formula { Cow::from(format!("'{cell}")) } else { Cow::from(cell) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_is_a_text() {
        for cell in ["=1+1", "+15550100", "-1", "@SUM(A1)", " =1", "\t=1", "＝1"] {
            assert_eq!(harmless(cell), format!("'{cell}"));
        }
        for cell in ["", "fire = smoke", "a@b", "'=1", "call_01"] {
            assert_eq!(harmless(cell), cell);
        }
    }
}
