//! What can happen: facts in the past tense, with values and not differences.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    AlertId, Call, CallId, CallStatus, Conflict, ConflictId, EndReason, Label, Medium, Message,
    MessageId, Note, PhoneNumber, Run, Source, Timestamp, Urgency,
};

/// One fact. Everything that Aurora knows is the fold of these in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    CallStarted(CallStarted),
    MessageAdded(MessageAdded),
    CallUpdated(CallUpdated),
    /// The caller was told what supervisors said up to this message.
    WordsHeard {
        call_id: CallId,
        message_id: MessageId,
    },
    CallEnded(CallEnded),
    AlertRaised(Alert),
    AlertAcknowledged(AlertAcknowledged),
    /// The archive has the ended call: it leaves the state.
    CallArchived {
        call_id: CallId,
    },
    /// Out of sight, and to be had back for a while.
    CallDeleted(ByPerson),
    CallRestored(ByPerson),
    /// Out of everything, for good. What was said in it is taken out of older records, too.
    CallErased(ByPerson),
    /// A call that began elsewhere, whole.
    CallImported(Arc<Call>),
    /// Both sides of the mirror had changed the same value; one of the changes went under.
    ConflictFound(Arc<Conflict>),
    ConflictSettled(ConflictSettled),
    /// A piece of work is finished.
    RunRecorded(Arc<Run>),
    /// What stood here could not be read and was set aside by a repair.
    RecordLost,
}

/// What was done to an ended call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByPerson {
    pub call_id: CallId,
    /// Absent when the policy did it.
    pub by: Option<Label>,
    pub source: Source,
    /// Whose run the call was; only where it is erased, so that whoever has the run by its person
    /// finds it.
    pub run_user_id: Option<Note>,
}

impl ByPerson {
    /// Done here.
    pub fn new(call_id: CallId, by: Option<Label>) -> Self {
        Self { call_id, by, source: Source::Aurora, run_user_id: None }
    }
}

/// Somebody has looked at a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictSettled {
    pub conflict_id: ConflictId,
    pub call_id: CallId,
    /// Whether the value that went under was put back.
    pub is_restored: bool,
    pub by: Label,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CallStarted {
    pub call_id: CallId,
    pub worker_id: Arc<str>,
    pub caller: PhoneNumber,
    /// The provider's name of the call; absent for the JSON API without one.
    pub call_sid: Option<Label>,
    pub medium: Medium,
    pub language: Option<Label>,
    pub urgency: Urgency,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MessageAdded {
    pub call_id: CallId,
    pub message: Arc<Message>,
    /// The provider's token of the request that brought it, so that a redelivery is recognised
    /// after a restart too.
    pub request: Option<Label>,
}

/// New values of a call; what is absent stays.
#[derive(Debug, Clone, PartialEq)]
pub struct CallUpdated {
    pub call_id: CallId,
    pub urgency: Option<Urgency>,
    /// `TAKEOVER` comes with its holder; `ACTIVE` clears the holder.
    pub status: Option<CallStatus>,
    pub admin_id: Option<Label>,
    pub legal_hold: Option<bool>,
    /// An empty one takes it away; as with the next.
    pub admin_notes: Option<Note>,
    pub final_action: Option<Note>,
    /// The person who did it; absent when rules or the model did.
    pub by: Option<Label>,
    pub source: Source,
    /// When it was done there, by the database's clock. Absent for what was done here.
    pub edited_at: Option<Timestamp>,
}

impl CallUpdated {
    /// No new value yet.
    pub fn of(call_id: CallId, by: Option<Label>) -> Self {
        Self {
            call_id,
            urgency: None,
            status: None,
            admin_id: None,
            legal_hold: None,
            admin_notes: None,
            final_action: None,
            by,
            source: Source::Aurora,
            edited_at: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct CallEnded {
    pub call_id: CallId,
    pub reason: EndReason,
    pub by: Option<Label>,
    pub source: Source,
}

impl CallEnded {
    /// Done here.
    pub fn new(call_id: CallId, reason: EndReason, by: Option<Label>) -> Self {
        Self { call_id, reason, by, source: Source::Aurora }
    }
}

/// Something that a supervisor must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    pub alert_id: AlertId,
    pub kind: AlertKind,
    pub call_id: Option<CallId>,
    pub detail: Arc<str>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// A call became critical.
    CriticalCall,
    /// Nothing was heard of a critical call for as long as ends other calls.
    CriticalSilence,
    /// For a time, what callers said could not be put on disk.
    StorageFailed,
}

impl AlertKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CriticalCall => "critical_call",
            Self::CriticalSilence => "critical_silence",
            Self::StorageFailed => "storage_failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AlertAcknowledged {
    pub alert_id: AlertId,
    pub by: Label,
}

impl Event {
    /// The call that it is about.
    pub fn call_id(&self) -> Option<CallId> {
        match self {
            Self::CallStarted(it) => Some(it.call_id),
            Self::MessageAdded(it) => Some(it.call_id),
            Self::CallUpdated(it) => Some(it.call_id),
            Self::WordsHeard { call_id, .. } => Some(*call_id),
            Self::CallEnded(it) => Some(it.call_id),
            Self::AlertRaised(it) => it.call_id,
            Self::CallArchived { call_id } => Some(*call_id),
            Self::CallDeleted(it) | Self::CallRestored(it) | Self::CallErased(it) => {
                Some(it.call_id)
            }
            Self::CallImported(it) => Some(it.id),
            Self::ConflictFound(it) => Some(it.call_id),
            Self::ConflictSettled(it) => Some(it.call_id),
            Self::RunRecorded(it) => it.call_id,
            Self::AlertAcknowledged(_) | Self::RecordLost => None,
        }
    }
}
