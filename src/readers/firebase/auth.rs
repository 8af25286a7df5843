//! Access tokens: cached, renewed when they run out or on demand.

use std::time::Duration;

use gcp_auth::{CustomServiceAccount, MetadataServiceAccount, TokenProvider};
use reqwest::header::HeaderValue;
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

/// Gives the `Authorization` header.
pub struct TokenSource {
    credentials: Credentials,
    /// Keeps the token it fetched; made anew to force another one.
    provider: Option<Box<dyn TokenProvider>>,
}

impl TokenSource {
    /// Checks the key, so that a wrong one stops the start instead of the first write.
    pub fn open(credentials: Credentials) -> Result<Self, CredentialsError> {
        credentials.key_json()?;
        Ok(Self { credentials, provider: None })
    }

    /// `Bearer <token>`, marked as sensitive.
    pub async fn header(&mut self) -> Result<HeaderValue, AuthError> {
        if matches!(self.credentials, Credentials::Emulator) {
            return bearer("owner");
        }
        timeout(TOKEN_TIMEOUT, self.fetch()).await.unwrap_or(Err(AuthError::TooSlow))
    }

    /// Forgets the token: the next [`TokenSource::header`] reads the key again and fetches one.
    ///
    /// Returns whether that can change anything.
    pub fn forget(&mut self) -> bool {
        self.provider.take().is_some()
    }

    async fn fetch(&mut self) -> Result<HeaderValue, AuthError> {
        let provider = match &self.provider {
            Some(provider) => provider,
            None => {
                let made: Box<dyn TokenProvider> = match self.credentials.key_json()? {
                    Some(json) => Box::new(CustomServiceAccount::from_json(&json).map_err(told)?),
                    None => Box::new(MetadataServiceAccount::new().await.map_err(told)?),
                };
                self.provider.insert(made)
            }
        };
        let token = provider.token(&SCOPES).await.map_err(told)?;
        bearer(token.as_str())
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
