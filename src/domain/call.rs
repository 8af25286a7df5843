//! A call and its conversation, as the state keeps them.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    CallId, CardStep, ConversationId, Edits, Field, Label, Message, MessageId, Note, PhoneNumber,
    Role, Seq, Timestamp, Urgency,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CallStatus {
    /// The assistant answers.
    Active,
    /// A supervisor holds it; the assistant is silent.
    Takeover,
    Ended,
}

impl CallStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Takeover => "TAKEOVER",
            Self::Ended => "ENDED",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Medium {
    #[default]
    Voice,
    Text,
}

impl Medium {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "Voice",
            Self::Text => "Text",
        }
    }
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The provider reported a final status, or the caller hung up.
    CallerHungUp,
    /// `/hangup` was asked for.
    HangUp,
    /// A supervisor ended it.
    Supervisor,
    /// Nothing was heard for the configured time.
    Inactivity,
    /// The caller stayed silent when asked.
    Silence,
    /// The turn limit was reached.
    TurnLimit,
}

impl EndReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::HangUp => "hang_up",
            Self::Supervisor => "supervisor",
            Self::Inactivity => "inactivity",
            Self::Silence => "silence",
            Self::TurnLimit => "turn_limit",
        }
    }
}

/// One phone call with everything said in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub id: CallId,
    pub worker_id: Arc<str>,
    pub caller: PhoneNumber,
    pub call_sid: Option<Label>,
    pub medium: Medium,
    pub language: Option<Label>,
    pub urgency: Urgency,
    pub status: CallStatus,
    pub started_at: Timestamp,
    pub last_message_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub end_reason: Option<EndReason>,
    /// Who holds it.
    pub admin_id: Option<Label>,
    /// Deleted, and to be had back for a while.
    pub deleted_at: Option<Timestamp>,
    /// Kept whatever the policy says, until somebody lifts it.
    pub legal_hold: bool,
    /// What supervisors wrote about it.
    pub admin_notes: Option<Note>,
    /// What was done in the end.
    pub final_action: Option<Note>,
    /// Who set what last.
    pub edits: Edits,
    /// In order; the message of id n stands at n - 1.
    pub messages: Vec<Arc<Message>>,
    /// How often the caller spoke.
    pub turns: u32,
    /// A supervisor's latest words.
    pub last_admin: Option<MessageId>,
    /// Supervisors' words up to here were spoken to the caller.
    pub heard: Option<MessageId>,
    /// The latest requests that brought words, for redeliveries: token and the caller's message.
    pub requests: VecDeque<(Label, MessageId)>,
    /// The last record that changed it.
    pub last_seq: Seq,
}

/// How many request tokens a call remembers. A provider repeats a request within its 15 s, in
/// which a call has no more turns than this.
pub const REQUESTS_KEPT: usize = 8;

impl Call {
    pub fn conversation_id(&self) -> ConversationId {
        self.id.conversation()
    }

    pub fn is_open(&self) -> bool {
        self.status != CallStatus::Ended
    }

    pub fn next_message_id(&self) -> MessageId {
        MessageId(u32::try_from(self.messages.len() + 1).unwrap_or(u32::MAX))
    }

    /// As published; of a deletion only that it was made, since each side has a time of its own.
    pub fn value_of(&self, field: Field) -> Option<Note> {
        match field {
            Field::AdminId => self.admin_id.as_ref().filter(|_| self.is_held()).map(Note::from),
            Field::Urgency => Note::parse(self.urgency.as_str()).ok(),
            Field::AdminNotes => self.admin_notes.clone(),
            Field::FinalAction => self.final_action.clone(),
            Field::DeletedAt => self.deleted_at.map(|_| Note::deleted()),
        }
    }

    pub fn is_held(&self) -> bool {
        self.status == CallStatus::Takeover
    }

    /// Where the latest answer stood in its card.
    pub fn card(&self) -> Option<&CardStep> {
        self.messages.iter().rev().find(|it| it.role == Role::Assistant)?.card.as_ref()
    }

    /// What supervisors said that the caller has not heard yet.
    pub fn unheard(&self) -> impl Iterator<Item = &Arc<Message>> {
        let from = self.heard.map_or(0, |it| it.0 as usize);
        let to = self.last_admin.map_or(0, |it| it.0 as usize);
        let new = self.messages.get(from..to).unwrap_or_default();
        new.iter().filter(|it| it.role == Role::Admin)
    }

    /// The answer to the message `id`: the first one after it that is not the caller's.
    pub fn answer_to(&self, id: MessageId) -> Option<&Arc<Message>> {
        self.messages.iter().skip(id.0 as usize).find(|it| it.role != Role::User)
    }
}
