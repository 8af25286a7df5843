//! Whole calls: taken in at once, and taken out for good.

use rusqlite::params;

use super::Batch;
use crate::domain::{Call, CallId, Field, Label, Note, Record, Run, Seq, Timestamp};
use crate::readers::archive::codes;
use crate::readers::archive::error::ArchiveError;
use crate::readers::archive::schema::MESSAGE_BITS;

impl Batch<'_> {
    pub(super) fn import(&mut self, call: &Call, record: &Record) -> Result<(), ArchiveError> {
        if self.known_row(call.id)?.is_some() {
            return Ok(());
        }
        self.put(call, record.seq)
    }

    pub fn adopt(&mut self, call: &Call) -> Result<(), ArchiveError> {
        self.put(call, call.last_seq)
    }

    /// Writes a whole call, over what is there of it.
    fn put(&mut self, call: &Call, last_seq: Seq) -> Result<(), ArchiveError> {
        let known = self.known_row(call.id)?;
        self.db
            .prepare_cached(
                "INSERT INTO calls (call_id, worker_id, mobile_no, call_sid, medium, language,
                   urgency, status, started_at, last_message_at, ended_at, end_reason, admin_id,
                   deleted_at, legal_hold, last_seq, admin_notes, final_action)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                   ?17, ?18)
                 ON CONFLICT (call_id) DO UPDATE SET worker_id = excluded.worker_id,
                   mobile_no = excluded.mobile_no, call_sid = excluded.call_sid,
                   medium = excluded.medium, language = excluded.language,
                   urgency = excluded.urgency, status = excluded.status,
                   started_at = excluded.started_at, last_message_at = excluded.last_message_at,
                   ended_at = excluded.ended_at, end_reason = excluded.end_reason,
                   admin_id = excluded.admin_id, deleted_at = excluded.deleted_at,
                   legal_hold = excluded.legal_hold, last_seq = excluded.last_seq,
                   admin_notes = excluded.admin_notes, final_action = excluded.final_action,
                   has_left = 0, is_cut = 0",
            )?
            .execute(params![
                call.id.0.to_bytes(),
                &*call.worker_id,
                call.caller.as_str(),
                call.call_sid.as_ref().map(Label::as_str),
                codes::of_medium(call.medium),
                call.language.as_ref().map(Label::as_str),
                codes::of_urgency(call.urgency),
                codes::of_status(call.status),
                call.started_at.as_millis(),
                call.last_message_at.as_millis(),
                call.ended_at.map(Timestamp::as_millis),
                call.end_reason.map(|it| it.as_str()),
                call.admin_id.as_ref().map(Label::as_str),
                call.deleted_at.map(Timestamp::as_millis),
                call.legal_hold,
                last_seq,
                call.admin_notes.as_ref().map(Note::as_str),
                call.final_action.as_ref().map(Note::as_str),
            ])?;
        let row = known.unwrap_or_else(|| self.is_new(call.id));
        for message in &call.messages {
            self.add(row, message)?;
        }
        for (field, text) in
            [(Field::AdminNotes, &call.admin_notes), (Field::FinalAction, &call.final_action)]
        {
            let at = call.edits.last(field).map_or(call.last_message_at, |it| it.at);
            self.note(row, field, text.as_ref(), at)?;
        }
        let spoken = self.spoken.entry(row).or_default();
        (spoken.last_at, spoken.last_seq) = (call.last_message_at, last_seq);
        call.admin_id.as_ref().map_or(Ok(()), |it| self.took_part(row, it.as_str()))
    }

    pub(super) fn erase(&mut self, id: CallId) -> Result<(), ArchiveError> {
        let Some(row) = self.known_row(id)? else { return Ok(()) };
        let (first, end) = (row << MESSAGE_BITS, (row + 1) << MESSAGE_BITS);
        self.forget(first, end)?;
        self.db.execute("DELETE FROM supervisors WHERE call = ?1", [row])?;
        self.db.execute("DELETE FROM actions WHERE call = ?1", [row])?;
        // A call and its run share one id.
        self.db.execute("DELETE FROM runs WHERE run_id = ?1", [Run::id_of(id).0.to_bytes()])?;
        self.db.execute("DELETE FROM calls WHERE id = ?1", [row])?;
        self.rows.remove(&id);
        self.spoken.remove(&row);
        self.n_new -= 1;
        Ok(())
    }
}
