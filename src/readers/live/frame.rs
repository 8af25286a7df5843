//! Server-sent events as bytes.
//!
//! Format: WHATWG HTML, "9.2 Server-sent events". JSON never holds a raw line end, so one `data:`
//! line is always enough.

use bytes::Bytes;
use serde::Serialize;

use crate::domain::{
    ByPerson, Call, CallId, CallStatus, Conflict, ConflictId, ConversationId, EndReason, Event,
    Label, Message, MessageId, Note, Position, PublishedCall, PublishedMessage, Record, Source,
    SyncStatus, Timestamp, Urgency, WithId,
};

/// One event: `id:` (for what changes data), `event:`, `data:`.
pub fn event(id: Option<Position>, name: &str, data: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(512);
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.to_string().as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    serde_json::to_writer(&mut out, data).expect("events hold nothing that JSON cannot");
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}

#[derive(Debug, Serialize)]
pub struct FrameMessage<'a> {
    message_id: MessageId,
    #[serde(flatten)]
    message: PublishedMessage<'a>,
}

impl<'a> From<&'a Message> for FrameMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self { message_id: message.id, message: message.into() }
    }
}

#[derive(Serialize)]
struct NewMessages<'a> {
    call_id: CallId,
    conversation_id: ConversationId,
    messages: [FrameMessage<'a>; 1],
    total_messages: u32,
    /// As it is told of; `sync` says later how far the mirror is.
    sync_status: SyncStatus,
}

#[derive(Serialize)]
struct Started<'a> {
    call_id: CallId,
    conversation_id: ConversationId,
    worker_id: &'a str,
    mobile_no: &'a str,
    urgency: Urgency,
    status: CallStatus,
    medium: crate::domain::Medium,
    timestamp: Timestamp,
    last_message_at: Timestamp,
    admin_id: Option<Label>,
    sync_status: SyncStatus,
}

#[derive(Serialize)]
struct Updated<'a> {
    call_id: CallId,
    conversation_id: ConversationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    urgency: Option<Urgency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<CallStatus>,
    /// Present, and perhaps null, exactly when the status is.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_id: Option<Option<&'a Label>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_hold: Option<bool>,
    /// Empty when they were taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_notes: Option<&'a Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    final_action: Option<&'a Note>,
    /// Present, and null when the call was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Option<Timestamp>>,
    by: Option<&'a Label>,
    #[serde(skip_serializing_if = "Source::is_here")]
    source: Source,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct Ended<'a> {
    call_id: CallId,
    conversation_id: ConversationId,
    reason: EndReason,
    by: Option<&'a Label>,
    #[serde(skip_serializing_if = "Source::is_here")]
    source: Source,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct Erased {
    call_id: CallId,
    conversation_id: ConversationId,
    timestamp: Timestamp,
}

fn deleted(it: &ByPerson, deleted_at: Option<Timestamp>, timestamp: Timestamp) -> Updated<'_> {
    Updated {
        call_id: it.call_id,
        conversation_id: it.call_id.conversation(),
        urgency: None,
        status: None,
        admin_id: None,
        legal_hold: None,
        admin_notes: None,
        final_action: None,
        deleted_at: Some(deleted_at),
        by: it.by.as_ref(),
        source: it.source,
        timestamp,
    }
}

