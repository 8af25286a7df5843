//! Errors as HTTP: `application/problem+json` (RFC 9457). Nobody else knows both an error and a
//! status code.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use tracing::error;

use super::PLAIN_HEADERS;
use crate::conversation::desk::DeskError;
use crate::conversation::keeping::KeepingError;
use crate::domain::{BadId, BadText};
use crate::erasure::ErasureError;
use crate::journal::JournalError;
use crate::readers::archive::{AskError, SyntaxError};
use crate::readers::live::SubscribeError;
use crate::runs::SpoolError;
use crate::telephony::FormError;

/// What a client is told.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Invalid(String),
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the body did not arrive within {seconds} seconds")]
    TooSlow { seconds: u64 },
    #[error("the content type must be {expected}")]
    ContentType { expected: &'static str },
    #[error("send the token as `Authorization: Bearer TOKEN`, or log in")]
    NoToken,
    #[error("{0}")]
    Forbidden(&'static str),
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("too many requests: try again in {retry_after} s")]
    TooMany { retry_after: u64 },
    #[error(transparent)]
    Desk(#[from] DeskError),
    #[error(transparent)]
    Erasure(#[from] ErasureError),
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    #[error(
        "`{parameter}` is not understood: {source}. A good one: \"gas leak\" OR (smok* NOT drill)"
    )]
    Query { parameter: &'static str, source: SyntaxError },
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("{0} was broken off")]
    Broken(&'static str),
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
}

impl ApiError {
    /// Status, stable code and title. Codes are part of the API: we add them, we do not rename
    /// them.
    fn public(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest(_) => (S::BAD_REQUEST, "bad-request", "The request cannot be read"),
            Self::Invalid(_) | Self::Desk(DeskError::BadText(_)) => {
                (S::UNPROCESSABLE_ENTITY, "invalid-request", "The request is not valid")
            }
            Self::TooLarge { .. } => {
                (S::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large")
            }
            Self::TooSlow { .. } => (S::REQUEST_TIMEOUT, "body-too-slow", "The body is too slow"),
            Self::ContentType { .. } => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Wrong content type")
            }
            Self::NoToken => (S::UNAUTHORIZED, "authentication-required", "Not authenticated"),
            Self::Forbidden(_) => (S::FORBIDDEN, "forbidden", "Not allowed"),
            Self::NotFound("call")
            | Self::Desk(DeskError::NoSuchCall)
            | Self::Erasure(ErasureError::Keeping(KeepingError::NoSuchCall)) => {
                (S::NOT_FOUND, "call-not-found", "No such call")
            }
            Self::NotFound("conversation")
            | Self::Subscribe(SubscribeError::NoSuchConversation) => {
                (S::NOT_FOUND, "conversation-not-found", "No such conversation")
            }
            Self::Desk(DeskError::NoSuchAlert) => {
                (S::NOT_FOUND, "alert-not-found", "No such alert")
            }
            Self::NotFound("conflict") | Self::Desk(DeskError::NoSuchConflict) => {
                (S::NOT_FOUND, "conflict-not-found", "No such conflict")
            }
            Self::NotFound(_) => (S::NOT_FOUND, "not-found", "Not found"),
            Self::TooMany { .. } => (S::TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
            Self::Desk(DeskError::CallEnded) => (S::CONFLICT, "call-ended", "The call has ended"),
            Self::Desk(DeskError::HeldByAnother { .. }) => {
                (S::CONFLICT, "call-held", "Another supervisor holds the call")
            }
            Self::Desk(DeskError::NotHeld) => {
                (S::CONFLICT, "call-not-held", "Nobody holds the call")
            }
            Self::Desk(DeskError::TooManyCalls { .. }) => {
                (S::SERVICE_UNAVAILABLE, "too-many-calls", "Too many open calls")
            }
            Self::Desk(DeskError::CallOpen)
            | Self::Erasure(ErasureError::Keeping(KeepingError::CallOpen(_))) => {
                (S::CONFLICT, "call-open", "The call is not over")
            }
            Self::Desk(DeskError::OnLegalHold)
            | Self::Erasure(ErasureError::Keeping(KeepingError::OnLegalHold(_))) => {
                (S::CONFLICT, "legal-hold", "The call is on legal hold")
            }
            Self::Erasure(ErasureError::Busy | ErasureError::Keeping(KeepingError::MoreCalls)) => {
                (S::CONFLICT, "erasure-under-way", "Something else changes these calls")
            }
            Self::Erasure(
                ErasureError::ArchiveBehind
                | ErasureError::Archive(_)
                | ErasureError::File(_)
                | ErasureError::Broken,
            ) => {
                (S::SERVICE_UNAVAILABLE, "archive-unavailable", "Past calls cannot be changed now")
            }
            Self::Desk(DeskError::Journal(_))
            | Self::Erasure(ErasureError::Keeping(KeepingError::Journal(_))) => {
                (S::SERVICE_UNAVAILABLE, "journal-unwritable", "The change cannot be stored now")
            }
            Self::Subscribe(SubscribeError::TooMany { .. }) => {
                (S::SERVICE_UNAVAILABLE, "too-many-streams", "Too many open streams")
            }
            Self::Query { .. } | Self::Ask(AskError::TooManyWords { .. }) => {
                (S::UNPROCESSABLE_ENTITY, "invalid-query", "The words to search for are not valid")
            }
            Self::Ask(AskError::Cursor(_)) => {
                (S::UNPROCESSABLE_ENTITY, "invalid-cursor", "The cursor is not valid")
            }
            Self::Spool(_) | Self::Broken(_) => {
                (S::SERVICE_UNAVAILABLE, "runs-unavailable", "Runs cannot be taken in now")
            }
            Self::Ask(AskError::Busy) => {
                (S::SERVICE_UNAVAILABLE, "archive-busy", "Too many questions at once")
            }
            Self::Ask(AskError::TooSlow { .. }) => {
                (S::SERVICE_UNAVAILABLE, "question-too-wide", "The question is too wide")
            }
            Self::Ask(AskError::Archive(_)) => {
                (S::SERVICE_UNAVAILABLE, "archive-unreadable", "The archive cannot be read")
            }
        }
    }

    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after } => Some(*retry_after),
            Self::Desk(DeskError::TooManyCalls { .. } | DeskError::Journal(_)) => Some(5),
            Self::Erasure(_) if self.public().0 == StatusCode::SERVICE_UNAVAILABLE => Some(5),
            Self::Subscribe(SubscribeError::TooMany { .. }) => Some(10),
            Self::Ask(AskError::Busy) => Some(1),
            Self::Ask(AskError::Archive(_)) => Some(10),
            _ => None,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.public().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code, title) = self.public();
        if let Self::Desk(DeskError::Journal(err)) = self
            && !matches!(err, JournalError::Unwritable)
        {
            error!(error = %err, "A change could not be stored.");
        }
        if let Self::Ask(AskError::Archive(err)) = self {
            error!(error = %err, "The archive could not be read.");
        }
        if let Self::Erasure(err) = self
            && status == StatusCode::SERVICE_UNAVAILABLE
        {
            error!(error = %err, "A past call could not be changed.");
        }
        let mut response = HttpResponse::build(status);
        for header in PLAIN_HEADERS {
            response.insert_header(header);
        }
        response.content_type("application/problem+json");
        if let Some(seconds) = self.retry_after() {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(Problem {
            r#type: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            detail: self.to_string(),
        })
    }
}

impl From<FormError> for ApiError {
    fn from(err: FormError) -> Self {
        Self::Invalid(err.to_string())
    }
}

impl From<BadText> for ApiError {
    fn from(err: BadText) -> Self {
        Self::Invalid(format!("the text {err}"))
    }
}

impl From<BadId> for ApiError {
    fn from(_: BadId) -> Self {
        Self::NotFound("call")
    }
}
