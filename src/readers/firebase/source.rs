//! Which record becomes which path: the journal as the mirror sees it.
//!
//! The one idea: a record holds values, so its writes need nothing but the record. Only when the
//! database knows nothing of this journal is the state itself sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::entry::{self, Stamp};
use super::run;
use super::writer::{Batch, Next, Reset, SourceError};
use super::writes::{Limits, Writes};
use crate::domain::{
    Call, CallId, CallStarted, CallStatus, CallUpdated, Event, Field, Note, PublishedMessage,
    Record, Seq, Source, SyncStatus, Timestamp,
};
use crate::journal::{Journal, Reader};

/// Records in one look: small, so that a batch goes little beyond its limits.
const STEP: usize = 64;
const STEP_BYTES: usize = 256 * 1024;

/// A longer history is not told from its beginning: whoever looks there wants to see first who is on
/// the line now.
const SHORT: Seq = 20_000;

/// What the journal does not tell of calls that the database may still have.
pub struct Gone {
    /// The calls that were ever erased.
    pub erased: Box<dyn Fn() -> Vec<CallId> + Send>,
    /// Those of the given calls that are over and in the archive.
    pub archived: Arc<dyn Fn(Vec<CallId>) -> Vec<CallId> + Send + Sync>,
}

/// What follows a sequence, for [`super::Mirror::start`].
pub fn follow(
    journal: Arc<Journal>,
    node: Arc<str>,
    gone: Gone,
) -> impl FnMut(Option<Seq>, Limits) -> Result<Next, SourceError> + Send + 'static {
    let mut reader: Option<Reader> = None;
    move |after, limits| {
        let Some(after) = after.filter(|it| journal.holds_after(*it)) else {
            reader = None;
            return Ok(Next::Reset(reset(&journal, Arc::clone(&node), &gone, limits)));
        };
        let reader = match &mut reader {
            Some(own) if own.position() == after => own,
            other => other.insert(journal.read_after(after)),
        };
        let (mut writes, mut first_at) = (Writes::new(), None);
        let last =
            |id, field| journal.view(|state| state.call(id)?.edits.last(field).map(|it| it.seq));
        let is_here = |id| journal.view(|state| state.call(id).is_some());
        let mut is_cut = false;
        'batch: while !writes.is_full(limits) {
            let records = reader.next_batch(STEP, STEP_BYTES)?;
            if records.is_empty() {
                break;
            }
            for record in &records {
                if is_too_early(record, &writes) {
                    *reader = journal.read_after(record.seq - 1);
                    is_cut = true;
                    break 'batch;
                }
                first_at.get_or_insert(record.at);
                if !is_too_late(record, &is_here) {
                    put(&mut writes, record, &last);
                }
            }
        }
        if reader.position() == after {
            return Ok(Next::Nothing);
        }
        // Nobody can take in any more what was changed of a call that has left.
        writes.contest_only(is_here);
        let first_at = first_at.and_then(instant);
        Ok(Next::Batch(Batch { writes, last_seq: reader.position(), first_at, is_cut }))
    }
}

/// A call leaves only once its last state is there: that has to be acknowledged first.
fn is_too_early(record: &Record, writes: &Writes) -> bool {
    matches!(&record.event, Event::CallArchived { call_id } if writes.has_call(*call_id))
}

/// What happens to a call in the archive happens there only: it has left the database.
fn is_too_late(record: &Record, is_here: &dyn Fn(CallId) -> bool) -> bool {
    match &record.event {
        Event::CallDeleted(it) | Event::CallRestored(it) => !is_here(it.call_id),
        Event::CallUpdated(it) => {
            let is_remark = it.admin_notes.is_some() || it.final_action.is_some();
            (is_remark || it.legal_hold.is_some()) && !is_here(it.call_id)
        }
        Event::ConflictFound(it) => !is_here(it.call_id),
        _ => false,
    }
}

/// What a record makes of the database. `last`: the record that set a value last.
///
/// A value that was set again since is left to that record: sent a second time, after an answer
/// that was lost, it would bury what somebody has put there meanwhile.
pub fn put(writes: &mut Writes, record: &Record, last: &dyn Fn(CallId, Field) -> Option<Seq>) {
    writes.at(record.seq);
    match &record.event {
        Event::CallStarted(it) => {
            let id = it.call_id.to_string();
            entry::begin(writes, it.call_id, started(it, record), it.urgency, stamp(record));
            let conversation = it.call_id.conversation();
            writes.set(&format!("active_conversations/{conversation}/call_id"), id);
        }
        Event::MessageAdded(it) => {
            let (id, conversation) = (it.call_id.to_string(), it.call_id.conversation());
            let message = value(&PublishedMessage::from(&*it.message));
            writes.set_message(&conversation.to_string(), &it.message.id.to_string(), message);
            if let Some(key) = &it.message.remote_key {
                // It was written there first, under a key of somebody's; now it is under ours.
                let path = format!("active_conversations/{conversation}/messages/{key}");
                writes.put_escaped(&path, record.seq, Value::Null);
            }
            writes.set_call_field(&id, "last_message_at", record.at.to_string());
        }
        Event::CallUpdated(it) => updated(writes, it, record, last),
        Event::CallEnded(it) => {
            let id = it.call_id.to_string();
            entry::end(writes, it.call_id, stamp(record));
            writes.set_call_field(&id, "ended_at", record.at.to_string());
            writes.set_call_field(&id, "end_reason", it.reason.as_str());
        }
        Event::CallDeleted(it) => {
            let (id, value) = (it.call_id, Note::deleted());
            set(writes, id, Field::DeletedAt, Some(&value), it.source, record, last);
        }
        Event::CallRestored(it) => {
            set(writes, it.call_id, Field::DeletedAt, None, it.source, record, last);
        }
        // What was kept may have been overwritten there meanwhile.
        Event::ConflictFound(it) => {
            if last(it.call_id, it.field).is_none_or(|last| last < record.seq) {
                let (value, at) = (it.kept.value.as_ref(), it.kept.at);
                entry::ours(writes, it.call_id, it.field, value, at, stamp(record));
            }
        }
        Event::CallErased(it) => {
            remove(writes, it.call_id);
            if let Some(user) = &it.run_user_id {
                run::remove(writes, user, it.call_id);
            }
        }
        Event::CallArchived { call_id } => remove(writes, *call_id),
        Event::RunRecorded(it) => run::put(writes, it),
        Event::CallImported(it) => whole(writes, it, &record.node),
        // Aurora's own business.
        Event::ConflictSettled(_)
        | Event::RecordLost
        | Event::WordsHeard { .. }
        | Event::AlertRaised(_)
        | Event::AlertAcknowledged(_) => {}
    }
}

