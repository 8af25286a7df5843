//! One request to the database; what its answer means is in `answer.rs`.
//!
//! # Promises
//! - A token that ran out is renewed and the request made once more; redirects within the service
//!   take the token along, others are not followed.
//! - No answer is read beyond [`MAX_BODY_BYTES`].
//! - Every byte is counted by the [`Meter`], also of a try that failed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
    LOCATION,
};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode};
use url::Url;

pub use super::answer::{Ack, Etag, Found, Put, WriteError};
use super::answer::{no_answer, no_token, refusal, server_time};
use super::auth::{Pass, TokenSource};
use super::credentials::{Credentials, CredentialsError};
use super::meter::Meter;
use super::target::Target;

/// Longest answer that is read.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;
/// How much of an error's text is read.
const MAX_ERROR_BYTES: usize = 4096;
/// Less than the time after which servers and routers drop an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// In place of the time limit of a request, for one that lasts.
const NO_END: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a [`Client`] needs to know.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    pub target: Target,
    /// One for all clients that are made of this or a copy.
    pub tokens: Arc<TokenSource>,
    /// Default 5 s.
    pub connect_timeout: Duration,
    /// For one request, connecting included. Default 30 s.
    pub total_timeout: Duration,
}

impl ClientSettings {
    /// The emulator takes its own credentials only.
    pub fn new(target: Target, credentials: Credentials) -> Self {
        let credentials = if target.is_emulator() { Credentials::Emulator } else { credentials };
        Self {
            target,
            tokens: Arc::new(TokenSource::new(credentials)),
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

/// Sends to one database over one kept-alive connection.
///
/// Paths are keys as [`super::escape`] gives them, parted by `/`, without one at the beginning; the
/// empty path is the root.
pub struct Client {
    http: reqwest::Client,
    target: Target,
    tokens: Arc<TokenSource>,
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
    /// # Errors
    /// [`ClientError::Credentials`]: the key is none; so a wrong one stops the start.
    pub fn new(settings: ClientSettings, meter: Arc<Meter>) -> Result<Self, ClientError> {
        settings.tokens.check()?;
        // An error says that a provider is already there, which is all we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
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
            tokens: settings.tokens,
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
    /// [`Meter::received`], and sees to its end: it has no time limit of its own. With the token that
    /// it was opened with, which may be revoked meanwhile.
    pub async fn stream(
        &mut self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(Response, Pass), WriteError> {
        let headers = [(ACCEPT, HeaderValue::from_static("text/event-stream"))];
        let mut ask = Ask::new(Method::GET, self.target.url(path, query), &headers, None);
        ask.has_no_end = true;
        let (response, header) = self.ask_with_token(ask).await?;
        Ok((response, Pass { tokens: Arc::clone(&self.tokens), header }))
    }

    /// An answer that is a success or 412. On 401 or 403 it renews the token and tries once more.
    async fn ask(&self, ask: Ask<'_>) -> Result<Response, WriteError> {
        Ok(self.ask_with_token(ask).await?.0)
    }

    async fn ask_with_token(&self, ask: Ask<'_>) -> Result<(Response, HeaderValue), WriteError> {
        let mut token = self.tokens.header().await.map_err(no_token)?;
        let mut done = self.ask_once(&token, &ask).await;
        if matches!(done, Err(WriteError::Credentials { .. })) && self.tokens.forget(&token).await {
            token = self.tokens.header().await.map_err(no_token)?;
            done = self.ask_once(&token, &ask).await;
        }
        Ok((done?, token))
    }

    async fn ask_once(&self, token: &HeaderValue, ask: &Ask<'_>) -> Result<Response, WriteError> {
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
                status => {
                    let headers = answer.headers().clone();
                    let (bytes, _) = self.body(answer, MAX_ERROR_BYTES).await.unwrap_or_default();
                    return Err(refusal(status, &headers, &bytes));
                }
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
}
