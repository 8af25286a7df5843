//! The one writer of `archive.db`.
//!
//! The one idea: a batch of records and the place that it ends at are one transaction. Whatever
//! the process dies of, the next one goes on at that place, so every record counts once.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::batch::Batch;
use super::error::ArchiveError;
use super::read;
use super::schema;
use crate::domain::{Call, CallId, JournalId, Position, Record, Seq, State, Timestamp};

/// Calls whose row numbers are remembered; beyond that they are asked for again.
const REMEMBERED: usize = 50_000;
/// Calls that are taken from a state in one transaction.
const ADOPTED: usize = 200;
/// The log of changes is cut back to this when it was longer.
const LOG_BYTES: u32 = 16 * 1024 * 1024;

#[derive(Debug)]
pub struct Store {
    db: Connection,
    rows: FxHashMap<CallId, i64>,
    position: Option<Position>,
    /// Records before this one were never read; 1 if it has all.
    complete_from: Seq,
    n_calls: u64,
}

impl Store {
    /// Opens the file, or makes it, and brings it up to this version.
    ///
    /// # Errors
    /// [`ArchiveError::Newer`], [`ArchiveError::Unreadable`]
    pub fn open(path: &Path) -> Result<Self, ArchiveError> {
        let unreadable = |source: ArchiveError| match source {
            newer @ ArchiveError::Newer { .. } => newer,
            other => ArchiveError::Unreadable { path: path.to_owned(), source: Box::new(other) },
        };
        Self::try_open(path).map_err(unreadable)
    }

