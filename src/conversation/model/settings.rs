//! Where the model is and how long it may take; the base address in every spelling people use.

use std::{fmt, time::Duration};

use url::Url;

use super::ModelError;

/// Whole time for one answer, unless set otherwise: a pause that a caller takes for thinking.
pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(2500);

/// Text that must not appear in a log: `Debug` does not show it, and there is no `Display`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How to reach the model.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    /// Base address such as `http://127.0.0.1:11434/v1`; every spelling is understood.
    pub base_url: Url,
    /// Sent as a bearer token. Local servers mostly need none.
    pub api_key: Option<Secret>,
    /// Name of the model as the server knows it.
    pub model: String,
    /// Time for the whole answer, retries included.
    pub deadline: Duration,
    /// Time until the first useful token; then the deadline counts alone.
    pub first_token: Duration,
}

impl ModelSettings {
    /// Settings with the default deadline and no key.
    pub fn new(base_url: Url, model: impl Into<String>) -> Self {
        Self {
            base_url,
            api_key: None,
            model: model.into(),
            deadline: Duration::ZERO,
            first_token: Duration::ZERO,
        }
        .with_deadline(DEFAULT_DEADLINE)
    }

    /// Sets the whole time; the first useful token has to come within 60 % of it, since what comes
    /// later leaves no time for a sentence.
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self.first_token = deadline.mul_f64(0.6);
        self
    }

    pub fn with_api_key(mut self, key: Option<Secret>) -> Self {
        self.api_key = key;
        self
    }
}

/// The address of the completions: without a path `/v1` is meant, any other path is taken as it is
/// (Gemini's has no `/v1`), a trailing slash or a pasted `/chat/completions` does no harm.
///
/// # Errors
/// [`ModelError::Settings`] if it is not an `http` or `https` address with a host.
pub fn endpoint(base: &Url) -> Result<Url, ModelError> {
    if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
        return Err(ModelError::Settings(
            "its address must begin with http:// or https:// and name a host".to_owned(),
        ));
    }
    let path = base.path().trim_end_matches('/');
    let path = path.strip_suffix("/chat/completions").unwrap_or(path);
    let path = if path.is_empty() { "/v1" } else { path };
    let mut endpoint = base.clone();
    endpoint.set_path(&format!("{path}/chat/completions"));
    endpoint.set_fragment(None);
    Ok(endpoint)
}

/// Whether the server is this machine, which no proxy has to reach for us.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_base_address_leads_to_the_completions() {
        for (base, expected) in [
            ("http://h:1", "http://h:1/v1/chat/completions"),
            ("http://h:1/", "http://h:1/v1/chat/completions"),
            ("http://h:1/v1", "http://h:1/v1/chat/completions"),
            ("http://h:1/v1//", "http://h:1/v1/chat/completions"),
            ("https://h/v1beta/openai/", "https://h/v1beta/openai/chat/completions"),
            ("https://h/v1/chat/completions", "https://h/v1/chat/completions"),
            ("https://h/a?api-version=2", "https://h/a/chat/completions?api-version=2"),
        ] {
            let base = Url::parse(base).expect("the test's address is one");
            assert_eq!(endpoint(&base).expect("usable").as_str(), expected);
        }
    }

    #[test]
    fn an_address_that_is_not_http_is_refused() {
        let base = Url::parse("ftp://h/v1").expect("the test's address is one");
        assert!(matches!(endpoint(&base), Err(ModelError::Settings(_))));
    }

    #[test]
    fn a_key_is_not_shown_by_debug() {
        let base = Url::parse("http://h").expect("the test's address is one");
        let settings = ModelSettings::new(base, "m").with_api_key(Some(Secret::new("sk-42")));
        assert!(!format!("{settings:?}").contains("sk-42"));
    }
}
