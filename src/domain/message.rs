//! One thing that was said in a conversation.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CardStep, Label, MessageId, Source, Timestamp};

/// Who said it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The caller.
    User,
    /// Aurora: a card, the model or the fixed sentence.
    Assistant,
    /// A supervisor.
    Admin,
    /// A notice of the server's own, such as "a supervisor is on the line".
    System,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }
}

/// What answered a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// An offline protocol.
    Card,
    Model,
    /// The one fixed safe sentence.
    Fallback,
    /// The person who holds the call.
    Supervisor,
}

impl AnsweredBy {
    pub const ALL: [Self; 4] = [Self::Card, Self::Model, Self::Fallback, Self::Supervisor];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Model => "model",
            Self::Fallback => "fallback",
            Self::Supervisor => "supervisor",
        }
    }
}

/// A message as the state keeps it. Shared, never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: MessageId,
    pub role: Role,
    pub content: Arc<str>,
    pub timestamp: Timestamp,
    /// What an answer rests on, such as `Fire card`; several are joined by `, `; empty for people.
    pub sources: Arc<str>,
    pub answered_by: Option<AnsweredBy>,
    /// Which step of which card this is.
    pub card: Option<CardStep>,
    /// Whose words these are, of a supervisor's.
    pub by: Option<Label>,
    /// Its key in the Realtime Database, if it was written there first.
    pub remote_key: Option<Label>,
}

impl Message {
    /// Where it was written down first.
    pub fn source(&self) -> Source {
        if self.remote_key.is_some() { Source::Firebase } else { Source::Aurora }
    }
}
