//! A question to the model and its answer, in the words of a call.

use std::sync::Arc;

use crate::domain::Urgency;

/// Who said something earlier in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    Caller,
    Assistant,
    Supervisor,
}

/// One earlier message of the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    pub role: Speaker,
    pub text: String,
}

/// One turn: what was said so far, and what the caller says now.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Oldest first, without [`Ask::speech`].
    pub history: Vec<Spoken>,
    pub speech: String,
    /// What the rules found; the answer is never below it.
    pub floor: Urgency,
    /// The site's facts as text. Only what stands here, or what the caller said, may be named.
    pub site_prompt: Arc<str>,
    /// The caller's language (BCP 47), when it is known.
    pub language: Option<String>,
}

/// Words that may be spoken as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelAnswer {
    /// Whole sentences without markup, at most [`super::MAX_SPOKEN_CHARS`] characters.
    pub text: String,
    /// At least the floor.
    pub urgency: Urgency,
    /// Parts of the site's facts that the model named as its source; each occurs there.
    pub sources: Vec<String>,
}
