//! The answer's JSON: `{"urgency", "message", "sources"}`, complete or as far as it came.

use serde_json::Value;

use crate::domain::Urgency;

/// What the model wants to say, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub urgency: Option<Urgency>,
    pub message: String,
    pub sources: Vec<String>,
    /// Whether the message may be cut off at its end.
    pub is_cut: bool,
}

impl Turn {
    /// Reads an object at the start of `text`. It needs a message; all else may be missing.
    pub fn read(text: &str) -> Option<Self> {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        let value = values.next()?.ok()?;
        let message = value.get("message")?.as_str()?;
        let sources = match value.get("sources") {
            Some(Value::Array(sources)) => sources.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(source)) => vec![source.as_str()],
            _ => Vec::new(),
        };
        Some(Self {
            urgency: value.get("urgency").and_then(Value::as_str).and_then(Urgency::parse),
            message: message.to_owned(),
            sources: sources.into_iter().map(str::to_owned).collect(),
            is_cut: false,
        })
    }

    /// Reads an object at the start of `text` that ends anywhere; none without a message.
    pub fn read_partial(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('{')?;
        let mut urgency = None;
        let mut message = None;
        loop {
            rest = rest.trim_start_matches([' ', ',']);
            let Some(key) = Quoted::at(rest).filter(|it| !it.is_cut) else {
                break;
            };
            let Some(value) = rest[key.len..].trim_start().strip_prefix(':') else {
                break;
            };
            let value = value.trim_start();
            if let Some(text) = Quoted::at(value) {
                match key.text.as_str() {
                    "urgency" if !text.is_cut => urgency = Urgency::parse(&text.text),
                    "message" => message = Some((text.text, text.is_cut)),
                    _ => {}
                }
                rest = &value[text.len..];
            } else {
                let mut values = serde_json::Deserializer::from_str(value).into_iter::<Value>();
                if !matches!(values.next(), Some(Ok(_))) {
                    break;
                }
                rest = &value[values.byte_offset()..];
            }
        }
        let (message, is_cut) = message?;
        Some(Self { urgency, message, sources: Vec::new(), is_cut })
    }
}

/// A JSON string that may end too early.
struct Quoted {
    text: String,
    /// Bytes that it takes, quotes included.
    len: usize,
    is_cut: bool,
}

impl Quoted {
    fn at(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('"')?;
        let mut is_escaped = false;
        let end = inner.bytes().position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        let mut raw = &inner[..end.unwrap_or(inner.len())];
        // Half an escape at the end can't be decoded; half a surrogate pair is two of them.
        for _ in 0..3 {
            if let Ok(decoded) = serde_json::from_str(&format!("\"{raw}\"")) {
                return Some(Self {
                    text: decoded,
                    len: end.map_or(text.len(), |end| end + 2),
                    is_cut: end.is_none(),
                });
            }
            raw = &raw[..raw.rfind('\\')?];
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"n":[1,{"a":"}"}],"urgency":"CRITICAL","message":"Go \ud83d\ude80 \"now\".\n","sources":["a"]}"#;

    #[test]
    fn every_beginning_of_an_answer_gives_a_beginning_of_its_message() {
        let whole = Turn::read(WHOLE).expect("complete");
        let mut longest = 0;

        for end in 0..=WHOLE.len() {
            let Some(part) = Turn::read_partial(&WHOLE[..end]) else {
                continue;
            };
            assert!(whole.message.starts_with(&part.message), "at {end}");
            assert!(part.message.len() >= longest, "at {end}");
            assert_eq!(part.urgency, Some(Urgency::Critical));
            longest = part.message.len();
        }

        assert_eq!(longest, whole.message.len());
    }

    #[test]
    fn an_answer_needs_a_message_and_nothing_else() {
        let turn = Turn::read(r#"{"message":"Hi","urgency":3,"sources":"Gas card"} tail"#);

        let turn = turn.expect("has a message");
        assert_eq!((turn.urgency, turn.sources), (None, vec!["Gas card".to_owned()]));
        assert_eq!(Turn::read(r#"{"message":null}"#), None);
        assert_eq!(Turn::read(r#"{"text":"Hi"}"#), None);
    }
}
