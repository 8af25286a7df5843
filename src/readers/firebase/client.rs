//! One request to the database, and what its answer means for the next one.
//!
//! # Promises
//! - A token that ran out is renewed and the request made once more; redirects within the service
//!   take the token along, others are not followed.
//! - No answer is read beyond [`MAX_BODY_BYTES`].
//! - Every byte is counted by the [`Meter`], also of a try that failed.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    LOCATION, RETRY_AFTER,
};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tracing::warn;
use url::Url;

use super::auth::{AuthError, TokenSource};
use super::credentials::{Credentials, CredentialsError};
use super::meter::Meter;
use super::target::Target;
use crate::domain::Timestamp;

/// Longest answer that is read.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;
/// How much of an error's text is read, and how much of it is kept.
const MAX_ERROR_BYTES: usize = 4096;
const MAX_REASON_CHARS: usize = 200;
/// Less than the time after which servers and routers drop an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// In place of the time limit of a request, for one that lasts.
const NO_END: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a [`Client`] needs to know.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    pub target: Target,
    /// Ignored for the emulator, which takes its own only.
    pub credentials: Credentials,
    /// Default 5 s.
    pub connect_timeout: Duration,
    /// For one request, connecting included. Default 30 s.
    pub total_timeout: Duration,
}

impl ClientSettings {
    pub fn new(target: Target, credentials: Credentials) -> Self {
        Self {
            target,
            credentials,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the HTTP client can't be made")]
    Http(#[source] reqwest::Error),
}

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
    /// Names exactly this value in [`Client::put_if`].
    pub etag: Option<Etag>,
    /// The service's clock, to the second, when it answered.
    pub server_time: Option<Timestamp>,
    pub took: Duration,
}

/// Names a value of a node, as the database gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(HeaderValue);

impl Etag {
    /// Of a node where nothing is.
    pub fn of_nothing() -> Self {
        Self(HeaderValue::from_static("null_etag"))
    }
}

/// What became of [`Client::put_if`].
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
    /// What is there can't be taken: larger than [`MAX_BODY_BYTES`], or no JSON. Asking again gives
    /// the same.
    #[error("{reason}")]
    Unreadable { reason: String },
}

/// Sends to one database over one kept-alive connection.
///
/// Paths are keys as [`super::escape`] gives them, parted by `/`, without one at the beginning; the
/// empty path is the root.
pub struct Client {
    http: reqwest::Client,
    target: Target,
    tokens: TokenSource,
    meter: Arc<Meter>,
}

/// A request that can be made again.
struct Ask<'a> {
    method: Method,
    url: Url,
    headers: &'a [(HeaderName, HeaderValue)],
    body: Option<&'a Bytes>,
    /// For a stream: it lasts.
    has_no_end: bool,
}

/// Wants the tag of what is read.
const X_FIREBASE_ETAG: HeaderName = HeaderName::from_static("x-firebase-etag");

