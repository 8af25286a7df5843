//! Rows back into the words of the domain.

use std::collections::VecDeque;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};

use super::codes;
use super::error::ArchiveError;
use super::schema::{FIRST_NOTE, MESSAGE_BITS, NOTES};
use crate::domain::{
    Call, CallId, CardStep, Edits, Field, Label, Message, MessageId, Note, PhoneNumber, Role,
    Timestamp,
};

/// What a call is read from, in this order.
pub const CALL_COLUMNS: &str = "id, call_id, worker_id, mobile_no, call_sid, medium, language, \
    urgency, status, started_at, last_message_at, ended_at, end_reason, admin_id, deleted_at, \
    legal_hold, admin_notes, final_action, last_seq";

/// How many columns these are.
pub const N_CALL_COLUMNS: usize = 19;

/// One call with all its messages, as the state had it.
///
/// # Errors
/// The database's, and [`ArchiveError::Impossible`] for what no Aurora wrote.
pub fn call(db: &Connection, id: CallId) -> Result<Option<Call>, ArchiveError> {
    let sql = format!("SELECT {CALL_COLUMNS} FROM calls WHERE call_id = ?1");
    let found = db
        .prepare_cached(&sql)?
        .query_row([id.0.to_bytes()], |row| Ok(call_of(row)))
        .optional()?
        .transpose()?;
    let Some((row, mut call)) = found else { return Ok(None) };
    call.messages = messages(db, row)?;
    call.turns = call.messages.iter().map(|it| u32::from(it.role == Role::User)).sum();
    call.last_admin = call.messages.iter().rev().find(|it| it.role == Role::Admin).map(|it| it.id);
    Ok(Some(call))
}

/// A call without its messages, and its row's number, from [`CALL_COLUMNS`].
pub fn call_of(row: &Row<'_>) -> Result<(i64, Call), ArchiveError> {
    let time = |column| row.get(column).map(Timestamp::from_millis);
    let time_if =
        |column| row.get::<_, Option<i64>>(column).map(|it| it.map(Timestamp::from_millis));
    let call = Call {
        id: call_id(row, 1)?,
        worker_id: row.get::<_, String>(2)?.into(),
        caller: caller(row, 3)?,
        call_sid: label(row.get(4)?)?,
        medium: codes::medium(row.get(5)?)?,
        language: label(row.get(6)?)?,
        urgency: codes::urgency(row.get(7)?)?,
        status: codes::status(row.get(8)?)?,
        started_at: time(9)?,
        last_message_at: time(10)?,
        ended_at: time_if(11)?,
        end_reason: row
            .get::<_, Option<String>>(12)?
            .as_deref()
            .map(codes::end_reason)
            .transpose()?,
        admin_id: label(row.get(13)?)?,
        deleted_at: time_if(14)?,
        legal_hold: row.get(15)?,
        admin_notes: note(row.get(16)?)?,
        final_action: note(row.get(17)?)?,
        edits: Edits::default(),
        messages: Vec::new(),
        turns: 0,
        last_admin: None,
        heard: None,
        requests: VecDeque::new(),
        last_seq: row.get(18)?,
    };
    Ok((row.get(0)?, call))
}

/// What was said in the call of that row, in order.
pub fn messages(db: &Connection, row: i64) -> Result<Vec<Arc<Message>>, ArchiveError> {
    let mut found = db.prepare_cached(
        "SELECT id, role, content, at, sources, answered_by, card, step, remote_key, said_by
         FROM messages
         WHERE id >= ?1 AND id < ?2 ORDER BY id",
    )?;
    let mut rows = found.query([row << MESSAGE_BITS, (row << MESSAGE_BITS) + FIRST_NOTE])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        messages.push(Arc::new(message(row)?));
    }
    Ok(messages)
}

/// The message in that row.
pub fn message_at(db: &Connection, row: i64) -> Result<Option<Arc<Message>>, ArchiveError> {
    let mut found = db.prepare_cached(
        "SELECT id, role, content, at, sources, answered_by, card, step, remote_key, said_by
         FROM messages
         WHERE id = ?1",
    )?;
    let found = found.query_row([row], |row| Ok(message(row))).optional()?;
    Ok(found.transpose()?.map(Arc::new))
}

fn message(row: &Row<'_>) -> Result<Message, ArchiveError> {
    let card: Option<String> = row.get(6)?;
    let step: Option<u16> = row.get(7)?;
    Ok(Message {
        id: message_id(row.get(0)?),
        role: codes::role(row.get(1)?)?,
        content: row.get::<_, String>(2)?.into(),
        timestamp: Timestamp::from_millis(row.get(3)?),
        sources: row.get::<_, String>(4)?.into(),
        answered_by: row.get::<_, Option<i64>>(5)?.map(codes::answered_by).transpose()?,
        card: card.zip(step).map(|(card, step)| CardStep { card: card.into(), step }),
        remote_key: label(row.get(8)?)?,
        by: label(row.get(9)?)?,
    })
}

/// The place in its conversation of the message in that row.
pub fn message_id(row: i64) -> MessageId {
    MessageId(u32::try_from(row & ((1 << MESSAGE_BITS) - 1)).unwrap_or(0))
}

/// Which note that row is, if it is no message.
pub fn note_of(row: i64) -> Option<Field> {
    let place = row & ((1 << MESSAGE_BITS) - 1);
    NOTES.iter().find(|it| it.1 == place).map(|it| it.0)
}

/// A caller's number.
pub fn caller(row: &Row<'_>, column: usize) -> Result<PhoneNumber, ArchiveError> {
    PhoneNumber::parse(&row.get::<_, String>(column)?)
        .map_err(|err| ArchiveError::Impossible(format!("a caller's number {err}")))
}

/// A call's id from its 16 bytes.
pub fn call_id(row: &Row<'_>, column: usize) -> rusqlite::Result<CallId> {
    row.get::<_, [u8; 16]>(column).map(|it| CallId(ulid::Ulid::from_bytes(it)))
}

/// A text that people wrote about a call.
pub fn note(text: Option<String>) -> Result<Option<Note>, ArchiveError> {
    text.map(|it| Note::parse(&it))
        .transpose()
        .map_err(|err| ArchiveError::Impossible(format!("a note {err}")))
}

fn label(text: Option<String>) -> Result<Option<Label>, ArchiveError> {
    text.map(|it| Label::parse(&it))
        .transpose()
        .map_err(|err| ArchiveError::Impossible(format!("a label {err}")))
}
