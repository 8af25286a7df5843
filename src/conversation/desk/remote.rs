//! What people do to a call in the Realtime Database: decided and written down like everything
//! else, with where it came from.

use std::sync::Arc;

use super::Desk;
use super::answer::DeskError;
use super::decide::{add, by_person, new_ulid};
use super::late::DISK_PATIENCE;
use super::runs::record;
use super::supervise::see_alerts;
use crate::conversation::merging::{Ruling, rests, rule, server_time};
use crate::domain::{
    ByPerson, Call, CallEnded, CallStatus, CallUpdated, Conflict, ConflictId, EndReason, Event,
    Field, Label, Message, Note, RemoteCall, RemoteClock, RemoteEdit, RemoteMessage, Role, RuledOn,
    Side, Source, State, Urgency, Why,
};
use crate::journal::{Draft, Need};

impl Desk {
    /// Takes in what was changed of a call in the database.
    ///
    /// # Errors
    /// [`DeskError::NoSuchCall`], [`DeskError::Journal`]
    pub async fn take_in(
        &self,
        remote: RemoteCall,
        clock: RemoteClock,
    ) -> Result<RuledOn, DeskError> {
        let user = self.user.clone();
        self.journal
            .submit(Need::Durable, move |state, draft| {
                let ruled_on = take_in(state, draft, &remote, clock)?;
                let ended = remote.ended.as_ref().and(state.call(remote.call_id));
                if let Some(call) = ended.filter(|it| it.is_open()) {
                    let by = remote.ended.clone().flatten();
                    record(draft, call, EndReason::Supervisor, by.as_ref(), &user);
                }
                Ok(ruled_on)
            })
            .within(DISK_PATIENCE)
            .await
            .map(|it| it.value)
    }

    /// Takes in words to the caller from the database; whether they are new.
    ///
    /// # Errors
    /// [`DeskError::NoSuchCall`], [`DeskError::CallEnded`], [`DeskError::Journal`]
    pub async fn take_in_words(&self, remote: RemoteMessage) -> Result<bool, DeskError> {
        self.journal
            .submit(Need::Durable, move |state, draft| take_in_words(state, draft, remote))
            .within(DISK_PATIENCE)
            .await
            .map(|it| it.value)
    }
}

/// The decision of [`Desk::take_in`].
///
/// # Errors
/// [`DeskError::NoSuchCall`]
pub fn take_in(
    state: &State,
    draft: &mut Draft<'_>,
    remote: &RemoteCall,
    clock: RemoteClock,
) -> Result<RuledOn, DeskError> {
    let call = state.call(remote.call_id).ok_or(DeskError::NoSuchCall)?;
    let offset_ms = clock.offset_ms;
    let mut ruled_on = RuledOn::default();
    for edit in &remote.edits {
        match rule(call, edit, clock.acked_seq, offset_ms) {
            Ruling::Nothing => {}
            Ruling::Take { buries } => {
                ruled_on.n_taken += 1;
                set(state, draft, call, edit);
                if buries {
                    let (kept, lost) = (theirs(edit), ours(call, edit.field, offset_ms));
                    conflict(draft, call, edit.field, Why::Older, kept, lost);
                }
            }
            Ruling::Keep(why) => {
                // Of a time that somebody set only that it is one is known.
                let can_rest = clock.puts_back && edit.field != Field::DeletedAt;
                if can_rest && rests(call, edit, draft.now).is_some() {
                    ruled_on.put_back.push(edit.clone());
                    continue;
                }
                let (kept, lost) = (ours(call, edit.field, offset_ms), theirs(edit));
                conflict(draft, call, edit.field, why, kept, lost);
            }
        }
    }
    if let Some(by) = remote.ended.as_ref().filter(|_| call.is_open()) {
        ruled_on.n_taken += 1;
        let (reason, by, source) = (EndReason::Supervisor, by.clone(), Source::Firebase);
        draft.push(Event::CallEnded(CallEnded { call_id: call.id, reason, by, source }));
    }
    Ok(ruled_on)
}

/// The decision of [`Desk::take_in_words`].
///
/// # Errors
/// [`DeskError::NoSuchCall`], [`DeskError::CallEnded`]
pub fn take_in_words(
    state: &State,
    draft: &mut Draft<'_>,
    remote: RemoteMessage,
) -> Result<bool, DeskError> {
    let call = state.call(remote.call_id).ok_or(DeskError::NoSuchCall)?;
    // Told of again, until it has its place there. Somebody may use one key for all that they say.
    let is_key = |it: &&Arc<Message>| it.remote_key.as_ref() == Some(&remote.key);
    let last = call.messages.iter().rev().find(is_key);
    if last.is_some_and(|it| *it.content == *remote.content.as_str()) {
        return Ok(false);
    }
    if !call.is_open() {
        return Err(DeskError::CallEnded);
    }
    let content = remote.content.shared();
    let words = by_person(call.next_message_id(), Role::Admin, content, draft.now);
    let message = Message { by: remote.by, remote_key: Some(remote.key), ..words };
    add(draft, call.id, message, None);
    Ok(true)
}

fn set(state: &State, draft: &mut Draft<'_>, call: &Call, edit: &RemoteEdit) {
    let update = CallUpdated {
        source: Source::Firebase,
        edited_at: Some(edit.at),
        ..CallUpdated::of(call.id, edit.by.clone())
    };
    let text = edit.value.as_ref().map_or("", Note::as_str);
    let update = match edit.field {
        Field::Urgency => CallUpdated { urgency: Urgency::parse(text), ..update },
        Field::AdminNotes => {
            CallUpdated { admin_notes: Some(edit.value.clone().unwrap_or_default()), ..update }
        }
        Field::FinalAction => {
            CallUpdated { final_action: Some(edit.value.clone().unwrap_or_default()), ..update }
        }
        Field::AdminId => {
            let admin_id = Label::parse(text).ok();
            let held = admin_id.is_some();
            let status = if held { CallStatus::Takeover } else { CallStatus::Active };
            if let Some(admin) = &admin_id {
                see_alerts(state, draft, call.id, admin);
            }
            let by = update.by.clone().or_else(|| admin_id.clone());
            CallUpdated { status: Some(status), admin_id, by, ..update }
        }
        Field::DeletedAt => {
            let (call_id, by, source) = (call.id, edit.by.clone(), Source::Firebase);
            let event = ByPerson { source, ..ByPerson::new(call_id, by) };
            draft.push(match edit.value {
                Some(_) => Event::CallDeleted(event),
                None => Event::CallRestored(event),
            });
            return;
        }
    };
    draft.push(Event::CallUpdated(update));
}

fn theirs(edit: &RemoteEdit) -> Side {
    let (value, by) = (edit.value.clone(), edit.by.clone());
    Side { value, by, at: edit.at, source: Source::Firebase }
}

fn ours(call: &Call, field: Field, offset_ms: i64) -> Side {
    let last = call.edits.last(field);
    // A value that nobody ever set is as old as the call.
    let (at, source) = match last {
        Some(it) if !it.source.is_here() => (it.at, it.source),
        Some(it) => (server_time(it.at, offset_ms), it.source),
        None => (server_time(call.started_at, offset_ms), Source::Aurora),
    };
    let by = last.and_then(|it| it.by.clone());
    Side { value: call.value_of(field), by, at, source }
}

fn conflict(draft: &mut Draft<'_>, call: &Call, field: Field, why: Why, kept: Side, lost: Side) {
    let conflict_id = ConflictId(new_ulid(draft));
    let conflict = Conflict { conflict_id, call_id: call.id, field, why, kept, lost };
    draft.push(Event::ConflictFound(conflict.into()));
}
