//! A call as it is kept in files: the published objects, and what only Aurora needs to go on.
//!
//! The one idea: `total.json` and the record of an import hold the same objects, written and read
//! here alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{
    AnsweredBy, Call, CallId, CallStatus, CardStep, Edits, EndReason, Label, Medium, Message,
    MessageId, Note, PhoneNumber, PublishedCall, PublishedMessage, Role, Seq, SyncStatus,
    Timestamp, Urgency,
};

/// A call to be written, without its messages.
#[derive(Debug, Serialize)]
pub struct StoredCallRef<'a> {
    #[serde(flatten)]
    call: PublishedCall<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heard: Option<MessageId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requests: Vec<&'a (Label, MessageId)>,
    #[serde(skip_serializing_if = "Edits::is_empty")]
    edits: &'a Edits,
    last_seq: Seq,
}

impl<'a> StoredCallRef<'a> {
    pub fn new(call: &'a Call, sync: SyncStatus) -> Self {
        Self {
            call: PublishedCall::new(call, sync),
            heard: call.heard,
            requests: call.requests.iter().collect(),
            edits: &call.edits,
            last_seq: call.last_seq,
        }
    }
}

/// The messages of a call to be written: an object with a key for each.
#[derive(Debug)]
pub struct StoredMessages<'a>(pub &'a [Arc<Message>]);

#[derive(Serialize)]
struct StoredMessageRef<'a> {
    #[serde(flatten)]
    message: PublishedMessage<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'a CardStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_key: Option<&'a Label>,
}

impl Serialize for StoredMessages<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(self.0.len()))?;
        for message in self.0 {
            let (card, remote_key) = (message.card.as_ref(), message.remote_key.as_ref());
            let stored = StoredMessageRef { message: (&**message).into(), card, remote_key };
            map.serialize_entry(&message.id, &stored)?;
        }
        map.end()
    }
}

/// A call as it was read, without its messages.
#[derive(Debug, Deserialize)]
pub struct StoredCall {
    worker_id: Arc<str>,
    mobile_no: PhoneNumber,
    urgency: Urgency,
    status: CallStatus,
    timestamp: Timestamp,
    medium: Medium,
    last_message_at: Timestamp,
    admin_id: Option<Label>,
    call_sid: Option<Label>,
    language: Option<Label>,
    ended_at: Option<Timestamp>,
    end_reason: Option<EndReason>,
    deleted_at: Option<Timestamp>,
    #[serde(default)]
    legal_hold: bool,
    admin_notes: Option<Note>,
    final_action: Option<Note>,
    #[serde(default)]
    edits: Edits,
    heard: Option<MessageId>,
    #[serde(default)]
    requests: Vec<(Label, MessageId)>,
    last_seq: Seq,
}

/// A message as it was read.
#[derive(Debug, Deserialize)]
pub struct StoredMessage {
    role: Role,
    content: Arc<str>,
    timestamp: Timestamp,
    sources: Arc<str>,
    answered_by: Option<AnsweredBy>,
    admin_id: Option<Label>,
    card: Option<CardStep>,
    remote_key: Option<Label>,
}

impl StoredCall {
    /// Puts a call and its messages together again.
    ///
    /// # Errors
    /// What can't be, in words.
    pub fn into_call(
        self,
        id: CallId,
        stored: BTreeMap<MessageId, StoredMessage>,
    ) -> Result<Call, String> {
        let mut messages = Vec::with_capacity(stored.len());
        let (mut turns, mut last_admin) = (0, None);
        for (place, (message_id, it)) in stored.into_iter().enumerate() {
            if message_id.0 as usize != place + 1 {
                return Err(format!("{id} has no message {}", place + 1));
            }
            turns += u32::from(it.role == Role::User);
            last_admin = last_admin.max((it.role == Role::Admin).then_some(message_id));
            messages.push(Arc::new(Message {
                id: message_id,
                role: it.role,
                content: it.content,
                timestamp: it.timestamp,
                sources: it.sources,
                answered_by: it.answered_by,
                card: it.card,
                by: it.admin_id,
                remote_key: it.remote_key,
            }));
        }
        Ok(Call {
            id,
            worker_id: self.worker_id,
            caller: self.mobile_no,
            call_sid: self.call_sid,
            medium: self.medium,
            language: self.language,
            urgency: self.urgency,
            status: self.status,
            started_at: self.timestamp,
            last_message_at: self.last_message_at,
            ended_at: self.ended_at,
            end_reason: self.end_reason,
            admin_id: self.admin_id,
            deleted_at: self.deleted_at,
            legal_hold: self.legal_hold,
            admin_notes: self.admin_notes,
            final_action: self.final_action,
            edits: self.edits,
            messages,
            turns,
            last_admin,
            heard: self.heard,
            requests: self.requests.into(),
            last_seq: self.last_seq,
        })
    }
}
