//! A status that is not 200, or an error inside a stream: what it says, in all its spellings.
//!
//! `error` may be an object, a text or inside an array; `code` a number, a text or null; FastAPI
//! says `detail` instead; a proxy sends HTML.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::ModelError;

/// Longest time a server may ask us to leave it alone; absurd values (hours) count as this.
pub const LONGEST_HOLD: Duration = Duration::from_secs(60);

/// What a server said when it did not answer.
#[derive(Debug)]
pub struct Refusal {
    status: u16,
    /// `code`, `type` and `status` of the error, in lower case.
    codes: String,
    /// Name of the parameter that it complains about.
    param: String,
    message: String,
    retry_after: Option<Duration>,
    /// `x-should-retry`, which outweighs the status.
    should_retry: Option<bool>,
}

impl Refusal {
    /// Reads a reply with an error status.
    pub fn read(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let mut refusal = match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::of(&value, status),
            Err(_) => Self::of(&Value::Null, status),
        };
        let header = |name| headers.get(name).and_then(|it| it.to_str().ok());
        refusal.retry_after =
            wait(header("retry-after-ms"), 0.001).or_else(|| wait(header("retry-after"), 1.0));
        refusal.should_retry = match header("x-should-retry") {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        };
        refusal
    }

    /// The error that a JSON object with status 200 reports, if it does.
    pub fn inside(value: &Value) -> Option<Self> {
        let value = value.get(0).unwrap_or(value);
        let error = value.get("error").or_else(|| value.get("x_groq")?.get("error"));
        let reports = match error {
            None | Some(Value::Null | Value::Bool(false)) => {
                value.get("detail").is_some() && value.get("choices").is_none()
            }
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        };
        // A number among its codes is the status that it would have had.
        reports.then(|| Self::of(value, 0))
    }

    fn of(value: &Value, status: u16) -> Self {
        let value = value.get(0).unwrap_or(value);
        let error = match value.get("error") {
            Some(error) if !error.is_null() => error,
            _ => value.get("detail").unwrap_or(value),
        };
        let word = |key: &str| match error.get(key) {
            Some(Value::String(text)) => text.to_lowercase(),
            _ => String::new(),
        };
        let number =
            |it: &Value| ["code", "status_code", "status"].map(|key| it.get(key)?.as_u64());
        let inner = number(error).into_iter().chain(number(value)).flatten();
        let inner = inner.filter_map(|it| u16::try_from(it).ok());
        let message = match error {
            Value::String(text) => text.clone(),
            Value::Object(_) => word("message"),
            Value::Array(_) => error.to_string(),
            _ => String::new(),
        };
        Self {
            status: match status {
                0 => inner.into_iter().find(|it| (400..600).contains(it)).unwrap_or(0),
                status => status,
            },
            codes: [word("code"), word("type"), word("status")].join(" "),
            param: word("param"),
            message: message.to_lowercase(),
            retry_after: None,
            should_retry: None,
        }
    }

    /// Whether it complains about one of these parameters.
    pub fn names(&self, parameters: &[&str]) -> bool {
        let said = |text: &str| {
            let mut words = text.split(|it: char| !it.is_alphanumeric() && it != '_');
            words.any(|word| parameters.contains(&word))
        };
        if self.param.is_empty() { said(&self.message) } else { said(&self.param) }
    }

    /// Whether another form of the same request may be taken.
    pub fn is_about_the_form(&self) -> bool {
        matches!(self.status, 400 | 415 | 422 | 501) && !self.is_final()
    }

    /// Whether the conversation is too long for the model.
    pub fn is_about_length(&self) -> bool {
        self.status == 413
            || ["context_length", "context_size"].iter().any(|it| self.codes.contains(it))
            || ["context length", "context size", "context window"]
                .iter()
                .any(|it| self.message.contains(it))
    }

    /// How long to wait before asking once more, if that makes sense at all.
    pub fn retry(&self, pause: Duration) -> Option<Duration> {
        if self.is_final() || self.should_retry == Some(false) {
            return None;
        }
        match (self.status, self.retry_after) {
            (408 | 409 | 429 | 500..=599, Some(wait)) => Some(wait),
            // Without a time, a limiter is not going to be done in a fraction of a second.
            (429, None) => self.should_retry.and(Some(pause)),
            (408 | 409 | 500..=599, None) => Some(pause),
            _ => self.should_retry.and(Some(pause)),
        }
    }

    /// The error for the caller of the model.
    pub fn into_error(self) -> ModelError {
        if let Some(reason) = self.final_reason() {
            return ModelError::Refused(reason);
        }
        match self.status {
            0 => ModelError::Broken("the server reported an error instead of an answer"),
            status => ModelError::Status { status, retry_after: self.retry_after },
        }
    }

    fn is_final(&self) -> bool {
        self.final_reason().is_some()
    }

    /// What only an operator can change.
    fn final_reason(&self) -> Option<&'static str> {
        let code = |names: &[&str]| names.iter().any(|it| self.codes.contains(it));
        if self.status == 402 || code(&["insufficient_quota", "credit_balance", "billing"]) {
            Some("the quota is used up")
        } else if matches!(self.status, 401 | 403) || code(&["invalid_api_key"]) {
            Some("the key is not accepted")
        } else if self.status == 404 || code(&["model_not_found"]) {
            Some("there is no such model or address")
        } else {
            None
        }
    }
}

