//! What may go, and what must stay: the archive's answers to those who delete and erase.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codes;
use super::error::ArchiveError;
use super::read;
use crate::domain::{CallId, Note, PhoneNumber, Timestamp, Urgency};

/// A call, as far as keeping it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptCall {
    pub id: CallId,
    pub is_open: bool,
    pub deleted_at: Option<Timestamp>,
    pub legal_hold: bool,
    pub n_messages: u64,
}

const COLUMNS: &str = "call_id, ended_at IS NULL, deleted_at, legal_hold, n_messages";

fn kept(row: &Row<'_>) -> rusqlite::Result<KeptCall> {
    Ok(KeptCall {
        id: read::call_id(row, 0)?,
        is_open: row.get(1)?,
        deleted_at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
        legal_hold: row.get(3)?,
        n_messages: row.get(4)?,
    })
}

/// One call.
///
/// # Errors
/// The database's.
pub fn kept_call(db: &Connection, id: CallId) -> Result<Option<KeptCall>, ArchiveError> {
    let sql = format!("SELECT {COLUMNS} FROM calls WHERE call_id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id.0.to_bytes()], kept).optional()?)
}

/// What people wrote about a call: their notes, and what was done in the end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    pub admin_notes: Option<Note>,
    pub final_action: Option<Note>,
}

/// What people wrote about one call.
///
/// # Errors
/// The database's.
pub fn remarks(db: &Connection, id: CallId) -> Result<Option<Remarks>, ArchiveError> {
    let mut found =
        db.prepare_cached("SELECT admin_notes, final_action FROM calls WHERE call_id = ?1")?;
    let found =
        found.query_row([id.0.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((notes, action)) = found else { return Ok(None) };
    Ok(Some(Remarks { admin_notes: read::note(notes)?, final_action: read::note(action)? }))
}

/// All calls of a number, with and without its plus.
///
/// # Errors
/// The database's.
pub fn calls_of(db: &Connection, caller: &PhoneNumber) -> Result<Vec<KeptCall>, ArchiveError> {
    let bare = caller.as_str().trim_start_matches('+');
    let sql = format!("SELECT {COLUMNS} FROM calls WHERE mobile_no IN (?1, ?2, ?3)");
    let mut found = db.prepare_cached(&sql)?;
    let calls = found.query_map(params![caller.as_str(), bare, format!("+{bare}")], kept)?;
    Ok(calls.collect::<Result<_, _>>()?)
}

/// Calls of that urgency which ended at or before `until` and are neither deleted nor held.
///
/// # Errors
/// The database's.
pub fn past_policy(
    db: &Connection,
    urgency: Urgency,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<CallId>, ArchiveError> {
    let mut found = db.prepare_cached(
        "SELECT call_id FROM calls
         WHERE ended_at IS NOT NULL AND urgency = ?1 AND ended_at <= ?2
           AND deleted_at IS NULL AND legal_hold = 0
         ORDER BY ended_at LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ids = found
        .query_map(params![codes::of_urgency(urgency), until.as_millis(), limit], |row| {
            read::call_id(row, 0)
        })?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// Calls that were deleted at or before `until` and are not held.
///
/// # Errors
/// The database's.
pub fn past_undo(
    db: &Connection,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<KeptCall>, ArchiveError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM calls
         WHERE deleted_at IS NOT NULL AND deleted_at <= ?1 AND legal_hold = 0
           AND ended_at IS NOT NULL
         ORDER BY deleted_at LIMIT ?2"
    );
    let mut found = db.prepare_cached(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let calls = found.query_map(params![until.as_millis(), limit], kept)?;
    Ok(calls.collect::<Result<_, _>>()?)
}
