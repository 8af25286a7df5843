//! One call with all that was said and done in it.

use rusqlite::Connection;

use crate::domain::{Call, CallId, Timestamp};
use crate::readers::archive::error::ArchiveError;
use crate::readers::archive::read;

/// Something that was done to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub at: Timestamp,
    /// `takeover`, `handback`, `urgency`, `end`, `legal_hold`, `deleted` or `restored`.
    pub what: String,
    /// The new value, where there is one.
    pub value: Option<String>,
    /// Absent where no person did it.
    pub by: Option<String>,
    /// Where, if not here: `firebase`.
    pub source: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    pub call: Call,
    pub actions: Vec<Action>,
}

/// `None` if there is no such call, or no more.
pub fn transcript(db: &Connection, id: CallId) -> Result<Option<Transcript>, ArchiveError> {
    let Some(call) = read::call(db, id)? else { return Ok(None) };
    Ok(Some(Transcript { call, actions: actions(db, id)? }))
}

/// What was done to a call, in order.
pub fn actions(db: &Connection, id: CallId) -> Result<Vec<Action>, ArchiveError> {
    let mut found = db.prepare_cached(
        "SELECT at, what, value, by, source FROM actions
         WHERE call = (SELECT id FROM calls WHERE call_id = ?1) ORDER BY seq",
    )?;
    let actions = found.query_map([id.0.to_bytes()], |row| {
        Ok(Action {
            at: Timestamp::from_millis(row.get(0)?),
            what: row.get(1)?,
            value: row.get(2)?,
            by: row.get(3)?,
            source: row.get(4)?,
        })
    })?;
    Ok(actions.collect::<Result<_, _>>()?)
}
