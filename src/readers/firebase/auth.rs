//! Access tokens: cached, renewed when they run out or were refused.
//!
//! The one idea: all who talk with the database share one token, and a renewal too. Who was refused
//! says with which token, so that of many who are refused at once only the first has another one
//! fetched.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gcp_auth::{CustomServiceAccount, MetadataServiceAccount, Token, TokenProvider};
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::credentials::{Credentials, CredentialsError};

/// The Realtime Database wants both.
/// Source: Firebase, "Authenticate REST Requests", read 2026-11-20.
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/firebase.database",
    "https://www.googleapis.com/auth/userinfo.email",
];

/// Longest time for one token, with the library's own retries.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no token. Messages hold nothing of the token, the assertion or the key.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("the token endpoint can't be reached")]
    Unreachable,
    #[error("no token within {} s", TOKEN_TIMEOUT.as_secs())]
    TooSlow,
    #[error("no access token: {0}; make sure that the service account and its key are still valid")]
    Refused(&'static str),
}

/// Gives the `Authorization` header: one token for all who talk with the database.
#[derive(Debug)]
pub struct TokenSource {
    credentials: Credentials,
    /// Locked while a token is fetched: whoever comes meanwhile waits for that one.
    held: Mutex<Option<Held>>,
}

struct Held {
    token: Arc<Token>,
    header: HeaderValue,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held(..)")
    }
}

impl TokenSource {
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, held: Mutex::default() }
    }

    /// # Errors
    /// The key is none.
    pub(super) fn check(&self) -> Result<(), CredentialsError> {
        self.credentials.key_json().map(drop)
    }

    /// `Bearer <token>`, marked as sensitive.
    pub(super) async fn header(&self) -> Result<HeaderValue, AuthError> {
        if matches!(self.credentials, Credentials::Emulator) {
            return bearer("owner");
        }
        timeout(TOKEN_TIMEOUT, self.held_or_fetched()).await.unwrap_or(Err(AuthError::TooSlow))
    }

    /// Lets go of a token that was `refused`, unless somebody did before: the next
    /// [`TokenSource::header`] reads the key again and fetches one.
    ///
    /// Returns whether there may be another one.
    pub(super) async fn forget(&self, refused: &HeaderValue) -> bool {
        if matches!(self.credentials, Credentials::Emulator) {
            return false;
        }
        self.held.lock().await.take_if(|it| it.header == *refused);
        true
    }

    async fn held_or_fetched(&self) -> Result<HeaderValue, AuthError> {
        let mut held = self.held.lock().await;
        if let Some(it) = held.as_ref().filter(|it| !it.token.has_expired()) {
            return Ok(it.header.clone());
        }
        let token = self.fetch().await?;
        let header = bearer(token.as_str())?;
        *held = Some(Held { token, header: header.clone() });
        Ok(header)
    }

    /// By a connection of its own: one that is kept would belong to the thread that opened it.
    async fn fetch(&self) -> Result<Arc<Token>, AuthError> {
        let provider: Box<dyn TokenProvider> = match self.credentials.key_json()? {
            Some(json) => Box::new(CustomServiceAccount::from_json(&json).map_err(told)?),
            None => Box::new(MetadataServiceAccount::new().await.map_err(told)?),
        };
        provider.token(&SCOPES).await.map_err(told)
    }
}

/// The token that something was opened with.
#[derive(Debug)]
pub struct Pass {
    pub(super) tokens: Arc<TokenSource>,
    pub(super) header: HeaderValue,
}

impl Pass {
    /// It is no longer accepted: whoever asks next has another one.
    pub async fn refused(&self) {
        self.tokens.forget(&self.header).await;
    }
}

fn bearer(token: &str) -> Result<HeaderValue, AuthError> {
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| AuthError::Refused("the token is not a header value"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The library's own fixed words; never its cause, which may quote what it could not parse.
fn told(err: gcp_auth::Error) -> AuthError {
    match err {
        gcp_auth::Error::Other("HTTP request failed", _) | gcp_auth::Error::Http(..) => {
            AuthError::Unreachable
        }
        gcp_auth::Error::Io(words, _)
        | gcp_auth::Error::Json(words, _)
        | gcp_auth::Error::Other(words, _)
        | gcp_auth::Error::Str(words) => AuthError::Refused(words),
        gcp_auth::Error::NoAuthMethod(..) => AuthError::Refused("no credentials found"),
    }
}
