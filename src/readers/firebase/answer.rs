//! What the database answered, by what has to happen next.
//!
//! The one idea: whoever sends does not look at statuses and broken connections, only at whether to
//! wait, to have somebody act, or to set the data aside.

use std::error::Error;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use serde_json::Value;

use super::auth::AuthError;
use crate::domain::Timestamp;

/// How much of an error's text is kept.
const MAX_REASON_CHARS: usize = 200;

/// The write is in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    pub took: Duration,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// `null` if nothing is there.
    pub value: Value,
    /// Names exactly this value in [`super::Client::put_if`].
    pub etag: Option<Etag>,
    /// The service's clock, to the second, when it answered.
    pub server_time: Option<Timestamp>,
    pub took: Duration,
}

/// Names a value of a node, as the database gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(pub(super) HeaderValue);

impl Etag {
    /// Of a node where nothing is.
    pub fn of_nothing() -> Self {
        Self(HeaderValue::from_static("null_etag"))
    }
}

/// What became of [`super::Client::put_if`].
#[derive(Debug, Clone, PartialEq)]
pub enum Put {
    /// It is in the database.
    Done(Ack),
    /// Nothing was written: this is there, and not what was named. After an answer that was lost it
    /// may be what we wrote ourselves.
    Changed(Found),
}

/// Why a request is not known to have done what it was to do, by what has to happen next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Wait and send again. `may_be_done`: it may have been applied, and the answer was lost.
    #[error("{reason}")]
    Temporary { reason: String, retry_after: Option<Duration>, may_be_done: bool },
    /// Token or rules, even with a new token. Wait until somebody has put it right.
    #[error("{reason}")]
    Credentials { reason: String },
    /// No such database, or an answer that is none of a database. Wait, as above.
    #[error("{reason}")]
    Misconfigured { reason: String },
    /// The data itself (400, 413): sending it again gives the same answer.
    #[error("{status}: {reason}")]
    Refused { status: u16, reason: String },
    /// What is there can't be taken: larger than [`super::MAX_BODY_BYTES`], or no JSON. Asking again gives
    /// the same.
    #[error("{reason}")]
    Unreadable { reason: String },
}

impl WriteError {
    /// Whether it may be in the database all the same.
    pub(super) fn may_be_done(&self) -> bool {
        matches!(self, Self::Temporary { may_be_done: true, .. })
    }
}

/// The class of an answer that is no success; `body` is how it begins.
///
/// Source: Firebase, "Database REST API: Error Conditions", read 2026-11-20.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> WriteError {
    let retry_after = headers.get(RETRY_AFTER);
    let retry_after =
        retry_after.and_then(|it| it.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
    let said = error_text(body);
    let reason = format!("{}: {said}", status.as_u16());
    match status.as_u16() {
        400 | 413 => WriteError::Refused { status: status.as_u16(), reason: said },
        401 | 403 => WriteError::Credentials { reason },
        429 => WriteError::Temporary { reason, retry_after, may_be_done: false },
        408 | 425 | 500.. => WriteError::Temporary { reason, retry_after, may_be_done: true },
        _ => WriteError::Misconfigured { reason },
    }
}

pub(super) fn server_time(date: &HeaderValue) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date.as_bytes()).ok()?;
    Some(Timestamp::from_millis(date.as_millisecond()))
}

pub(super) fn no_token(err: AuthError) -> WriteError {
    let reason = err.to_string();
    match err {
        AuthError::Unreachable | AuthError::TooSlow => {
            WriteError::Temporary { reason, retry_after: None, may_be_done: false }
        }
        AuthError::Credentials(_) | AuthError::Refused(_) => WriteError::Credentials { reason },
    }
}

pub(super) fn no_answer(err: reqwest::Error) -> WriteError {
    let err = err.without_url();
    // Without a connection nothing was sent.
    let may_be_done = !err.is_connect();
    let mut reason = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        reason = format!("{reason}: {err}");
        cause = err.source();
    }
    WriteError::Temporary { reason: shortened(&reason), retry_after: None, may_be_done }
}

fn error_text(bytes: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(bytes).ok();
    let told = json.as_ref().and_then(|it| it["error"].as_str());
    // An edge may answer with a whole page of HTML, which tells nobody anything.
    shortened(told.unwrap_or("no reason given"))
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_the_clock_of_the_service() {
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");

        assert_eq!(server_time(&date), Some(Timestamp::from_millis(784_111_777_000)));
        assert_eq!(server_time(&HeaderValue::from_static("tomorrow")), None);
    }
}
