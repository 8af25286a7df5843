//! The tables of `archive.db`, and how an older file becomes a newer one.
//!
//! The one idea: `PRAGMA user_version` counts the steps that a file has taken; opening takes the
//! missing ones, each in a transaction of its own. A step that was released is never changed.

use rusqlite::Connection;

use super::error::ArchiveError;
use crate::domain::Field;

/// A message's row number is its call's, shifted by this, plus its place in the conversation: the
/// words of a call lie side by side, and need no index of their own.
pub const MESSAGE_BITS: u32 = 24;

/// What supervisors wrote about a call lies behind its words, under the last places of it: so it is
/// found, ranked and erased as they are.
pub const NOTES: [(Field, i64); 2] =
    [(Field::AdminNotes, (1 << MESSAGE_BITS) - 2), (Field::FinalAction, (1 << MESSAGE_BITS) - 1)];
/// The first place that is no message's.
pub const FIRST_NOTE: i64 = NOTES[0].1;

/// One entry a version. Times are milliseconds since the Unix epoch; a `call_id` is the 16 bytes
/// of its ULID; numbers for words are in `codes.rs`.
const STEPS: [&str; 1] = ["
CREATE TABLE about (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  -- The journal that was read, and up to where.
  journal_id TEXT NOT NULL,
  cursor INTEGER NOT NULL,
  -- Records before this one were gone when the archive would have read them. 1: it has all.
  complete_from INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE calls (
  id INTEGER PRIMARY KEY,
  call_id BLOB NOT NULL UNIQUE,
  worker_id TEXT NOT NULL,
  mobile_no TEXT NOT NULL,
  call_sid TEXT,
  medium INTEGER NOT NULL,
  language TEXT,
  urgency INTEGER NOT NULL,
  status INTEGER NOT NULL,
  started_at INTEGER NOT NULL,
  last_message_at INTEGER NOT NULL,
  ended_at INTEGER,
  end_reason TEXT,
  -- Who holds it, or held it when it ended.
  admin_id TEXT,
  n_messages INTEGER NOT NULL DEFAULT 0,
  deleted_at INTEGER,
  legal_hold INTEGER NOT NULL DEFAULT 0,
  admin_notes TEXT,
  final_action TEXT,
  -- Whether the journal says that it has left the state.
  has_left INTEGER NOT NULL DEFAULT 0,
  -- Whether its beginning was gone when the archive would have read it.
  is_cut INTEGER NOT NULL DEFAULT 0,
  -- The last record that changed it.
  last_seq INTEGER NOT NULL
) STRICT;
-- The orders of the history; open calls are those without an end.
CREATE INDEX calls_by_end ON calls (ended_at, call_id);
CREATE INDEX calls_by_start ON calls (started_at, call_id);
CREATE INDEX calls_by_caller ON calls (mobile_no);
CREATE INDEX calls_by_worker ON calls (worker_id);
CREATE INDEX calls_by_urgency ON calls (urgency, ended_at, call_id);
CREATE INDEX calls_that_stay ON calls (ended_at) WHERE ended_at IS NOT NULL AND has_left = 0;
CREATE INDEX calls_deleted ON calls (deleted_at) WHERE deleted_at IS NOT NULL;

-- The last two places of a call are its notes as they are now.
CREATE TABLE messages (
  id INTEGER PRIMARY KEY,
  role INTEGER NOT NULL,
  content TEXT NOT NULL,
  at INTEGER NOT NULL,
  sources TEXT NOT NULL,
  answered_by INTEGER,
  card TEXT,
  step INTEGER,
  remote_key TEXT,
  -- Whose words these are, of a supervisor's.
  said_by TEXT
) STRICT;

-- Who took a call over, spoke in it, or changed it.
CREATE TABLE supervisors (
  name TEXT NOT NULL,
  call INTEGER NOT NULL,
  PRIMARY KEY (name, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX supervisors_of_call ON supervisors (call);

-- What was done to a call, by whom; `seq` is the record's.
CREATE TABLE actions (
  call INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL,
  what TEXT NOT NULL,
  value TEXT,
  by TEXT,
  -- Where it was done, if not here.
  source TEXT,
  PRIMARY KEY (call, seq)
) STRICT, WITHOUT ROWID;

-- Finished pieces of work.
CREATE TABLE runs (
  run_id BLOB PRIMARY KEY,
  user_id TEXT NOT NULL,
  at INTEGER NOT NULL,
  slug TEXT NOT NULL,
  command TEXT NOT NULL,
  status TEXT NOT NULL,
  duration_ms INTEGER NOT NULL,
  automation_ms INTEGER NOT NULL,
  lines_migrated INTEGER NOT NULL,
  manual_estimate_ms INTEGER NOT NULL,
  report_path TEXT,
  -- The call that it was, by its id; none for other work.
  call_id BLOB,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_user ON runs (user_id, at);
CREATE INDEX runs_by_time ON runs (at);

-- What a person did in a day (days since the Unix epoch): what the team asks for costs no more after
-- a million runs. Saved is the manual estimate less the automation, of successes with an estimate.
CREATE TABLE team_days (
  user_id TEXT NOT NULL,
  day INTEGER NOT NULL,
  n_success INTEGER NOT NULL DEFAULT 0,
  n_failed INTEGER NOT NULL DEFAULT 0,
  n_interrupted INTEGER NOT NULL DEFAULT 0,
  duration_ms INTEGER NOT NULL DEFAULT 0,
  automation_ms INTEGER NOT NULL DEFAULT 0,
  manual_estimate_ms INTEGER NOT NULL DEFAULT 0,
  saved_ms INTEGER NOT NULL DEFAULT 0,
  lines_migrated INTEGER NOT NULL DEFAULT 0,
  last_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX team_days_by_day ON team_days (day);

CREATE TRIGGER run_counts AFTER INSERT ON runs BEGIN
  INSERT INTO team_days (user_id, day, last_at) VALUES (new.user_id, new.at / 86400000, new.at)
    ON CONFLICT DO UPDATE SET last_at = max(last_at, excluded.last_at);
  UPDATE team_days SET
    n_success = n_success + (new.status = 'success'),
    n_failed = n_failed + (new.status = 'failed'),
    n_interrupted = n_interrupted + (new.status = 'interrupted'),
    duration_ms = duration_ms + new.duration_ms,
    automation_ms = automation_ms + new.automation_ms,
    manual_estimate_ms = manual_estimate_ms + new.manual_estimate_ms,
    saved_ms = saved_ms + iif(new.status = 'success' AND new.manual_estimate_ms > 0,
      new.manual_estimate_ms - new.automation_ms, 0),
    lines_migrated = lines_migrated + new.lines_migrated
    WHERE user_id = new.user_id AND day = new.at / 86400000;
END;
CREATE TRIGGER run_counts_no_more AFTER DELETE ON runs BEGIN
  UPDATE team_days SET
    n_success = n_success - (old.status = 'success'),
    n_failed = n_failed - (old.status = 'failed'),
    n_interrupted = n_interrupted - (old.status = 'interrupted'),
    duration_ms = duration_ms - old.duration_ms,
    automation_ms = automation_ms - old.automation_ms,
    manual_estimate_ms = manual_estimate_ms - old.manual_estimate_ms,
    saved_ms = saved_ms - iif(old.status = 'success' AND old.manual_estimate_ms > 0,
      old.manual_estimate_ms - old.automation_ms, 0),
    lines_migrated = lines_migrated - old.lines_migrated,
    last_at = coalesce((SELECT max(at) FROM runs WHERE user_id = old.user_id
      AND at >= (old.at / 86400000) * 86400000 AND at < (old.at / 86400000 + 1) * 86400000), 0)
    WHERE user_id = old.user_id AND day = old.at / 86400000;
  DELETE FROM team_days WHERE user_id = old.user_id AND day = old.at / 86400000
    AND n_success + n_failed + n_interrupted = 0;
END;

CREATE VIRTUAL TABLE words USING fts5(
  content, content = 'messages', content_rowid = 'id', columnsize = 0,
  tokenize = 'unicode61 remove_diacritics 2'
);
-- Words that go leave no trace in the index.
INSERT INTO words (words, rank) VALUES ('secure-delete', 1);
"];

/// The version that this Aurora writes.
pub const VERSION: u32 = STEPS.len() as u32;

/// Takes the steps that the file has not taken yet.
pub fn migrate(db: &mut Connection) -> Result<(), ArchiveError> {
    let found: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > VERSION {
        return Err(ArchiveError::Newer { found, known: VERSION });
    }
    for (step, version) in STEPS.iter().zip(1..).skip(found as usize) {
        let change = db.transaction()?;
        change.execute_batch(step)?;
        change.pragma_update(None, "user_version", version)?;
        change.commit()?;
    }
    Ok(())
}
