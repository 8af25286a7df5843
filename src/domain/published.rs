//! Calls and messages in the published format: `total.json`, the API and the mirror write these
//! same objects. Fields may be added, none removed or renamed.

use serde::{Deserialize, Serialize};

use super::{
    AnsweredBy, Call, CallId, CallStatus, ConversationId, Label, Medium, Message, Note,
    PhoneNumber, Role, Timestamp, Urgency,
};

/// How far the mirror is with something: a comparison of its sequence with the mirror's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    PendingSync,
    Synced,
    Failed,
}

impl SyncStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PendingSync => "pending_sync",
            Self::Synced => "synced",
            Self::Failed => "failed",
        }
    }
}

/// An entry of `active_calls`, without its key.
#[derive(Debug, Serialize)]
pub struct PublishedCall<'a> {
    pub worker_id: &'a str,
    pub mobile_no: &'a PhoneNumber,
    pub conversation_id: ConversationId,
    pub urgency: Urgency,
    pub status: CallStatus,
    pub timestamp: Timestamp,
    pub medium: Medium,
    pub last_message_at: Timestamp,
    pub admin_id: Option<&'a Label>,
    pub sync_status: SyncStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_sid: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<super::EndReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_notes: Option<&'a Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub final_action: Option<&'a Note>,
}

impl<'a> PublishedCall<'a> {
    pub fn new(call: &'a Call, sync_status: SyncStatus) -> Self {
        Self {
            worker_id: &call.worker_id,
            mobile_no: &call.caller,
            conversation_id: call.conversation_id(),
            urgency: call.urgency,
            status: call.status,
            timestamp: call.started_at,
            medium: call.medium,
            last_message_at: call.last_message_at,
            admin_id: call.admin_id.as_ref(),
            sync_status,
            call_sid: call.call_sid.as_ref(),
            language: call.language.as_ref(),
            ended_at: call.ended_at,
            end_reason: call.end_reason,
            deleted_at: call.deleted_at,
            legal_hold: call.legal_hold,
            admin_notes: call.admin_notes.as_ref(),
            final_action: call.final_action.as_ref(),
        }
    }
}

/// An entry of a conversation's `messages`, without its key.
#[derive(Debug, Serialize)]
pub struct PublishedMessage<'a> {
    pub role: Role,
    pub content: &'a str,
    pub timestamp: Timestamp,
    pub sources: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<AnsweredBy>,
    /// Whose words these are, of a supervisor's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_id: Option<&'a Label>,
}

impl<'a> From<&'a Message> for PublishedMessage<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            role: message.role,
            content: &message.content,
            timestamp: message.timestamp,
            sources: &message.sources,
            answered_by: message.answered_by,
            admin_id: message.by.as_ref(),
        }
    }
}

/// The call that an entry belongs to, beside the entry: lists of calls are arrays in the API.
#[derive(Debug, Serialize)]
pub struct WithId<T> {
    pub call_id: CallId,
    #[serde(flatten)]
    pub rest: T,
}
