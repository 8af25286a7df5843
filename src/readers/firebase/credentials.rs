//! Which credentials open the database, read from where operators keep them.
//!
//! # Promises
//! - No error and no `Debug` shows a secret.
//! - A key file is read again at each renewal, so a replaced key needs no restart.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

use super::target::may_carry_secrets;

#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("the key file {} can't be read: {reason}", .file.display())]
    File { file: PathBuf, reason: std::io::ErrorKind },
    #[error("{origin} is not a service-account key: {reason}")]
    NotAKey { origin: &'static str, reason: &'static str },
}

/// Where access tokens come from.
#[derive(Clone)]
pub enum Credentials {
    /// The emulator's own: `Bearer owner`.
    Emulator,
    /// `GOOGLE_APPLICATION_CREDENTIALS`: path of a service-account key file.
    KeyFile(PathBuf),
    /// `FIREBASE_CREDENTIALS`: the key file's content.
    KeyJson(String),
    /// The metadata server of Google Cloud.
    Metadata,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Emulator => "Emulator",
            Self::KeyFile(_) => "KeyFile(..)",
            Self::KeyJson(_) => "KeyJson(..)",
            Self::Metadata => "Metadata",
        })
    }
}

#[derive(Deserialize)]
struct Key {
    r#type: Option<String>,
    private_key: String,
    client_email: String,
    token_uri: String,
    universe_domain: Option<String>,
}

impl Credentials {
    /// The key as plain JSON, checked; `None` if there is no key to read.
    pub(super) fn key_json(&self) -> Result<Option<String>, CredentialsError> {
        match self {
            Self::Emulator | Self::Metadata => Ok(None),
            Self::KeyFile(file) => {
                let text = fs::read_to_string(file).map_err(|err| CredentialsError::File {
                    file: file.clone(),
                    reason: err.kind(),
                })?;
                checked(&text, "GOOGLE_APPLICATION_CREDENTIALS").map(Some)
            }
            Self::KeyJson(text) => checked(text, "FIREBASE_CREDENTIALS").map(Some),
        }
    }
}

/// Repairs what transport through an environment variable does to the line breaks of the key.
fn checked(text: &str, origin: &'static str) -> Result<String, CredentialsError> {
    let wrong = |reason| CredentialsError::NotAKey { origin, reason };
    // The parser's own words would quote the key.
    let key: Key = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(&with_escaped_breaks(text)))
        .map_err(|_| wrong("it is no JSON with client_email, private_key and token_uri"))?;
    if key.r#type.as_deref().is_some_and(|it| it != "service_account") {
        return Err(wrong("its type is not service_account"));
    }
    if key.universe_domain.as_deref().is_some_and(|it| it != "googleapis.com") {
        return Err(wrong("its universe_domain is not googleapis.com"));
    }
    let private_key = key.private_key.replace("\\n", "\n");
    if !private_key.contains("-----BEGIN PRIVATE KEY-----") {
        return Err(wrong("its private_key is not a PKCS#8 PEM"));
    }
    let token_uri = Url::parse(&key.token_uri).ok();
    let token_uri = token_uri
        .filter(|it| may_carry_secrets(it) && it.as_str().parse::<hyper::Uri>().is_ok())
        .ok_or_else(|| wrong("its token_uri is not an https address"))?;
    let key = serde_json::json!({
        "type": "service_account",
        "private_key": private_key,
        "client_email": key.client_email,
        "token_uri": token_uri.as_str(),
    });
    Ok(key.to_string())
}

/// Writes line breaks inside the quotes of `json` as `\n`, as some readers of `.env` expand them.
fn with_escaped_breaks(json: &str) -> String {
    let mut repaired = String::with_capacity(json.len() + 64);
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '\r' if quoted => continue,
            '\n' if quoted => {
                repaired.push_str("\\n");
                continue;
            }
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        repaired.push(c);
    }
    repaired
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIsecret\n-----END PRIVATE KEY-----\n";

    fn key(private_key: &str, token_uri: &str) -> String {
        json!({
            "type": "service_account", "project_id": "p", "private_key": private_key,
            "client_email": "a@p", "token_uri": token_uri,
        })
        .to_string()
    }

    #[test]
    fn line_breaks_of_the_key_survive_every_transport() {
        let proper = key(PEM, "https://oauth2.googleapis.com/token");
        let twice_escaped = proper.replace("\\n", "\\\\n");
        let expanded = proper.replace("\\n", "\n");

        for text in [proper, twice_escaped, expanded] {
            let read = Credentials::KeyJson(text).key_json().expect("a key");
            let read: Value = serde_json::from_str(&read.expect("a key")).expect("JSON");
            assert_eq!(read["private_key"], PEM);
        }
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_quoting_it() {
        let good = "https://oauth2.googleapis.com/token";
        for text in [
            "secret".to_owned(),
            json!({"private_key": "secret"}).to_string(),
            json!({"private_key": 7, "client_email": "secret", "token_uri": good}).to_string(),
            key("-----BEGIN RSA PRIVATE KEY-----secret", good),
            key(PEM, "http://example.org/secret"),
            key(PEM, "secret"),
            key(PEM, good).replace("service_account", "secret"),
        ] {
            let credentials = Credentials::KeyJson(text);
            let err = credentials.key_json().expect_err("no key");
            assert!(!format!("{err} {err:?} {credentials:?}").contains("secret"), "{err}");
        }
    }

    #[test]
    fn a_missing_key_file_is_named() {
        let err = Credentials::KeyFile("no/such/key.json".into()).key_json().expect_err("no file");

        assert!(err.to_string().contains("no/such/key.json"));
    }
}
