//! Records into rows, within one transaction.

mod whole;

use rusqlite::{OptionalExtension, Transaction, params};
use rustc_hash::FxHashMap;

use super::codes;
use super::error::ArchiveError;
use super::schema::{FIRST_NOTE, MESSAGE_BITS, NOTES};
use crate::domain::{
    ByPerson, CallEnded, CallId, CallStarted, CallStatus, CallUpdated, Conflict, Event, Field,
    Label, Message, Note, Record, Role, Run, Seq, Side, Source, Timestamp,
};

/// A transaction, and what gathers in it.
pub struct Batch<'a> {
    pub db: Transaction<'a>,
    /// Row numbers of calls, as far as they are remembered.
    rows: &'a mut FxHashMap<CallId, i64>,
    spoken: FxHashMap<i64, Spoken>,
    /// Whether calls may have begun in records that were never read.
    is_cut: bool,
    /// Calls that came, less those that went.
    n_new: i64,
}

/// What a batch says of one call, written once at its end.
#[derive(Debug, Default)]
struct Spoken {
    n_messages: i64,
    last_at: Timestamp,
    last_seq: Seq,
}

impl<'a> Batch<'a> {
    pub fn new(db: Transaction<'a>, rows: &'a mut FxHashMap<CallId, i64>, is_cut: bool) -> Self {
        Self { db, rows, spoken: FxHashMap::default(), is_cut, n_new: 0 }
    }

    pub fn apply(&mut self, record: &Record) -> Result<(), ArchiveError> {
        match &record.event {
            Event::CallStarted(it) => self.start(it, record),
            Event::MessageAdded(it) => {
                let Some(row) = self.row(it.call_id, record)? else { return Ok(()) };
                self.add(row, &it.message)?;
                self.has_spoken(row, record);
                Ok(())
            }
            Event::CallUpdated(it) => self.update(it, record),
            Event::CallEnded(it) => self.end(it, record),
            Event::CallArchived { call_id } => {
                self.set(*call_id, "UPDATE calls SET has_left = 1 WHERE id = ?1", None)
            }
            Event::CallDeleted(it) => {
                let sql = "UPDATE calls SET deleted_at = ?2 WHERE id = ?1";
                self.set(it.call_id, sql, Some(record.at))?;
                self.by_person(it, record, "deleted")
            }
            Event::CallRestored(it) => {
                let sql = "UPDATE calls SET deleted_at = NULL WHERE id = ?1";
                self.set(it.call_id, sql, None)?;
                self.by_person(it, record, "restored")
            }
            Event::CallErased(it) => self.erase(it.call_id),
            Event::CallImported(it) => self.import(it, record),
            Event::ConflictFound(it) => self.conflict(it, record),
            Event::ConflictSettled(it) => {
                let what = if it.is_restored { "conflict_restored" } else { "conflict_settled" };
                let Some(row) = self.known_row(it.call_id)? else { return Ok(()) };
                self.act(row, record, what, None, Some(&it.by))
            }
            Event::RunRecorded(it) => self.run(it, record),
            Event::WordsHeard { .. }
            | Event::AlertRaised(_)
            | Event::AlertAcknowledged(_)
            | Event::RecordLost => Ok(()),
        }
    }

