//! Reading a request's body: bounded in size and in time.

use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// API.md: a body over 16 KiB is 413.
pub const LIMIT: usize = 16 * 1024;
/// A phone provider gives up after 15 s in all; no honest client needs this long for 16 KiB.
const PATIENCE: Duration = Duration::from_secs(10);

/// The whole body.
///
/// # Errors
/// [`ApiError::TooLarge`], [`ApiError::TooSlow`], or [`ApiError::BadRequest`] if it breaks off.
pub async fn read(
    headers: &HeaderMap,
    mut payload: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin,
) -> Result<Bytes, ApiError> {
    let too_large = || ApiError::TooLarge { limit: LIMIT };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse::<u64>().ok());
    if announced.is_some_and(|it| it > LIMIT as u64) {
        return Err(too_large());
    }
    let read = async {
        let broken = |_| ApiError::BadRequest("the body broke off".to_owned());
        // Nearly always it is one piece, and is not copied.
        let Some(first) = payload.next().await else { return Ok(Bytes::new()) };
        let first = first.map_err(broken)?;
        let Some(second) = payload.next().await else { return Ok(first) };
        let mut whole = BytesMut::from(&*first);
        whole.extend_from_slice(&second.map_err(broken)?);
        while let Some(piece) = payload.next().await {
            whole.extend_from_slice(&piece.map_err(broken)?);
            if whole.len() > LIMIT {
                return Err(too_large());
            }
        }
        Ok(whole.freeze())
    };
    let body = tokio::time::timeout(PATIENCE, read)
        .await
        .map_err(|_| ApiError::TooSlow { seconds: PATIENCE.as_secs() })??;
    if body.len() > LIMIT { Err(too_large()) } else { Ok(body) }
}

/// Whether the request says that its body is of that type, parameters aside.
pub fn is_type(headers: &HeaderMap, essence: &str) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.split(';').next())
        .is_some_and(|it| it.trim().eq_ignore_ascii_case(essence))
}

/// Reads JSON: 415 for another type, 400 for what is not JSON, 422 for the wrong fields.
///
/// # Errors
/// As said, with what is wrong and where; never with the content.
pub fn json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, ApiError> {
    if !is_type(headers, "application/json") {
        return Err(ApiError::ContentType { expected: "application/json" });
    }
    serde_json::from_slice(body).map_err(|err| {
        let at = format!("line {} column {}", err.line(), err.column());
        match err.classify() {
            serde_json::error::Category::Data => {
                ApiError::Invalid(format!("{} at {at}", without_values(&err)))
            }
            _ => ApiError::BadRequest(format!("the body is not JSON: see {at}")),
        }
    })
}

/// `serde_json` names the wrong value in places; it may be what a caller said.
fn without_values(err: &serde_json::Error) -> String {
    let text = err.to_string();
    if text.starts_with("missing field") || text.starts_with("unknown field") {
        text.split(" at line").next().unwrap_or_default().to_owned()
    } else {
        "a field has the wrong type or value".to_owned()
    }
}
