//! What was read so far, on disk: a file of any size is checked in memory that does not grow.
//!
//! The one idea: calls and conversations stand far apart in the file, so they wait for each other
//! in a database of their own. It lies in the data folder, where words may lie, and has no name
//! there: whatever this process dies of, nothing of it stays.

use std::fs;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::ImportError;
use super::conversation::ConversationEntry;
use super::entry::CallEntry;
use super::findings::{Findings, shown};
use crate::domain::{CallId, StoredCallRef, SyncStatus};

pub struct Spool(Connection);

/// A call and its conversation as they wait.
#[derive(Debug)]
pub struct Waiting {
    /// Where it stands in the order of storing.
    pub place: (i64, i64),
    pub key: String,
    pub id: CallId,
    pub call: Vec<u8>,
    pub heard: Option<String>,
    pub requests: String,
    pub messages: Option<Vec<u8>>,
    /// New ids by old keys, if they differ.
    pub renumbered: Option<String>,
}

const TABLES: &str = "
CREATE TABLE calls (
  n INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  -- What follows is absent if something is wrong with it.
  id BLOB,
  conversation TEXT,
  -- What finds it while it is open.
  open_name TEXT,
  started_at INTEGER,
  call BLOB,
  heard TEXT,
  requests TEXT
);
CREATE INDEX calls_in_order ON calls (started_at, n);
CREATE INDEX calls_by_name ON calls (open_name) WHERE open_name IS NOT NULL;
CREATE INDEX calls_by_conversation ON calls (conversation);
CREATE TABLE conversations (
  n INTEGER PRIMARY KEY,
  key TEXT NOT NULL UNIQUE,
  call TEXT,
  n_messages INTEGER NOT NULL,
  messages BLOB,
  renumbered TEXT
);
BEGIN;
";