    fn start(&mut self, event: &CallStarted, record: &Record) -> Result<(), ArchiveError> {
        let inserted = self
            .db
            .prepare_cached(
                "INSERT INTO calls (call_id, worker_id, mobile_no, call_sid, medium, language,
                   urgency, status, started_at, last_message_at, last_seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?8, ?9) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                event.call_id.0.to_bytes(),
                &*event.worker_id,
                event.caller.as_str(),
                event.call_sid.as_ref().map(Label::as_str),
                codes::of_medium(event.medium),
                event.language.as_ref().map(Label::as_str),
                codes::of_urgency(event.urgency),
                record.at.as_millis(),
                record.seq,
            ])?;
        if inserted == 1 {
            self.is_new(event.call_id);
        }
        Ok(())
    }

    /// The row number of the call that a record is about. Where the archive may not have seen it
    /// begin, it gets a row without a beginning; else it was erased, and nothing changes.
    fn row(&mut self, id: CallId, record: &Record) -> Result<Option<i64>, ArchiveError> {
        let known = self.known_row(id)?;
        if known.is_some() || !self.is_cut {
            return Ok(known);
        }
        self.db
            .prepare_cached(
                "INSERT INTO calls (call_id, worker_id, mobile_no, medium, urgency, status,
                   started_at, last_message_at, is_cut, last_seq)
                 VALUES (?1, 'unknown', 'unknown', 0, 0, 0, ?2, ?2, 1, ?3)",
            )?
            .execute(params![id.0.to_bytes(), record.at.as_millis(), record.seq])?;
        Ok(Some(self.is_new(id)))
    }

    /// Remembers the row that was just inserted.
    fn is_new(&mut self, id: CallId) -> i64 {
        let row = self.db.last_insert_rowid();
        self.rows.insert(id, row);
        self.n_new += 1;
        row
    }

    fn known_row(&mut self, id: CallId) -> Result<Option<i64>, ArchiveError> {
        if let Some(row) = self.rows.get(&id) {
            return Ok(Some(*row));
        }
        let found = self
            .db
            .prepare_cached("SELECT id FROM calls WHERE call_id = ?1")?
            .query_row([id.0.to_bytes()], |row| row.get(0))
            .optional()?;
        if let Some(row) = found {
            self.rows.insert(id, row);
        }
        Ok(found)
    }

    fn add(&mut self, row: i64, message: &Message) -> Result<(), ArchiveError> {
        let number = i64::from(message.id.0);
        if number >= FIRST_NOTE {
            return Err(ArchiveError::Impossible(format!("message {number} of one call")));
        }
        let id = (row << MESSAGE_BITS) + number;
        let card = message.card.as_ref();
        let inserted = self
            .db
            .prepare_cached(
                "INSERT INTO messages (id, role, content, at, sources, answered_by, card, step,
                   remote_key, said_by)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                id,
                codes::of_role(message.role),
                &*message.content,
                message.timestamp.as_millis(),
                &*message.sources,
                message.answered_by.map(codes::of_answered_by),
                card.map(|it| &*it.card),
                card.map(|it| it.step),
                message.remote_key.as_ref().map(Label::as_str),
                message.by.as_ref().map(Label::as_str),
            ])?;
        if inserted == 1 {
            self.db
                .prepare_cached("INSERT INTO words (rowid, content) VALUES (?1, ?2)")?
                .execute(params![id, &*message.content])?;
            self.spoken.entry(row).or_default().n_messages += 1;
            if let Some(by) = &message.by {
                self.took_part(row, by.as_str())?;
            }
        }
        Ok(())
    }

    /// Puts what is written about a call now in place of what was. Words of after its end count as
    /// of its end, or a question for a time would not come to the call.
    fn note(
        &mut self,
        row: i64,
        field: Field,
        text: Option<&Note>,
        at: Timestamp,
    ) -> Result<(), ArchiveError> {
        let Some((_, place)) = NOTES.iter().find(|it| it.0 == field) else { return Ok(()) };
        let id = (row << MESSAGE_BITS) + place;
        self.forget(id, id + 1)?;
        let Some(text) = text.map(Note::as_str).filter(|it| !it.is_empty()) else { return Ok(()) };
        self.db
            .prepare_cached(
                "INSERT INTO messages (id, role, content, at, sources)
                 SELECT ?1, ?2, ?3, coalesce(ended_at, ?4), '' FROM calls WHERE id = ?5",
            )?
            .execute(params![id, codes::of_role(Role::System), text, at.as_millis(), row])?;
        self.db
            .prepare_cached("INSERT INTO words (rowid, content) VALUES (?1, ?2)")?
            .execute(params![id, text])?;
        Ok(())
    }

    /// Takes rows of messages out, from the first to before the end.
    fn forget(&mut self, first: i64, end: i64) -> Result<(), ArchiveError> {
        // The index holds no words of its own: it must be told what to forget.
        self.db
            .prepare_cached(
                "INSERT INTO words (words, rowid, content)
                 SELECT 'delete', id, content FROM messages WHERE id >= ?1 AND id < ?2",
            )?
            .execute([first, end])?;
        self.db
            .prepare_cached("DELETE FROM messages WHERE id >= ?1 AND id < ?2")?
            .execute([first, end])?;
        Ok(())
    }

    fn has_spoken(&mut self, row: i64, record: &Record) {
        let spoken = self.spoken.entry(row).or_default();
        spoken.last_at = record.at;
        spoken.last_seq = record.seq;
    }

    fn update(&mut self, event: &CallUpdated, record: &Record) -> Result<(), ArchiveError> {
        let Some(row) = self.row(event.call_id, record)? else { return Ok(()) };
        let status = event.status.filter(|it| *it != CallStatus::Ended);
        self.db
            .prepare_cached(
                "UPDATE calls SET urgency = coalesce(?2, urgency),
                   admin_id = iif(?3 IS NULL OR status = 2, admin_id, ?4),
                   status = iif(?3 IS NULL OR status = 2, status, ?3),
                   legal_hold = coalesce(?5, legal_hold), last_seq = ?6,
                   admin_notes = iif(?7 IS NULL, admin_notes, nullif(?7, '')),
                   final_action = iif(?8 IS NULL, final_action, nullif(?8, ''))
                 WHERE id = ?1",
            )?
            .execute(params![
                row,
                event.urgency.map(codes::of_urgency),
                status.map(codes::of_status),
                event.admin_id.as_ref().map(Label::as_str),
                event.legal_hold,
                record.seq,
                event.admin_notes.as_ref().map(Note::as_str),
                event.final_action.as_ref().map(Note::as_str),
            ])?;
        let by = event.by.as_ref();
        if let Some(urgency) = event.urgency {
            self.act(row, record, "urgency", Some(urgency.as_str()), by)?;
        }
        if let Some(status) = status {
            let what = if status == CallStatus::Takeover { "takeover" } else { "handback" };
            self.act(row, record, what, event.admin_id.as_ref().map(Label::as_str), by)?;
        }
        if let Some(legal_hold) = event.legal_hold {
            let value = if legal_hold { "on" } else { "off" };
            self.act(row, record, "legal_hold", Some(value), by)?;
        }
        if let Some(notes) = &event.admin_notes {
            self.note(row, Field::AdminNotes, Some(notes), record.at)?;
            self.act(row, record, "admin_notes", Some(notes.as_str()), by)?;
        }
        if let Some(action) = &event.final_action {
            self.note(row, Field::FinalAction, Some(action), record.at)?;
            self.act(row, record, "final_action", Some(action.as_str()), by)?;
        }
        Ok(())
    }

    fn end(&mut self, event: &CallEnded, record: &Record) -> Result<(), ArchiveError> {
        let Some(row) = self.row(event.call_id, record)? else { return Ok(()) };
        self.db
            .prepare_cached(
                "UPDATE calls SET status = 2, ended_at = ?2, end_reason = ?3, last_seq = ?4
                 WHERE id = ?1
                   AND (ended_at IS NULL OR (is_cut = 1 AND end_reason IS NULL))",
            )?
            .execute(params![row, record.at.as_millis(), event.reason.as_str(), record.seq])?;
        self.act(row, record, "end", Some(event.reason.as_str()), event.by.as_ref())
    }

    /// Changes a call that is here. One that is not was erased, or never seen.
    fn set(&mut self, id: CallId, sql: &str, at: Option<Timestamp>) -> Result<(), ArchiveError> {
        let Some(row) = self.known_row(id)? else { return Ok(()) };
        let mut change = self.db.prepare_cached(sql)?;
        match at {
            Some(at) => change.execute(params![row, at.as_millis()])?,
            None => change.execute([row])?,
        };
        Ok(())
    }

    fn by_person(
        &mut self,
        event: &ByPerson,
        record: &Record,
        what: &str,
    ) -> Result<(), ArchiveError> {
        let Some(row) = self.known_row(event.call_id)? else { return Ok(()) };
        self.act(row, record, what, None, event.by.as_ref())
    }

    /// Writes down what was done. A record does at most one thing that names a person, so the
    /// first one of a record stays.
    fn act(
        &mut self,
        row: i64,
        record: &Record,
        what: &str,
        value: Option<&str>,
        by: Option<&Label>,
    ) -> Result<(), ArchiveError> {
        self.db
            .prepare_cached(
                "INSERT INTO actions (seq, call, at, what, value, by, source)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                record.seq,
                row,
                record.at.as_millis(),
                what,
                value,
                by.map(Label::as_str),
                source_of(&record.event)
            ])?;
        by.map_or(Ok(()), |by| self.took_part(row, by.as_str()))
    }

    fn took_part(&mut self, row: i64, name: &str) -> Result<(), ArchiveError> {
        self.db
            .prepare_cached(
                "INSERT INTO supervisors (name, call) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?
            .execute(params![name, row])?;
        Ok(())
    }

    /// The value that went under stays to be found.
    fn conflict(&mut self, event: &Conflict, record: &Record) -> Result<(), ArchiveError> {
        let Some(row) = self.known_row(event.call_id)? else { return Ok(()) };
        let text = |side: &Side| side.value.as_ref().map_or("nothing", Note::as_str).to_owned();
        let (field, kept, lost) = (event.field.as_str(), text(&event.kept), text(&event.lost));
        let value = format!("{field}: {kept} was kept, {lost} was not");
        self.act(row, record, "conflict", Some(&value), event.lost.by.as_ref())
    }

    fn run(&mut self, run: &Run, record: &Record) -> Result<(), ArchiveError> {
        self.db
            .prepare_cached(
                "INSERT INTO runs (run_id, user_id, at, slug, command, status, duration_ms,
                   automation_ms, lines_migrated, manual_estimate_ms, report_path, call_id, seq)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                run.run_id.0.to_bytes(),
                run.user_id.as_str(),
                run.timestamp.as_millis(),
                run.slug.as_str(),
                run.command.as_str(),
                run.status.as_str(),
                run.duration_seconds.as_millis(),
                run.automation_seconds.as_millis(),
                run.lines_migrated,
                run.manual_estimate_seconds.as_millis(),
                run.report_path.as_ref().map(Note::as_str),
                run.call_id.map(|it| it.0.to_bytes()),
                record.seq,
            ])?;
        Ok(())
    }

    /// Writes what gathered, and commits; how many more calls there are.
    pub fn finish(self) -> Result<i64, ArchiveError> {
        {
            let mut update = self.db.prepare_cached(
                "UPDATE calls SET n_messages = n_messages + ?2,
                   last_message_at = max(last_message_at, ?3), last_seq = max(last_seq, ?4)
                 WHERE id = ?1",
            )?;
            for (row, it) in &self.spoken {
                update.execute(params![row, it.n_messages, it.last_at.as_millis(), it.last_seq])?;
            }
        }
        self.db.commit()?;
        Ok(self.n_new)
    }
}

/// Where something was done, if not here.
fn source_of(event: &Event) -> Option<&'static str> {
    let source = match event {
        Event::CallUpdated(it) => it.source,
        Event::CallEnded(it) => it.source,
        Event::CallDeleted(it) | Event::CallRestored(it) => it.source,
        Event::ConflictFound(it) => it.lost.source,
        _ => Source::Aurora,
    };
    (!source.is_here()).then(|| source.as_str())
}