impl Client {
    pub fn new(settings: ClientSettings, meter: Arc<Meter>) -> Result<Self, ClientError> {
        // An error says that a provider is already there, which is all we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let credentials = if settings.target.is_emulator() {
            if matches!(settings.credentials, Credentials::KeyFile(_) | Credentials::KeyJson(_)) {
                warn!("Mirroring to the Firebase emulator: the service account is not used.");
            }
            Credentials::Emulator
        } else {
            settings.credentials
        };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.total_timeout)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(1)
            .redirect(Policy::none()); // Followed here, because the token has to come along.
        if settings.target.is_local() {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build().map_err(ClientError::Http)?,
            target: settings.target,
            tokens: TokenSource::open(credentials)?,
            meter,
        })
    }

    /// Writes a multi-path update to the root.
    pub async fn patch(&mut self, body: Bytes) -> Result<Ack, WriteError> {
        let start = Instant::now();
        let headers = [json_body()];
        let url = self.target.url("", &[("print", "silent")]);
        let ask = Ask::new(Method::PATCH, url, &headers, Some(&body));
        let answer = self.ask(ask).await?;
        self.drain(answer).await;
        Ok(Ack { took: start.elapsed() })
    }

    /// Reads what is at `path`, with its [`Etag`] unless `query` narrows it (`shallow`, `orderBy`).
    pub async fn get(&mut self, path: &str, query: &[(&str, &str)]) -> Result<Found, WriteError> {
        let start = Instant::now();
        let headers = [(X_FIREBASE_ETAG, HeaderValue::from_static("true"))];
        let wanted = if query.is_empty() { &headers[..] } else { &[] };
        let ask = Ask::new(Method::GET, self.target.url(path, query), wanted, None);
        let answer = self.ask(ask).await?;
        self.found(answer, start).await
    }

    /// Puts `body` in place of what is at `path`, if that is still what `etag` names.
    pub async fn put_if(
        &mut self,
        path: &str,
        etag: &Etag,
        body: Bytes,
    ) -> Result<Put, WriteError> {
        let start = Instant::now();
        let headers = [json_body(), (IF_MATCH, etag.0.clone())];
        let url = self.target.url(path, &[("print", "silent")]);
        let ask = Ask::new(Method::PUT, url, &headers, Some(&body));
        let answer = self.ask(ask).await?;
        if answer.status() == StatusCode::PRECONDITION_FAILED {
            return Ok(Put::Changed(self.found(answer, start).await?));
        }
        self.drain(answer).await;
        Ok(Put::Done(Ack { took: start.elapsed() }))
    }

    /// Opens a stream of what is at `path`; whoever reads it counts its bytes with
    /// [`Meter::received`], and sees to its end: it has no time limit of its own.
    pub async fn stream(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Response, WriteError> {
        let headers = [(ACCEPT, HeaderValue::from_static("text/event-stream"))];
        let mut ask = Ask::new(Method::GET, self.target.url(path, query), &headers, None);
        ask.has_no_end = true;
        self.ask(ask).await
    }

    /// Lets go of a token that is no longer accepted: the next request fetches another one.
    pub fn renew(&mut self) {
        self.tokens.forget();
    }

    /// An answer that is a success or 412. On 401 or 403 it renews the token and tries once more.
    async fn ask(&mut self, ask: Ask<'_>) -> Result<Response, WriteError> {
        let done = self.ask_once(&ask).await;
        if matches!(done, Err(WriteError::Credentials { .. })) && self.tokens.forget() {
            return self.ask_once(&ask).await;
        }
        done
    }

    async fn ask_once(&mut self, ask: &Ask<'_>) -> Result<Response, WriteError> {
        let token = self.tokens.header().await.map_err(no_token)?;
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let request = ask.request(&self.http, url.clone(), token.clone());
            let request = request.build().map_err(no_answer)?;
            let n_body = ask.body.map_or(0, Bytes::len);
            self.meter.asked(head_bytes(request.headers()) + size(url.as_str().len() + n_body));
            let answer = self.http.execute(request).await.map_err(no_answer)?;
            self.meter.received(head_bytes(answer.headers()));
            match answer.status() {
                StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::PRECONDITION_FAILED => {
                    return Ok(answer);
                }
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = self.redirected(&url, &answer)?;
                    self.drain(answer).await;
                }
                status => return Err(self.refusal(status, answer).await),
            }
        }
        Err(WriteError::Misconfigured { reason: format!("more than {MAX_REDIRECTS} redirects") })
    }

    fn redirected(&self, from: &Url, answer: &Response) -> Result<Url, WriteError> {
        let location = answer.headers().get(LOCATION);
        location
            .and_then(|it| from.join(it.to_str().ok()?).ok())
            .filter(|it| self.target.trusts(it))
            .ok_or_else(|| WriteError::Misconfigured {
                reason: "the database redirects to a place that must not get the token".to_owned(),
            })
    }

    async fn found(&self, answer: Response, start: Instant) -> Result<Found, WriteError> {
        let etag = answer.headers().get(ETAG).cloned().map(Etag);
        let server_time = answer.headers().get(DATE).and_then(server_time);
        let (bytes, is_whole) = self.body(answer, MAX_BODY_BYTES).await?;
        if !is_whole {
            let reason = format!("what is there is larger than {MAX_BODY_BYTES} bytes");
            return Err(WriteError::Unreadable { reason });
        }
        let value = serde_json::from_slice(&bytes).map_err(|_| WriteError::Unreadable {
            reason: "the answer of the database is no JSON".to_owned(),
        })?;
        self.meter.paths(1);
        Ok(Found { value, etag, server_time, took: start.elapsed() })
    }

    /// The first bytes of an answer, at most `max_bytes`, and whether that is all.
    async fn body(
        &self,
        mut answer: Response,
        max_bytes: usize,
    ) -> Result<(Vec<u8>, bool), WriteError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
            self.meter.received(size(chunk.len()));
            let rest = max_bytes - bytes.len();
            if chunk.len() > rest {
                bytes.extend_from_slice(&chunk[..rest]);
                return Ok((bytes, false));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes, true))
    }

    /// Reads to the end, so that the connection can be used again; what it says does not matter.
    async fn drain(&self, answer: Response) {
        let _ = self.body(answer, MAX_ERROR_BYTES).await;
    }

    /// The class of an answer that is no success.
    ///
    /// Source: Firebase, "Database REST API: Error Conditions", read 2026-11-20.
    async fn refusal(&self, status: StatusCode, answer: Response) -> WriteError {
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after
            .and_then(|it| it.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        let (bytes, _) = self.body(answer, MAX_ERROR_BYTES).await.unwrap_or_default();
        let said = error_text(&bytes);
        let reason = format!("{}: {said}", status.as_u16());
        match status.as_u16() {
            400 | 413 => WriteError::Refused { status: status.as_u16(), reason: said },
            401 | 403 => WriteError::Credentials { reason },
            429 => WriteError::Temporary { reason, retry_after, may_be_done: false },
            408 | 425 | 500.. => WriteError::Temporary { reason, retry_after, may_be_done: true },
            _ => WriteError::Misconfigured { reason },
        }
    }
}