    fn try_open(path: &Path) -> Result<Self, ArchiveError> {
        let mut db = Connection::open(path)?;
        db.pragma_update(None, "journal_mode", "wal")?;
        // A transaction is on disk with the next checkpoint. Until then a power cut takes it back
        // whole, its place with it, and the journal still has the records.
        db.pragma_update(None, "synchronous", "normal")?;
        // Whoever writes says when: it must never be in the middle of a batch.
        db.pragma_update(None, "wal_autocheckpoint", 0)?;
        db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
        // Deleted words are overwritten.
        db.pragma_update(None, "secure_delete", "on")?;
        db.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut db)?;
        let (position, complete_from) = place(&db)?.unzip();
        let complete_from = complete_from.unwrap_or(1);
        Ok(Self { db, rows: FxHashMap::default(), position, complete_from, n_calls: 0 })
    }

    /// Looks at every call once; from then on [`Store::n_calls`] is true.
    pub fn count(&mut self) -> Result<(), ArchiveError> {
        self.n_calls = self.db.query_row("SELECT count(*) FROM calls", [], |row| row.get(0))?;
        Ok(())
    }

    /// How many calls it holds, once they were counted.
    pub fn n_calls(&self) -> u64 {
        self.n_calls
    }

    pub(super) fn db(&self) -> &Connection {
        &self.db
    }

    pub(super) fn into_db(self) -> Connection {
        self.db
    }

    /// Up to where which journal was read; `None` for a new archive.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// Records before this one are not in it; 1 if it has all.
    pub fn complete_from(&self) -> Seq {
        self.complete_from
    }

    /// Goes on from a place of a journal. `is_cut`: records before it were never read. Another
    /// journal's gaps are not this one's.
    pub fn begin_at(&mut self, position: Position, is_cut: bool) -> Result<(), ArchiveError> {
        let is_same = self.position.is_none_or(|it| it.journal == position.journal);
        let complete_from = match (is_cut, is_same) {
            (true, _) => position.seq + 1,
            (false, true) => self.complete_from,
            (false, false) => 1,
        };
        self.db.execute(
            "INSERT INTO about (one, journal_id, cursor, complete_from) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT (one) DO UPDATE SET journal_id = ?1, cursor = ?2, complete_from = ?3",
            params![position.journal.as_str(), position.seq, complete_from],
        )?;
        (self.position, self.complete_from) = (Some(position), complete_from);
        Ok(())
    }

    /// Takes whole calls from a state, for records that are gone. What the archive has of them
    /// already is overwritten; records that are read again afterwards lead back to the same.
    pub fn adopt(&mut self, state: &State) -> Result<(), ArchiveError> {
        let calls: Vec<&Arc<Call>> = state.calls().collect();
        for calls in calls.chunks(ADOPTED) {
            self.change(|batch| calls.iter().try_for_each(|it| batch.adopt(it)))?;
        }
        Ok(())
    }

    /// Calls that go on in the archive and are not in the state have ended in records that are
    /// gone: as of their last words. If the end is read all the same, it counts.
    pub fn end_forgotten(&mut self, state: &State) -> Result<(), ArchiveError> {
        let open = {
            let mut open =
                self.db.prepare("SELECT id, call_id FROM calls WHERE ended_at IS NULL")?;
            let open = open.query_map([], |row| Ok((row.get(0)?, read::call_id(row, 1)?)))?;
            open.collect::<Result<Vec<(i64, CallId)>, _>>()?
        };
        self.change(|batch| {
            let mut end = batch.db.prepare_cached(
                "UPDATE calls SET status = 2, ended_at = last_message_at, has_left = 1, is_cut = 1
                 WHERE id = ?1",
            )?;
            for (row, _) in open.iter().filter(|it| state.call(it.1).is_none()) {
                end.execute([row])?;
            }
            Ok(())
        })
    }

    /// Notes that calls have left the state without a record that says so.
    pub fn have_left(&mut self, ids: &[CallId]) -> Result<(), ArchiveError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.change(|batch| {
            let mut leave =
                batch.db.prepare_cached("UPDATE calls SET has_left = 1 WHERE call_id = ?1")?;
            for id in ids {
                leave.execute([id.0.to_bytes()])?;
            }
            Ok(())
        })
    }

    /// Takes in records that follow the position, and moves to the last of them.
    ///
    /// # Errors
    /// The database's; then nothing was taken in.
    pub fn apply<'a>(
        &mut self,
        journal: JournalId,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), ArchiveError> {
        let mut last = None;
        self.change(|batch| {
            for record in records {
                batch.apply(record)?;
                last = Some(record.seq);
            }
            if let Some(seq) = last {
                batch.db.execute("UPDATE about SET cursor = ?1", [seq])?;
            }
            Ok(())
        })?;
        if let Some(seq) = last {
            self.position = Some(Position { journal, seq });
        }
        Ok(())
    }

    /// One transaction: all of it, or nothing.
    fn change(
        &mut self,
        work: impl FnOnce(&mut Batch<'_>) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        if self.rows.len() > REMEMBERED {
            self.rows.clear();
        }
        let is_cut = self.complete_from > 1;
        let mut batch = Batch::new(self.db.transaction()?, &mut self.rows, is_cut);
        let done = work(&mut batch).and_then(|()| batch.finish());
        match done {
            Ok(n_new) => self.n_calls = self.n_calls.saturating_add_signed(n_new),
            // It may name rows that were taken back.
            Err(_) => self.rows.clear(),
        }
        done.map(|_| ())
    }

    /// Ended calls that have not left the state, and ended at or before `until`; oldest first.
    pub fn ended_until(&self, until: Timestamp, limit: usize) -> Result<Vec<CallId>, ArchiveError> {
        let mut found = self.db.prepare_cached(
            "SELECT call_id FROM calls
             WHERE ended_at IS NOT NULL AND has_left = 0 AND ended_at <= ?1
             ORDER BY ended_at LIMIT ?2",
        )?;
        let ids = found
            .query_map(params![until.as_millis(), limit as i64], |row| read::call_id(row, 0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Leaves no trace of what was deleted: the index is made anew, for the marks between its pages
    /// are words that were in it, and the log of changes is emptied. Whether nobody reads what was.
    pub fn scrub(&self) -> Result<bool, ArchiveError> {
        self.db.execute("INSERT INTO words (words) VALUES ('rebuild')", [])?;
        let is_busy: bool =
            self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        Ok(!is_busy)
    }

    /// Puts everything committed on disk; whether all of it is.
    pub fn checkpoint(&self) -> Result<bool, ArchiveError> {
        let (log, done): (i64, i64) =
            self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(1)?, row.get(2)?))
            })?;
        Ok(log == done)
    }
}

/// Up to where which journal was read, and from where on.
fn place(db: &Connection) -> Result<Option<(Position, Seq)>, ArchiveError> {
    let stored = db
        .query_row("SELECT journal_id, cursor, complete_from FROM about", [], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((journal, seq, from)) = stored else { return Ok(None) };
    let journal = journal
        .parse::<JournalId>()
        .map_err(|_| ArchiveError::Impossible(format!("{journal} is no journal id")))?;
    Ok(Some((Position { journal, seq }, from)))
}

/// Up to where the file at `path` was read, if it tells: before it is opened for writing.
pub fn last_position(path: &Path) -> Option<Position> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    place(&db).ok().flatten().map(|it| it.0)
}