impl Spool {
    /// Makes it in that folder.
    pub fn create(folder: &Path) -> Result<Self, ImportError> {
        let path = folder.join("import.spool");
        match fs::remove_file(&path) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
                return Err(ImportError::Spool(err.to_string()));
            }
            _ => {}
        }
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).map_err(|err| ImportError::Spool(err.to_string()))?;
        let db = Connection::open(&path)?;
        db.execute_batch(
            "PRAGMA locking_mode = exclusive; PRAGMA journal_mode = off;
             PRAGMA synchronous = off; PRAGMA temp_store = memory; PRAGMA cache_size = -4096;",
        )?;
        db.execute_batch(TABLES)?;
        fs::remove_file(&path).map_err(|err| ImportError::Spool(err.to_string()))?;
        Ok(Self(db))
    }

    /// Adds a call; `None` if something is wrong with it. Whether its key is new.
    pub fn add_call(&self, key: &str, entry: Option<&CallEntry>) -> Result<bool, ImportError> {
        let Some(CallEntry { call, conversation, heard, requests }) = entry else {
            let added = self
                .0
                .prepare_cached("INSERT INTO calls (key) VALUES (?1) ON CONFLICT DO NOTHING")?
                .execute([key])?;
            return Ok(added == 1);
        };
        let open_name = call.is_open().then(|| match &call.call_sid {
            Some(sid) => format!("sid {sid}"),
            None => format!("caller {}", call.caller),
        });
        let stored = serde_json::to_vec(&StoredCallRef::new(call, SyncStatus::PendingSync))?;
        let added = self
            .0
            .prepare_cached(
                "INSERT INTO calls (key, id, conversation, open_name, started_at, call, heard,
                   requests) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                key,
                call.id.0.to_bytes(),
                conversation,
                open_name,
                call.started_at.as_millis(),
                stored,
                heard,
                serde_json::to_string(requests)?,
            ])?;
        Ok(added == 1)
    }

    /// Adds a conversation. Whether its key is new.
    pub fn add_conversation(
        &self,
        key: &str,
        entry: &ConversationEntry,
    ) -> Result<bool, ImportError> {
        let added = self
            .0
            .prepare_cached(
                "INSERT INTO conversations (key, call, n_messages, messages, renumbered)
                 VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                key,
                entry.call,
                entry.n_messages,
                entry.messages,
                entry.renumbered
            ])?;
        Ok(added == 1)
    }

    /// Whether calls and conversations belong together, and open calls do not stand in each
    /// other's way.
    pub fn check_together(&self, findings: &mut Findings) -> Result<(), ImportError> {
        self.each_pair(
            "SELECT v.key, '' FROM conversations v LEFT JOIN calls c ON c.key = v.call
             WHERE v.call IS NOT NULL AND c.key IS NULL ORDER BY v.n",
            |conversation, _| {
                findings.error(
                    format_args!("active_conversations.{}.call_id", shown(conversation)),
                    "names no call of this file",
                );
            },
        )?;
        self.each_pair(
            "SELECT c.key, v.key FROM conversations v JOIN calls c ON c.key = v.call
             WHERE c.conversation <> v.key ORDER BY c.n",
            |call, conversation| {
                findings.error(
                    format_args!("active_calls.{}.conversation_id", shown(call)),
                    format_args!(
                        "names another conversation than active_conversations.{}, which belongs \
                         to this call",
                        shown(conversation)
                    ),
                );
            },
        )?;
        self.each_pair(
            "SELECT c.key, v.key FROM calls c JOIN conversations v ON v.key = c.conversation
             WHERE v.call <> c.key ORDER BY c.n",
            |call, conversation| {
                findings.error(
                    format_args!("active_calls.{}.conversation_id", shown(call)),
                    format_args!(
                        "names active_conversations.{}, which belongs to another call",
                        shown(conversation)
                    ),
                );
            },
        )?;
        self.each_pair(
            "SELECT c.key, first.key FROM calls c JOIN
               (SELECT open_name, min(n) AS n, key FROM calls WHERE open_name IS NOT NULL
                GROUP BY open_name HAVING count(*) > 1) first USING (open_name)
             WHERE c.n <> first.n ORDER BY c.n",
            |call, other| {
                findings.error(
                    format_args!("active_calls.{}.status", shown(call)),
                    format_args!(
                        "active_calls.{} is an open call of the same caller: one of them must \
                         be ENDED (or use --as-ended)",
                        shown(other)
                    ),
                );
            },
        )?;
        findings.n_without_conversation = self.0.query_row(
            "SELECT count(*) FROM calls c LEFT JOIN conversations v ON v.key = c.conversation
             WHERE v.key IS NULL",
            [],
            |row| row.get(0),
        )?;
        Ok(())
    }

    fn each_pair(&self, sql: &str, mut tell: impl FnMut(&str, &str)) -> Result<(), ImportError> {
        let mut found = self.0.prepare(sql)?;
        let mut rows = found.query([])?;
        while let Some(row) = rows.next()? {
            tell(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        }
        Ok(())
    }

    /// Every call that is open, with its key.
    pub fn each_open(
        &self,
        mut look: impl FnMut(&str, CallId, &str) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let mut found = self.0.prepare(
            "SELECT key, id, open_name FROM calls WHERE open_name IS NOT NULL ORDER BY n",
        )?;
        let mut rows = found.query([])?;
        while let Some(row) = rows.next()? {
            look(row.get_ref(0)?.as_str()?, id(row.get(1)?), row.get_ref(2)?.as_str()?)?;
        }
        Ok(())
    }

    /// How many calls and messages there are.
    pub fn count(&self) -> Result<(u64, u64), ImportError> {
        Ok(self.0.query_row(
            "SELECT (SELECT count(*) FROM calls),
               (SELECT coalesce(sum(n_messages), 0) FROM conversations)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?)
    }

    /// The next call by the time at which it began.
    pub fn next_after(&self, place: (i64, i64)) -> Result<Option<Waiting>, ImportError> {
        self.next("", place)
    }

    /// As [`Spool::next_after`], of those that point at messages.
    pub fn next_with_links(&self, place: (i64, i64)) -> Result<Option<Waiting>, ImportError> {
        self.next("AND (c.heard IS NOT NULL OR c.requests <> '[]')", place)
    }

    fn next(&self, condition: &str, place: (i64, i64)) -> Result<Option<Waiting>, ImportError> {
        let mut found = self.0.prepare_cached(&format!(
            "SELECT c.started_at, c.n, c.key, c.id, c.call, c.heard, c.requests, v.messages,
               v.renumbered
             FROM calls c LEFT JOIN conversations v ON v.key = c.conversation
             WHERE (c.started_at, c.n) > (?1, ?2) {condition}
             ORDER BY c.started_at, c.n LIMIT 1",
        ))?;
        let next = found.query_row(params![place.0, place.1], |row| {
            Ok(Waiting {
                place: (row.get(0)?, row.get(1)?),
                key: row.get(2)?,
                id: id(row.get(3)?),
                call: row.get(4)?,
                heard: row.get(5)?,
                requests: row.get(6)?,
                messages: row.get(7)?,
                renumbered: row.get(8)?,
            })
        });
        Ok(next.optional()?)
    }
}

fn id(bytes: [u8; 16]) -> CallId {
    CallId(ulid::Ulid::from_bytes(bytes))
}
