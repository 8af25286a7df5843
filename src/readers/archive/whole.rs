//! Whole calls, one after another, with what was done to them: what an export is made of.
//!
//! The one idea: each look is a short transaction of its own. Whoever reads the export may pause
//! for hours, and a transaction that lasts would keep the archive's log from being written back.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};
use serde::Serialize;

use super::codes;
use super::error::ArchiveError;
use super::read::{self, CALL_COLUMNS, N_CALL_COLUMNS};
use super::schema::VERSION;
use crate::domain::{
    Call, CallId, JournalId, MessageId, PhoneNumber, Position, Role, Seq, Timestamp, Urgency,
};

/// The archive, to be read while a server may write it.
pub struct WholeCalls(Connection);

/// Which calls. All of those that were not deleted by default.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Began then or later.
    pub from: Option<Timestamp>,
    /// Began before.
    pub to: Option<Timestamp>,
    /// One of these; all if there is none.
    pub urgency: Vec<Urgency>,
    pub caller: Option<PhoneNumber>,
    pub with_deleted: bool,
}

/// Everything that the archive knows of a call.
#[derive(Debug)]
pub struct WholeCall {
    pub call: Call,
    /// Its beginning was gone when the archive would have read it.
    pub is_cut: bool,
    pub actions: Vec<Deed>,
    /// Who took it over, spoke in it, or changed it.
    pub supervisors: Vec<String>,
}

/// What was done to a call.
#[derive(Debug, Serialize)]
pub struct Deed {
    pub seq: Seq,
    pub at: Timestamp,
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl WholeCalls {
    /// Opens a file that is there, of this version.
    ///
    /// # Errors
    /// [`ArchiveError::Unreadable`], [`ArchiveError::Newer`], [`ArchiveError::Older`]
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(path, flags).and_then(|db| {
            // A server may hold the file for a moment.
            db.busy_timeout(std::time::Duration::from_secs(5))?;
            let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok((db, found))
        });
        let (db, found) = opened.map_err(|err| ArchiveError::Unreadable {
            path: path.to_owned(),
            source: Box::new(err.into()),
        })?;
        match found {
            VERSION => Ok(Self(db)),
            found if found > VERSION => Err(ArchiveError::Newer { found, known: VERSION }),
            found => Err(ArchiveError::Older { found, known: VERSION }),
        }
    }

    /// Up to where which journal was read; `None` for a new archive.
    pub fn position(&self) -> Result<Option<Position>, ArchiveError> {
        let stored = self
            .0
            .query_row("SELECT journal_id, cursor FROM about", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((journal, seq)) = stored else { return Ok(None) };
        let journal = journal
            .parse::<JournalId>()
            .map_err(|_| ArchiveError::Impossible(format!("{journal} is no journal id")))?;
        Ok(Some(Position { journal, seq }))
    }

    /// Whether a call of that id is or was here, in sight or not.
    pub fn has(&self, id: CallId) -> Result<bool, ArchiveError> {
        let mut found = self.0.prepare_cached("SELECT 1 FROM calls WHERE call_id = ?1")?;
        Ok(found.exists([id.0.to_bytes()])?)
    }

    /// The row of one call.
    pub fn row(&self, id: CallId) -> Result<Option<i64>, ArchiveError> {
        let mut found = self.0.prepare_cached("SELECT id FROM calls WHERE call_id = ?1")?;
        Ok(found.query_row([id.0.to_bytes()], |row| row.get(0)).optional()?)
    }

    /// How many calls are selected.
    pub fn count(&self, selection: &Selection) -> Result<u64, ArchiveError> {
        let (clause, values) = selection.clause();
        let sql = format!("SELECT count(*) FROM calls WHERE {clause}");
        Ok(self.0.prepare(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?)
    }

    /// The next selected rows after `after`, in the order in which they came.
    pub fn rows_after(
        &self,
        selection: &Selection,
        after: i64,
        limit: u32,
    ) -> Result<Vec<i64>, ArchiveError> {
        let (clause, mut values) = selection.clause();
        values.extend([Value::from(after), Value::from(limit)]);
        let sql = format!("SELECT id FROM calls WHERE {clause} AND id > ? ORDER BY id LIMIT ?");
        let mut found = self.0.prepare_cached(&sql)?;
        let rows = found.query_map(params_from_iter(values), |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Everything of the call in that row; `None` if it was erased meanwhile.
    ///
    /// # Errors
    /// The database's, and [`ArchiveError::Impossible`] for what no Aurora wrote.
    pub fn whole(&self, row: i64) -> Result<Option<WholeCall>, ArchiveError> {
        // All of it as it was at one moment.
        let db = self.0.unchecked_transaction()?;
        let sql = format!("SELECT {CALL_COLUMNS}, is_cut FROM calls WHERE id = ?1");
        let found = db
            .prepare_cached(&sql)?
            .query_row([row], |row| Ok((read::call_of(row), row.get(N_CALL_COLUMNS)?)))
            .optional()?;
        let Some((call, is_cut)) = found else { return Ok(None) };
        let (_, mut call) = call?;
        call.messages = read::messages(&db, row)?;
        call.turns = call.messages.iter().map(|it| u32::from(it.role == Role::User)).sum();
        call.last_admin = last_admin(&call);
        let (actions, supervisors) = (actions(&db, row)?, supervisors(&db, row)?);
        Ok(Some(WholeCall { call, is_cut, actions, supervisors }))
    }
}

fn last_admin(call: &Call) -> Option<MessageId> {
    call.messages.iter().rev().find(|it| it.role == Role::Admin).map(|it| it.id)
}

fn actions(db: &Connection, row: i64) -> Result<Vec<Deed>, ArchiveError> {
    let mut found = db.prepare_cached(
        "SELECT seq, at, what, value, by, source FROM actions WHERE call = ?1 ORDER BY seq",
    )?;
    let actions = found.query_map([row], |row| {
        Ok(Deed {
            seq: row.get(0)?,
            at: Timestamp::from_millis(row.get(1)?),
            what: row.get(2)?,
            value: row.get(3)?,
            by: row.get(4)?,
            source: row.get(5)?,
        })
    })?;
    Ok(actions.collect::<Result<_, _>>()?)
}

fn supervisors(db: &Connection, row: i64) -> Result<Vec<String>, ArchiveError> {
    let mut found =
        db.prepare_cached("SELECT name FROM supervisors WHERE call = ?1 ORDER BY name")?;
    let names = found.query_map([row], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

impl Selection {
    /// A condition on `calls` with its values.
    fn clause(&self) -> (String, Vec<Value>) {
        let (mut clause, mut values) = ("1".to_owned(), Vec::new());
        let mut and = |condition: &str, value: Value| {
            clause.push_str(" AND ");
            clause.push_str(condition);
            values.push(value);
        };
        if let Some(from) = self.from {
            and("started_at >= ?", from.as_millis().into());
        }
        if let Some(to) = self.to {
            and("started_at < ?", to.as_millis().into());
        }
        if let Some(caller) = &self.caller {
            and("mobile_no = ?", caller.as_str().to_owned().into());
        }
        if !self.urgency.is_empty() {
            let is_chosen = |it: &Urgency| i64::from(self.urgency.contains(it));
            let bits = [Urgency::Normal, Urgency::Urgent, Urgency::Critical]
                .iter()
                .map(|it| is_chosen(it) << codes::of_urgency(*it))
                .sum::<i64>();
            and("(? >> urgency) & 1", bits.into());
        }
        if !self.with_deleted {
            clause.push_str(" AND deleted_at IS NULL");
        }
        (clause, values)
    }
}
