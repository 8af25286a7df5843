//! Looking at an archive that another process may be writing to, and changing nothing.
//!
//! The one idea: everything is read in one transaction, so that it is all of one moment.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::error::ArchiveError;
use super::{read, schema};
use crate::domain::{Call, CallId, JournalId, Position, Seq};

/// Problems that the database names; beyond that it is no use.
const MOST: usize = 20;

/// An archive at one moment.
#[derive(Debug)]
pub struct Look {
    db: Connection,
    pub position: Option<Position>,
    /// Records before this one were never read; 1 if it has all.
    pub complete_from: Seq,
    pub n_calls: u64,
    pub n_messages: u64,
}

impl Look {
    /// `None` if there is no file, or nothing in it yet.
    ///
    /// # Errors
    /// [`ArchiveError::Newer`], [`ArchiveError::Unreadable`]
    pub fn open(path: &Path) -> Result<Option<Self>, ArchiveError> {
        if !path.exists() {
            return Ok(None);
        }
        Self::try_open(path).map_err(|source| match source {
            newer @ ArchiveError::Newer { .. } => newer,
            other => ArchiveError::Unreadable { path: path.to_owned(), source: Box::new(other) },
        })
    }

    fn try_open(path: &Path) -> Result<Option<Self>, ArchiveError> {
        let db = connect(path)?;
        db.execute_batch("BEGIN")?;
        let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > schema::VERSION {
            return Err(ArchiveError::Newer { found, known: schema::VERSION });
        }
        if found == 0 {
            // It was being made when the process ended; the next one goes on.
            let n: u64 =
                db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if n == 0 {
                return Ok(None);
            }
        }
        let stored = db
            .query_row("SELECT journal_id, cursor, complete_from FROM about", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let (mut position, mut complete_from) = (None, 1);
        if let Some((journal, seq, from)) = stored {
            let journal = journal
                .parse::<JournalId>()
                .map_err(|_| ArchiveError::Impossible(format!("{journal} is no journal id")))?;
            (position, complete_from) = (Some(Position { journal, seq }), from);
        }
        let count = |table| {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u64>(0))
        };
        let (n_calls, n_messages) = (count("calls")?, count("messages")?);
        Ok(Some(Self { db, position, complete_from, n_calls, n_messages }))
    }

    /// What the database says of its own health, its index of words included. Reads all of it.
    pub fn problems(&self) -> Vec<String> {
        let all = || {
            let mut check = self.db.prepare(&format!("PRAGMA integrity_check({MOST})"))?;
            let said = check.query_map([], |row| row.get::<_, String>(0))?;
            said.collect::<Result<Vec<_>, _>>()
        };
        match all() {
            Ok(said) if said == ["ok"] => Vec::new(),
            Ok(said) => {
                said.iter().flat_map(|it| it.lines()).map(str::to_owned).take(MOST).collect()
            }
            Err(err) => vec![err.to_string()],
        }
    }

    /// One call with all its messages.
    ///
    /// # Errors
    /// The database's, and [`ArchiveError::Impossible`].
    pub fn call(&self, id: CallId) -> Result<Option<Call>, ArchiveError> {
        read::call(&self.db, id)
    }

    /// The calls that go on, one after the other.
    ///
    /// # Errors
    /// As [`Look::call`].
    pub fn open_calls(&self) -> Result<Vec<Call>, ArchiveError> {
        let mut ids = self.db.prepare("SELECT call_id FROM calls WHERE status <> 2 ORDER BY id")?;
        let ids = ids.query_map([], |row| read::call_id(row, 0))?.collect::<Result<Vec<_>, _>>()?;
        ids.into_iter().filter_map(|id| self.call(id).transpose()).collect()
    }

    /// Copies all of it into a new file, under another journal's name if one is given. `progress`
    /// is told pages done and in all.
    ///
    /// # Errors
    /// The database's.
    pub fn copy_to(
        &self,
        path: &Path,
        name: Option<JournalId>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<(), ArchiveError> {
        let mut copy = Connection::open(path)?;
        {
            let backup = rusqlite::backup::Backup::new(&self.db, &mut copy)?;
            // Our transaction holds what is read in place, so that it never begins anew.
            while backup.step(4_096)? == rusqlite::backup::StepResult::More {
                let at = backup.progress();
                let total = u64::try_from(at.pagecount).unwrap_or(0);
                progress(total.saturating_sub(u64::try_from(at.remaining).unwrap_or(0)), total);
            }
        }
        if let Some(name) = name {
            copy.execute("UPDATE about SET journal_id = ?1", [name.as_str()])?;
        }
        // Everything into the one file.
        copy.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        copy.close().map_err(|(_, err)| err)?;
        Ok(())
    }
}

/// A log of changes lies beside a file that is open, or was when its process died. Without one,
/// the file is all there is, and nothing has to be made beside it to read it.
pub fn connect(path: &Path) -> Result<Connection, ArchiveError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if beside(path, "-wal").exists() {
        return Ok(Connection::open_with_flags(path, flags)?);
    }
    let mut uri = url::Url::from_file_path(std::path::absolute(path).unwrap_or(path.to_owned()))
        .map_err(|()| ArchiveError::Impossible("a path that is none".to_owned()))?;
    uri.set_query(Some("immutable=1"));
    Ok(Connection::open_with_flags(uri.as_str(), flags | OpenFlags::SQLITE_OPEN_URI)?)
}

/// `archive.db` and what lies beside it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
