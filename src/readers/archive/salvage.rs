//! Taking over what still reads from a damaged archive.
//!
//! The one idea: row by row, by its number, so that a page that does not read costs only the rows
//! on it. What is read twice, here and in the journal, is there once.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::error::ArchiveError;
use super::look::connect;
use super::read::{self, CALL_COLUMNS};
use super::schema::MESSAGE_BITS;
use super::store::Store;
use crate::domain::{Call, CallId, Notices, Position, Seq, State};

/// Calls that are put into the new archive at once.
const TOGETHER: usize = 100;
/// Rows are asked for by number up to here at most, if nobody can say how many there are.
const MOST_ROWS: i64 = 50_000_000;

/// What came over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Salvaged {
    pub n_calls: u64,
    pub n_messages: u64,
    /// Calls and messages that should be there and do not read.
    pub n_lost: u64,
}

/// Makes a new archive at `to` from what reads of the one at `from`. It stands at `position`, where
/// it goes on reading; `complete_from`: before that, records may be missing. Calls for which
/// `is_wrong` are left out: the journal has them whole.
///
/// # Errors
/// Those of the new file only.
pub fn salvage(
    from: &Path,
    to: &Path,
    position: Position,
    complete_from: Seq,
    is_wrong: impl Fn(CallId) -> bool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Salvaged, ArchiveError> {
    let mut store = Store::open(to)?;
    let mut done = Salvaged::default();
    if let Ok(old) = connect(from) {
        let (last, is_sure) = last_row(&old);
        let mut together = Vec::new();
        for row in 1..=last {
            match call_at(&old, row, &mut done) {
                Ok(Some(call)) if !is_wrong(call.id) => {
                    done.n_calls += 1;
                    done.n_messages += call.messages.len() as u64;
                    together.push((row, call));
                }
                Ok(_) => {}
                Err(_) => done.n_lost += u64::from(is_sure),
            }
            if together.len() == TOGETHER {
                put(&mut store, &old, &mut together)?;
                progress(row.unsigned_abs(), last.unsigned_abs());
            }
        }
        put(&mut store, &old, &mut together)?;
    }
    store.begin_at(position, complete_from > 1)?;
    store.close()?;
    Ok(done)
}

/// The highest number of a call's row that anything speaks of.
fn last_row(old: &Connection) -> (i64, bool) {
    let calls = max_of(old, "SELECT max(id) FROM calls");
    let others = [
        max_of(old, &format!("SELECT max(id) >> {MESSAGE_BITS} FROM messages")),
        max_of(old, "SELECT max(call) FROM actions"),
        max_of(old, "SELECT max(call) FROM supervisors INDEXED BY supervisors_of_call"),
    ];
    let most = others.into_iter().flatten().chain(calls).max().unwrap_or(0);
    (most.clamp(0, MOST_ROWS), calls.is_some())
}

fn max_of(old: &Connection, sql: &str) -> Option<i64> {
    old.query_row(sql, [], |row| row.get(0)).ok().flatten()
}

fn call_at(old: &Connection, row: i64, done: &mut Salvaged) -> Result<Option<Call>, ArchiveError> {
    let sql = format!("SELECT {CALL_COLUMNS} FROM calls WHERE id = ?1");
    let found =
        old.prepare_cached(&sql)?.query_row([row], |row| Ok(read::call_of(row))).optional()?;
    let Some((_, mut call)) = found.transpose()? else { return Ok(None) };
    let said: Option<i64> = old
        .prepare_cached("SELECT n_messages FROM calls WHERE id = ?1")?
        .query_row([row], |row| row.get(0))
        .optional()?;
    match read::messages(old, row) {
        Ok(messages) => call.messages = messages,
        // One by one: some may lie on other pages.
        Err(_) => {
            for number in 1..=said.unwrap_or(0).clamp(0, (1 << MESSAGE_BITS) - 1) {
                call.messages
                    .extend(read::message_at(old, (row << MESSAGE_BITS) + number).ok().flatten());
            }
        }
    }
    let expected = said.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    done.n_lost += expected.saturating_sub(call.messages.len() as u64);
    Ok(Some(call))
}

/// Puts calls into the new archive, and what was done to them.
fn put(
    store: &mut Store,
    old: &Connection,
    together: &mut Vec<(i64, Call)>,
) -> Result<(), ArchiveError> {
    let calls: Vec<(i64, Call)> = std::mem::take(together);
    let ids: Vec<(i64, CallId)> = calls.iter().map(|it| (it.0, it.1.id)).collect();
    let state = State::restore(calls.into_iter().map(|it| it.1).collect(), Notices::default(), 0);
    store.adopt(&state)?;
    for (row, id) in ids {
        store.take_history(old, row, id)?;
    }
    Ok(())
}

impl Store {
    /// Everything into the one file, durably.
    fn close(self) -> Result<(), ArchiveError> {
        let db = self.into_db();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        db.close().map_err(|(_, err)| err.into())
    }

    /// Copies who took part in a call and what was done to it, as far as it reads.
    fn take_history(&mut self, old: &Connection, row: i64, id: CallId) -> Result<(), ArchiveError> {
        let new: i64 = self.db().query_row(
            "SELECT id FROM calls WHERE call_id = ?1",
            [id.0.to_bytes()],
            |row| row.get(0),
        )?;
        for (table, columns) in
            [("supervisors", "name"), ("actions", "seq, at, what, value, by, source")]
        {
            let n = columns.split(',').count();
            let Ok(mut found) =
                old.prepare_cached(&format!("SELECT {columns} FROM {table} WHERE call = ?1"))
            else {
                continue;
            };
            let Ok(mut rows) = found.query([row]) else { continue };
            let places = (2..n + 2).map(|it| format!("?{it}")).collect::<Vec<_>>().join(", ");
            let sql = format!(
                "INSERT INTO {table} (call, {columns}) VALUES (?1, {places}) ON CONFLICT DO NOTHING"
            );
            while let Ok(Some(old_row)) = rows.next() {
                let mut values = vec![rusqlite::types::Value::Integer(new)];
                let Ok(rest) = (0..n).map(|it| old_row.get(it)).collect::<Result<Vec<_>, _>>()
                else {
                    continue;
                };
                values.extend::<Vec<rusqlite::types::Value>>(rest);
                self.db().prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values))?;
            }
        }
        // What else the row says, that a call does not.
        let flags = old
            .prepare_cached("SELECT has_left, is_cut FROM calls WHERE id = ?1")
            .and_then(|mut it| {
                it.query_row([row], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?)))
            });
        if let Ok((has_left, is_cut)) = flags {
            self.db().execute(
                "UPDATE calls SET has_left = ?2, is_cut = ?3 WHERE id = ?1",
                params![new, has_left, is_cut],
            )?;
        }
        Ok(())
    }
}
