//! One object of a reply to the piece of text in it, whatever the server leaves out or adds.

use serde_json::Value;

use super::refusal::Refusal;

/// What one object of the stream, or the whole reply, contributes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunk {
    /// To be appended. Reasoning is not part of it.
    pub text: String,
    pub end: Option<End>,
}

/// Why the reply ends with this object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `stop`, or any other word that servers use.
    Stop,
    /// The token limit: what came is cut.
    Length,
    /// A content filter, or a refusal by the model.
    Declined,
}

/// Reads `choices[0]`; `message` is as good as `delta`.
///
/// # Errors
/// The error that the object reports instead.
pub fn read(value: &Value) -> Result<Chunk, Refusal> {
    if let Some(refusal) = Refusal::inside(value) {
        return Err(refusal);
    }
    let Some(choice) = value.get("choices").and_then(|it| it.get(0)) else {
        return Ok(Chunk::default()); // Usage, moderation, or something that is not for us.
    };
    let said =
        ["delta", "message"].iter().find_map(|key| choice.get(key).filter(|it| it.is_object()));
    let field = |name| said.and_then(|it| it.get(name));
    let declined = field("refusal").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let end = match choice.get("finish_reason").and_then(Value::as_str) {
        _ if declined => Some(End::Declined),
        None | Some("") => None,
        Some("length") => Some(End::Length),
        Some("content_filter") => Some(End::Declined),
        Some(_) => Some(End::Stop),
    };
    let text = field("content").map(text).unwrap_or_default();
    Ok(Chunk { text, end })
}

/// Content is a text, or parts of which those of type `text` count.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter(|it| it.get("type").is_none_or(|kind| kind == "text"))
            .filter_map(|it| it.get("text")?.as_str())
            .collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Chunk {
        read(&value).expect("no error in it")
    }

    fn text_of(value: Value) -> String {
        of(value).text
    }

    #[test]
    fn text_is_found_wherever_a_server_puts_it() {
        for choice in [
            json!({"delta": {"content": "hi", "role": "assistant"}}),
            json!({"message": {"content": "hi", "reasoning_content": "no"}}),
            json!({"delta": null, "message": {"content": "hi"}}),
            json!({"delta": {"content": [{"type": "thinking", "text": "no"}, {"type": "text", "text": "hi"}]}}),
        ] {
            assert_eq!(text_of(json!({"choices": [choice], "extra": 1})), "hi");
        }
    }

    #[test]
    fn an_object_without_text_is_no_error() {
        for value in [
            json!({"choices": [], "usage": {"total_tokens": 6}}),
            json!({"usage": {}}),
            json!({"choices": [{"delta": {}}]}),
            json!({"choices": [{"delta": {"content": null}, "finish_reason": ""}]}),
            json!({"choices": [{"delta": {"reasoning": "hm", "thinking": "hm"}}]}),
            json!({"error": null, "choices": null}),
            json!(7),
        ] {
            assert_eq!(of(value), Chunk::default());
        }
    }

    #[test]
    fn the_end_tells_why() {
        for (reason, end) in [
            ("stop", End::Stop),
            ("eos", End::Stop),
            ("length", End::Length),
            ("content_filter", End::Declined),
        ] {
            assert_eq!(of(json!({"choices": [{"finish_reason": reason}]})).end, Some(end));
        }
        let refused = of(json!({"choices": [{"delta": {"refusal": "I can't"}}]}));
        assert_eq!(refused.end, Some(End::Declined));
    }
}
