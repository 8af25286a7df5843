//! The body of a request, and which parameters this server turned out to take.
//!
//! Servers differ in three places; each is a step that is only ever taken downwards, so that a
//! question adapts a few times at most, and the next one begins with what worked.

use std::sync::Mutex;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{prompt::Message, refusal::Refusal};

/// Room for three sentences with their JSON around; speech is slow, and limiters count it.
const MAX_TOKENS: u32 = 400;
/// Low, so that the same trouble gets the same advice.
const TEMPERATURE: f32 = 0.2;

/// Written out, because the order of its fields is the order in which models write them: the
/// urgency first, so that it is known when the message is used before it is complete.
const SCHEMA: &str = r#"{"type":"json_schema","json_schema":{"name":"turn","strict":true,"schema":{"type":"object","properties":{"urgency":{"type":"string","enum":["NORMAL","URGENT","CRITICAL"]},"message":{"type":"string"},"sources":{"type":"array","items":{"type":"string"}}},"required":["urgency","message","sources"],"additionalProperties":false}}}"#;
const OBJECT: &str = r#"{"type":"json_object"}"#;

/// How the form of the reply is asked for; later ones are asked of servers that know less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Format {
    #[default]
    Schema,
    Object,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Limit {
    /// Deprecated at OpenAI, but the most portable name.
    #[default]
    MaxTokens,
    MaxCompletionTokens,
    Unsaid,
}

/// The parameters that a server takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    format: Format,
    limit: Limit,
    no_temperature: bool,
}

impl Shape {
    /// The next shape to try, and whether the server named the reason.
    pub fn adapt(self, refusal: &Refusal) -> Option<(Self, bool)> {
        let mut next = self;
        let named = if refusal.names(&["response_format", "json_schema", "json_object", "schema"])
            && self.format != Format::Text
        {
            next.format = self.next_format();
            true
        } else if self.limit != Limit::Unsaid && refusal.names(&[self.limit_name()]) {
            next.limit = match self.limit {
                Limit::MaxTokens => Limit::MaxCompletionTokens,
                _ => Limit::Unsaid,
            };
            true
        } else if !self.no_temperature && refusal.names(&["temperature"]) {
            next.no_temperature = true;
            true
        } else if self.format != Format::Text {
            next.format = self.next_format();
            false
        } else {
            return None;
        };
        Some((next, named))
    }

    /// The request as JSON.
    pub fn body(self, model: &str, messages: &[Message]) -> Result<Vec<u8>, serde_json::Error> {
        let format = match self.format {
            Format::Schema => Some(serde_json::from_str(SCHEMA)?),
            Format::Object => Some(serde_json::from_str(OBJECT)?),
            Format::Text => None,
        };
        serde_json::to_vec(&Body {
            model,
            messages,
            stream: true,
            temperature: (!self.no_temperature).then_some(TEMPERATURE),
            max_tokens: (self.limit == Limit::MaxTokens).then_some(MAX_TOKENS),
            max_completion_tokens: (self.limit == Limit::MaxCompletionTokens).then_some(MAX_TOKENS),
            response_format: format,
        })
    }

    fn next_format(self) -> Format {
        match self.format {
            Format::Schema => Format::Object,
            _ => Format::Text,
        }
    }

    fn limit_name(self) -> &'static str {
        match self.limit {
            Limit::MaxTokens => "max_tokens",
            _ => "max_completion_tokens",
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: &'a [Message],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Box<RawValue>>,
}

/// What is known of this server, for the life of the process. Held for a copy only.
#[derive(Debug, Default)]
pub struct Known(Mutex<Shape>);

impl Known {
    pub fn get(&self) -> Shape {
        *self.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// Takes every step that `shape` took; turns that learn at the same time don't undo each other.
    pub fn learn(&self, shape: Shape) {
        let mut known = self.0.lock().unwrap_or_else(|broken| broken.into_inner());
        known.format = known.format.max(shape.format);
        known.limit = known.limit.max(shape.limit);
        known.no_temperature |= shape.no_temperature;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> Refusal {
        Refusal::read(400, &reqwest::header::HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn a_named_parameter_is_replaced_once_and_then_left_out() {
        let first = r#"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens"}}"#;
        let second = r#"{"error":{"message":"Unknown field: max_completion_tokens"}}"#;

        let (one, named) = Shape::default().adapt(&refusal(first)).expect("adapts");
        let (two, _) = one.adapt(&refusal(second)).expect("adapts");

        assert!(named);
        assert_eq!(one.limit, Limit::MaxCompletionTokens);
        assert_eq!(two.limit, Limit::Unsaid);
        assert_eq!(two.format, Format::Schema);
    }

    #[test]
    fn an_unexplained_refusal_steps_down_to_plain_text_and_then_ends() {
        let unexplained = refusal(r#"{"error":"bad request"}"#);
        let mut shape = Shape::default();
        let mut steps = 0;

        while let Some((next, named)) = shape.adapt(&unexplained) {
            assert!(!named);
            shape = next;
            steps += 1;
        }

        assert_eq!((steps, shape.format), (2, Format::Text));
    }

    #[test]
    fn the_schema_asks_for_the_urgency_before_the_message() {
        let body = Shape::default().body("m", &[]).expect("serializes");
        let body = String::from_utf8(body).expect("JSON is UTF-8");

        assert!(body.find("\"urgency\"") < body.find("\"message\""));
        assert!(body.contains("\"stream\":true"));
    }
}