/// A date, which has no fractions, is as good as a long time.
fn wait(header: Option<&str>, unit: f64) -> Option<Duration> {
    let seconds = header?.trim().parse::<f64>().map_or(f64::MAX, |it| it * unit);
    if seconds.is_nan() || seconds < 0.0 {
        return None;
    }
    Some(Duration::from_secs_f64(seconds.min(LONGEST_HOLD.as_secs_f64())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(status: u16, body: &str) -> Refusal {
        Refusal::read(status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn a_used_up_quota_is_not_a_rate_limit() {
        let quota = status(429, r#"{"error":{"code":"insufficient_quota"}}"#);
        let rate = status(429, r#"{"error":{"code":"rate_limit_exceeded"}}"#);

        assert!(matches!(quota.into_error(), ModelError::Refused(_)));
        assert!(matches!(rate.into_error(), ModelError::Status { status: 429, .. }));
    }

    #[test]
    fn an_error_is_found_in_every_spelling() {
        for value in [
            json!({"error": {"message": "x", "code": 503}}),
            json!([{"error": {"message": "x", "status": "UNAVAILABLE", "code": 503}}]),
            json!({"error": "x", "status_code": 503}),
            json!({"choices": [], "x_groq": {"error": "over capacity"}}),
            json!({"detail": "x"}),
            json!({"detail": [{"msg": "x"}]}),
        ] {
            assert!(Refusal::inside(&value).is_some(), "{value}");
        }
        for value in
            [json!({"error": null, "choices": []}), json!({"choices": [{"delta": {}}]}), json!({})]
        {
            assert!(Refusal::inside(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn html_from_a_proxy_is_a_status_like_any_other() {
        let refusal = status(502, "<html>Bad Gateway</html>");

        assert!(refusal.retry(Duration::ZERO).is_some());
        assert!(matches!(refusal.into_error(), ModelError::Status { status: 502, .. }));
    }

    #[test]
    fn an_absurd_or_unreadable_retry_after_is_long_and_not_endless() {
        assert_eq!(wait(Some("86400"), 1.0), Some(LONGEST_HOLD));
        assert_eq!(wait(Some("Fri, 20 Nov 2026 12:00:00 GMT"), 1.0), Some(LONGEST_HOLD));
        assert_eq!(wait(Some("250"), 0.001), Some(Duration::from_millis(250)));
        assert_eq!(wait(Some("-1"), 1.0), None);
    }

    #[test]
    fn a_parameter_is_named_as_a_whole_word() {
        let refusal =
            status(400, r#"{"error":{"message":"Unknown field: max_completion_tokens"}}"#);

        assert!(refusal.names(&["max_completion_tokens"]));
        assert!(!refusal.names(&["max_tokens"]));
    }
}