impl<'a> Ask<'a> {
    fn new(
        method: Method,
        url: Url,
        headers: &'a [(HeaderName, HeaderValue)],
        body: Option<&'a Bytes>,
    ) -> Self {
        Self { method, url, headers, body, has_no_end: false }
    }

    fn request(
        &self,
        http: &reqwest::Client,
        url: Url,
        token: HeaderValue,
    ) -> reqwest::RequestBuilder {
        let mut request = http.request(self.method.clone(), url).header(AUTHORIZATION, token);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if self.has_no_end {
            request = request.timeout(NO_END);
        }
        match self.body {
            Some(body) => request.body(body.clone()),
            None => request,
        }
    }
}

fn json_body() -> (HeaderName, HeaderValue) {
    (CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

/// The lines of a head: names, values, and what stands between them; a line more for the first.
fn head_bytes(headers: &HeaderMap) -> u64 {
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    size(lines.sum::<usize>() + 32)
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn server_time(date: &HeaderValue) -> Option<Timestamp> {
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date.as_bytes()).ok()?;
    Some(Timestamp::from_millis(date.as_millisecond()))
}

fn no_token(err: AuthError) -> WriteError {
    let reason = err.to_string();
    match err {
        AuthError::Unreachable | AuthError::TooSlow => {
            WriteError::Temporary { reason, retry_after: None, may_be_done: false }
        }
        AuthError::Credentials(_) | AuthError::Refused(_) => WriteError::Credentials { reason },
    }
}

fn no_answer(err: reqwest::Error) -> WriteError {
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
    fn a_client_for_the_service_itself_can_be_made() {
        let url = "https://site-default-rtdb.firebaseio.com".parse().expect("a URL");
        let target = Target::database(&url).expect("a database");

        let client =
            Client::new(ClientSettings::new(target, Credentials::Metadata), Arc::default());

        assert!(client.is_ok());
    }

    #[test]
    fn the_date_of_an_answer_is_the_clock_of_the_service() {
        let date = HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT");

        assert_eq!(server_time(&date), Some(Timestamp::from_millis(784_111_777_000)));
        assert_eq!(server_time(&HeaderValue::from_static("tomorrow")), None);
    }
}
