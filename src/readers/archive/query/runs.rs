//! Finished work, newest first.

use std::collections::BTreeMap;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use ulid::Ulid;

use super::cursor;
use super::cursor::BadCursor;
use super::{AskError, Page};
use crate::domain::{CallId, Label, Note, Run, RunId, RunStatus, Seconds, Seq, Timestamp};
use crate::readers::archive::error::ArchiveError;

/// What the cursor of a list belongs to, beside the person.
const QUESTION: &str = "runs";
const COLUMNS: &str = "run_id, user_id, at, slug, command, status, duration_ms, automation_ms,
  lines_migrated, manual_estimate_ms, report_path, call_id, seq";

#[derive(Debug, Clone, Default)]
pub struct RunsQuestion {
    /// Only this person's.
    pub user_id: Option<String>,
    pub limit: usize,
    pub cursor: Option<String>,
}

/// A run, and the record that told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedRun {
    pub run: Run,
    pub seq: Seq,
}

/// One page.
///
/// # Errors
/// [`AskError::Cursor`], the archive's.
pub fn runs(db: &Connection, asked: &RunsQuestion) -> Result<Page<RecordedRun>, AskError> {
    let question = format!("{QUESTION} {:?}", asked.user_id);
    let (below_at, below_id) = match &asked.cursor {
        Some(cursor) => key_in(&cursor::open(&question, cursor)?)?,
        None => (i64::MAX, [u8::MAX; 16]),
    };
    let filter = if asked.user_id.is_some() { "user_id = ?4" } else { "?4 IS NULL" };
    let sql = format!(
        "SELECT {COLUMNS} FROM runs WHERE {filter} AND (at, run_id) < (?1, ?2)
         ORDER BY at DESC, run_id DESC LIMIT ?3"
    );
    let mut found = db.prepare_cached(&sql).map_err(ArchiveError::from)?;
    // One more than asked for tells whether there is more.
    let limit = asked.limit.saturating_add(1);
    let rows = found
        .query_map(params![below_at, below_id, limit, asked.user_id], recorded)
        .map_err(ArchiveError::from)?;
    let mut items = rows.collect::<Result<Vec<_>, _>>().map_err(ArchiveError::from)?;
    let is_more = items.len() > asked.limit;
    items.truncate(asked.limit);
    let next_cursor = items.last().filter(|_| is_more).map(|it| {
        let mut place = it.run.timestamp.as_millis().to_be_bytes().to_vec();
        place.extend_from_slice(&it.run.run_id.0.to_bytes());
        cursor::seal(&question, &place)
    });
    Ok(Page { items, next_cursor })
}

/// Which of these are recorded.
///
/// # Errors
/// The archive's.
pub fn known_runs(db: &Connection, ids: &[RunId]) -> Result<Vec<RunId>, ArchiveError> {
    let mut found = db.prepare_cached("SELECT 1 FROM runs WHERE run_id = ?1")?;
    let mut known = Vec::new();
    for id in ids {
        if found.exists([id.0.to_bytes()])? {
            known.push(*id);
        }
    }
    Ok(known)
}

/// Whose work these calls were.
///
/// # Errors
/// The archive's.
pub fn users_of_runs(
    db: &Connection,
    calls: &[CallId],
) -> Result<BTreeMap<CallId, Note>, ArchiveError> {
    let mut found = db.prepare_cached("SELECT user_id FROM runs WHERE run_id = ?1")?;
    let mut users = BTreeMap::new();
    for call in calls {
        let id = Run::id_of(*call).0.to_bytes();
        if let Some(user) = found.query_row([id], |row| parsed(row, 0)).optional()? {
            users.insert(*call, user);
        }
    }
    Ok(users)
}

fn key_in(place: &[u8]) -> Result<(i64, [u8; 16]), BadCursor> {
    let (at, id) = place.split_first_chunk::<8>().ok_or(BadCursor)?;
    Ok((i64::from_be_bytes(*at), id.try_into().map_err(|_| BadCursor)?))
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<RecordedRun> {
    let status: String = row.get(5)?;
    let status = RunStatus::ALL.into_iter().find(|it| it.as_str() == status);
    let report: Option<String> = row.get(10)?;
    let call: Option<[u8; 16]> = row.get(11)?;
    Ok(RecordedRun {
        run: Run {
            run_id: RunId(Ulid::from_bytes(row.get(0)?)),
            user_id: parsed(row, 1)?,
            timestamp: Timestamp::from_millis(row.get(2)?),
            slug: parsed::<Label>(row, 3)?,
            command: parsed(row, 4)?,
            status: status.ok_or_else(|| {
                rusqlite::Error::InvalidColumnType(5, "status".to_owned(), Type::Text)
            })?,
            duration_seconds: seconds(row, 6)?,
            automation_seconds: seconds(row, 7)?,
            lines_migrated: row.get(8)?,
            manual_estimate_seconds: seconds(row, 9)?,
            report_path: report.and_then(|it| Note::parse(&it).ok()),
            call_id: call.map(|it| CallId(Ulid::from_bytes(it))),
        },
        seq: row.get(12)?,
    })
}

fn seconds(row: &Row<'_>, column: usize) -> rusqlite::Result<Seconds> {
    Ok(Seconds::from_millis(row.get(column)?).unwrap_or_default())
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|err| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(err)))
}