fn stamp(record: &Record) -> Stamp<'_> {
    Stamp { node: &record.node, seq: record.seq }
}

fn set(
    writes: &mut Writes,
    id: CallId,
    field: Field,
    value: Option<&Note>,
    source: Source,
    record: &Record,
    last: &dyn Fn(CallId, Field) -> Option<Seq>,
) {
    if last(id, field).is_some_and(|it| it > record.seq) {
        return;
    }
    match source {
        Source::Aurora => entry::ours(writes, id, field, value, record.at, stamp(record)),
        Source::Firebase => entry::theirs(writes, id, field, value, record.at, record.seq),
    }
}

fn updated(
    writes: &mut Writes,
    event: &CallUpdated,
    record: &Record,
    last: &dyn Fn(CallId, Field) -> Option<Seq>,
) {
    let mut set = |field, value: Option<&Note>| {
        set(writes, event.call_id, field, value, event.source, record, last);
    };
    if let Some(urgency) = event.urgency {
        set(Field::Urgency, Note::parse(urgency.as_str()).ok().as_ref());
    }
    if event.status.is_some() {
        set(Field::AdminId, event.admin_id.as_ref().map(Note::from).as_ref());
    }
    for (field, value) in
        [(Field::AdminNotes, &event.admin_notes), (Field::FinalAction, &event.final_action)]
    {
        if let Some(value) = value {
            set(field, Some(value).filter(|it| !it.is_empty()));
        }
    }
    if let Some(legal_hold) = event.legal_hold {
        writes.set_call_field(&event.call_id.to_string(), "legal_hold", legal_hold);
    }
}

/// In the database everything is, by being there, synced.
fn started(event: &CallStarted, record: &Record) -> Value {
    let mut call = json!({
        "worker_id": &*event.worker_id,
        "mobile_no": event.caller.as_str(),
        "conversation_id": event.call_id.conversation(),
        "urgency": event.urgency,
        "status": CallStatus::Active,
        "timestamp": record.at,
        "medium": event.medium,
        "last_message_at": record.at,
        "admin_id": null,
        "sync_status": SyncStatus::Synced,
    });
    if let Some(call_sid) = &event.call_sid {
        call["call_sid"] = value(call_sid);
    }
    if let Some(language) = &event.language {
        call["language"] = value(language);
    }
    call
}

/// A call and its conversation leave.
pub(super) fn remove(writes: &mut Writes, id: CallId) {
    writes.set_call(&id.to_string(), Value::Null);
    writes.set(&format!("active_conversations/{}", id.conversation()), Value::Null);
}

fn reset(journal: &Journal, node: Arc<str>, gone: &Gone, limits: Limits) -> Reset {
    let erased = (gone.erased)();
    let (state, at_seq) = journal.snapshot_at_head();
    let mut calls: Vec<Arc<Call>> = state.calls().cloned().collect();
    calls.sort_unstable_by_key(|it| it.id);
    let first_at = calls.iter().map(|it| it.started_at).min().and_then(instant);
    let (mut calls, mut erased) = (calls.into_iter().peekable(), erased.into_iter().peekable());
    let chunks = std::iter::from_fn(move || {
        if calls.peek().is_none() && erased.peek().is_none() {
            return None;
        }
        let mut writes = Writes::new();
        while let Some(id) = erased.next_if(|_| !writes.is_full(limits)) {
            writes.at(at_seq);
            remove(&mut writes, id);
        }
        while let Some(call) = calls.next_if(|_| !writes.is_full(limits)) {
            writes.at(call.last_seq);
            whole(&mut writes, &call, &node);
        }
        Some(writes)
    });
    let archived = Arc::clone(&gone.archived);
    let leave = move |there: &BTreeSet<CallId>| {
        let unknown = there.iter().copied().filter(|it| state.call(*it).is_none());
        archived(unknown.collect())
    };
    let is_all_held = at_seq <= SHORT && journal.holds_after(0);
    Reset { chunks: Box::new(chunks), at_seq, first_at, is_all_held, leave: Box::new(leave) }
}

fn instant(at: Timestamp) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(at.as_millis()).ok()
}

fn whole(writes: &mut Writes, call: &Call, node: &str) {
    entry::whole(writes, call, node);
    words(writes, call);
}

/// What was said in a call.
pub(super) fn words(writes: &mut Writes, call: &Call) {
    let (id, conversation) = (call.id.to_string(), call.conversation_id().to_string());
    writes.set(&format!("active_conversations/{conversation}/call_id"), id);
    for message in &call.messages {
        let message_id = message.id.to_string();
        writes.set_message(&conversation, &message_id, value(&PublishedMessage::from(&**message)));
    }
}

fn value(published: &impl serde::Serialize) -> Value {
    serde_json::to_value(published).expect("published objects have text keys only")
}
