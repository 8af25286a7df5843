//! What goes into the desk and what comes out of it.

use std::sync::Arc;

use crate::domain::{AnsweredBy, BadText, CallId, Label, Medium, PhoneNumber, Urgency, Utterance};
use crate::journal::JournalError;

/// Who calls. With a `CallSid` that names the call; without one the number does.
#[derive(Debug, Clone)]
pub struct Caller {
    pub number: PhoneNumber,
    pub call_sid: Option<Label>,
    pub medium: Medium,
    pub language: Option<Label>,
}

/// One thing that a caller said, as a request brought it.
#[derive(Debug, Clone)]
pub struct Turn {
    pub caller: Caller,
    pub utterance: Utterance,
    /// How sure the recognition was, 0 to 1.
    pub confidence: Option<f32>,
    /// It was keys, not speech.
    pub is_keypad: bool,
    pub request: Request,
}

/// How a request is recognised when it is delivered again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Request {
    /// The provider's idempotency token: the same for ever.
    Token(Label),
    /// A webhook without a token, by a hash of its body: the same for
    /// [`super::redelivery::GRACE`].
    Body(u64),
    /// The JSON API: the same words of the same call, only while the first is being answered.
    Words,
}

/// What the caller hears.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Absent only if not even memory could take the call.
    pub call_id: Option<CallId>,
    pub caller: PhoneNumber,
    pub text: Arc<str>,
    pub urgency: Urgency,
    /// What it rests on; empty if on nothing.
    pub sources: Arc<str>,
    pub answered_by: AnsweredBy,
    /// Both messages are on disk.
    pub durable: bool,
    pub next: Next,
}

/// What the line does after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Listens to the caller.
    Listen,
    /// Listens briefly and asks again, so that a supervisor's words come through soon.
    Poll,
    HangUp,
}

/// Why the desk did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error("there is no such call")]
    NoSuchCall,
    #[error("the call has ended")]
    CallEnded,
    #[error("the call goes on: end it first")]
    CallOpen,
    #[error("the call is on legal hold: lift it first")]
    OnLegalHold,
    #[error("{holder} holds the call")]
    HeldByAnother { holder: Label },
    #[error("nobody holds the call: take it over first")]
    NotHeld,
    #[error("there is no such alert, or it was acknowledged already")]
    NoSuchAlert,
    #[error("there is no such conflict, or it was settled already")]
    NoSuchConflict,
    #[error("there are {open} open calls, as many as this server accepts")]
    TooManyCalls { open: usize },
    #[error("the text {0}")]
    BadText(#[from] BadText),
    #[error(transparent)]
    Journal(#[from] JournalError),
}