#[derive(Serialize)]
struct Acknowledged<'a> {
    alert_id: crate::domain::AlertId,
    by: &'a Label,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct Conflicting<'a> {
    #[serde(flatten)]
    conflict: &'a Conflict,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct Settled<'a> {
    conflict_id: ConflictId,
    call_id: CallId,
    is_restored: bool,
    by: &'a Label,
    timestamp: Timestamp,
}

/// A record as subscribers get it; `None` for what only the server needs.
pub fn of_record(record: &Record, position: Position) -> Option<Bytes> {
    let id = Some(position);
    let timestamp = record.at;
    Some(match &record.event {
        Event::CallStarted(it) => event(
            id,
            "call_started",
            &Started {
                call_id: it.call_id,
                conversation_id: it.call_id.conversation(),
                worker_id: &it.worker_id,
                mobile_no: it.caller.as_str(),
                urgency: it.urgency,
                status: CallStatus::Active,
                medium: it.medium,
                timestamp,
                last_message_at: timestamp,
                admin_id: None,
                sync_status: SyncStatus::PendingSync,
            },
        ),
        Event::MessageAdded(it) => event(
            id,
            "new_messages",
            &NewMessages {
                call_id: it.call_id,
                conversation_id: it.call_id.conversation(),
                messages: [FrameMessage::from(&*it.message)],
                total_messages: it.message.id.0,
                sync_status: SyncStatus::PendingSync,
            },
        ),
        Event::CallUpdated(it) => event(
            id,
            "call_updated",
            &Updated {
                call_id: it.call_id,
                conversation_id: it.call_id.conversation(),
                urgency: it.urgency,
                status: it.status,
                admin_id: it.status.map(|_| it.admin_id.as_ref()),
                legal_hold: it.legal_hold,
                admin_notes: it.admin_notes.as_ref(),
                final_action: it.final_action.as_ref(),
                deleted_at: None,
                by: it.by.as_ref(),
                source: it.source,
                timestamp,
            },
        ),
        Event::CallDeleted(it) => {
            event(id, "call_updated", &deleted(it, Some(timestamp), timestamp))
        }
        Event::CallRestored(it) => event(id, "call_updated", &deleted(it, None, timestamp)),
        Event::CallErased(it) => event(
            id,
            "call_erased",
            &Erased { call_id: it.call_id, conversation_id: it.call_id.conversation(), timestamp },
        ),
        Event::CallImported(it) => {
            event(id, "call_started", &BoardCall::new(it, SyncStatus::PendingSync))
        }
        Event::CallEnded(it) => event(
            id,
            "ended",
            &Ended {
                call_id: it.call_id,
                conversation_id: it.call_id.conversation(),
                reason: it.reason,
                by: it.by.as_ref(),
                source: it.source,
                timestamp,
            },
        ),
        Event::AlertRaised(it) => event(id, "alert", it),
        Event::AlertAcknowledged(it) => event(
            id,
            "alert_acknowledged",
            &Acknowledged { alert_id: it.alert_id, by: &it.by, timestamp },
        ),
        Event::ConflictFound(it) => event(id, "conflict", &Conflicting { conflict: it, timestamp }),
        Event::ConflictSettled(it) => event(
            id,
            "conflict_settled",
            &Settled {
                conflict_id: it.conflict_id,
                call_id: it.call_id,
                is_restored: it.is_restored,
                by: &it.by,
                timestamp,
            },
        ),
        Event::RunRecorded(it) => event(id, "run", &**it),
        Event::WordsHeard { .. } | Event::CallArchived { .. } | Event::RecordLost => return None,
    })
}

/// A conversation with all its messages: a snapshot, and the first event of its stream.
#[derive(Debug, Serialize)]
pub struct Conversation<'a> {
    call_id: CallId,
    #[serde(flatten)]
    call: PublishedCall<'a>,
    messages: Vec<FrameMessage<'a>>,
    total_messages: usize,
}

impl<'a> Conversation<'a> {
    pub fn new(call: &'a Call, sync: SyncStatus) -> Self {
        Self {
            call_id: call.id,
            call: PublishedCall::new(call, sync),
            messages: call.messages.iter().map(|it| FrameMessage::from(&**it)).collect(),
            total_messages: call.messages.len(),
        }
    }
}

/// A call in the board's list.
#[derive(Debug, Serialize)]
pub struct BoardCall<'a> {
    #[serde(flatten)]
    call: WithId<PublishedCall<'a>>,
    total_messages: usize,
    last_message: Option<FrameMessage<'a>>,
}

impl<'a> BoardCall<'a> {
    pub fn new(call: &'a Call, sync: SyncStatus) -> Self {
        Self {
            call: WithId { call_id: call.id, rest: PublishedCall::new(call, sync) },
            total_messages: call.messages.len(),
            last_message: call.messages.last().map(|it| FrameMessage::from(&**it)),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Heartbeat {
    pub timestamp: Timestamp,
    pub seq: u64,
}
