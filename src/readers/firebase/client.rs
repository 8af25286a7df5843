//! One request to the database, and what its answer means for the next one.

mod read;

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use tracing::warn;
use url::Url;

use super::auth::{AuthError, TokenSource};
use super::credentials::{Credentials, CredentialsError};
use super::target::Target;

/// Redirects followed for one request.
const MAX_REDIRECTS: usize = 5;
/// How much of an error's text is read, and how much of it is kept.
const MAX_ERROR_BYTES: usize = 4096;
const MAX_REASON_CHARS: usize = 200;
/// Less than the time after which servers and routers drop an idle connection.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

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

/// Why a write is not known to be in the database, by what has to happen next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Wait and send again. It may have been applied: sending twice is harmless.
    #[error("{reason}")]
    Temporary { reason: String, retry_after: Option<Duration> },
    /// Token or rules, even with a new token. Wait until somebody has put it right.
    #[error("{reason}")]
    Credentials { reason: String },
    /// No such database, or an answer that is none of a database. Wait, as above.
    #[error("{reason}")]
    Misconfigured { reason: String },
    /// The data itself (400, 413): sending it again gives the same answer.
    #[error("{status}: {reason}")]
    Refused { status: u16, reason: String },
}

/// Sends to one database over one kept-alive connection.
pub struct Client {
    http: reqwest::Client,
    target: Target,
    tokens: TokenSource,
}

impl Client {
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
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
        })
    }

    /// Writes a multi-path update to the root. On 401 or 403 it renews the token and tries once more.
    pub async fn patch(&mut self, body: Bytes) -> Result<Ack, WriteError> {
        let start = Instant::now();
        let mut done = self.patch_once(&body).await;
        if matches!(done, Err(WriteError::Credentials { .. })) && self.tokens.forget() {
            done = self.patch_once(&body).await;
        }
        done.map(|()| Ack { took: start.elapsed() })
    }

    async fn patch_once(&mut self, body: &Bytes) -> Result<(), WriteError> {
        let token = self.tokens.header().await.map_err(no_token)?;
        let mut url = self.target.root();
        for _ in 0..=MAX_REDIRECTS {
            let request = self
                .http
                .patch(url.clone())
                .header(AUTHORIZATION, token.clone())
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
            let answer = request.send().await.map_err(no_answer)?;
            match answer.status() {
                StatusCode::NO_CONTENT | StatusCode::OK => return Ok(()),
                StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                    url = self.redirected(&url, &answer)?;
                }
                status => return Err(refusal(status, answer).await),
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
}

fn no_token(err: AuthError) -> WriteError {
    let reason = err.to_string();
    match err {
        AuthError::Unreachable | AuthError::TooSlow => {
            WriteError::Temporary { reason, retry_after: None }
        }
        AuthError::Credentials(_) | AuthError::Refused(_) => WriteError::Credentials { reason },
    }
}

fn no_answer(err: reqwest::Error) -> WriteError {
    let err = err.without_url();
    let mut reason = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        reason = format!("{reason}: {err}");
        cause = err.source();
    }
    WriteError::Temporary { reason: shortened(&reason), retry_after: None }
}

/// The class of an answer that is no success.
///
/// Source: Firebase, "Database REST API: Error Conditions", read 2026-11-20.
async fn refusal(status: StatusCode, answer: Response) -> WriteError {
    let retry_after = answer.headers().get(RETRY_AFTER);
    let retry_after =
        retry_after.and_then(|it| it.to_str().ok()?.trim().parse().ok()).map(Duration::from_secs);
    let said = error_text(answer).await;
    let reason = format!("{}: {said}", status.as_u16());
    match status.as_u16() {
        400 | 413 => WriteError::Refused { status: status.as_u16(), reason: said },
        401 | 403 => WriteError::Credentials { reason },
        408 | 425 | 429 | 500.. => WriteError::Temporary { reason, retry_after },
        _ => WriteError::Misconfigured { reason },
    }
}

async fn error_text(mut answer: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= MAX_ERROR_BYTES {
            break;
        }
    }
    let json: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
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

        let client = Client::new(ClientSettings::new(target, Credentials::Metadata));

        assert!(client.is_ok());
    }
}
