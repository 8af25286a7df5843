//! What a client may write: keys, depth, server values; and the form in which it is stored.

use serde_json::{Map, Number, Value};

/// Why a write is answered with 400.
pub type Refusal = String;

const MAX_DEPTH: usize = 32;
const MAX_KEY_BYTES: usize = 768;
const MAX_TEXT_BYTES: usize = 10 * 1024 * 1024;

/// Checks one path of a request.
pub fn check_path(path: &[String]) -> Result<(), Refusal> {
    path.iter().try_for_each(|key| check_key(key))?;
    check_depth(path.len())
}

/// The stored form of `value` put at `depth` in place of `old`.
pub fn settle(value: &Value, old: &Value, depth: usize, now_ms: u64) -> Result<Value, Refusal> {
    check_depth(depth)?;
    match value {
        Value::String(text) if text.len() > MAX_TEXT_BYTES => {
            Err("Invalid data; a string is longer than 10 MB".to_owned())
        }
        Value::Array(items) => settle_children(
            items.iter().enumerate().map(|(i, it)| (i.to_string(), it)),
            old,
            depth,
            now_ms,
        ),
        Value::Object(children) => {
            if let Some(asked) = children.get(".sv") {
                return server_value(asked, old, now_ms);
            }
            if let Some(plain) = children.get(".value") {
                return settle(plain, old, depth, now_ms);
            }
            let children = children.iter().filter(|(key, _)| *key != ".priority");
            settle_children(children.map(|(k, v)| (k.clone(), v)), old, depth, now_ms)
        }
        plain => Ok(plain.clone()),
    }
}

fn settle_children<'a>(
    children: impl Iterator<Item = (String, &'a Value)>,
    old: &Value,
    depth: usize,
    now_ms: u64,
) -> Result<Value, Refusal> {
    let mut settled = Map::new();
    for (key, value) in children {
        check_key(&key)?;
        let before = old.get(&key).unwrap_or(&Value::Null);
        let value = settle(value, before, depth + 1, now_ms)?;
        if !value.is_null() {
            settled.insert(key, value);
        }
    }
    Ok(if settled.is_empty() { Value::Null } else { Value::Object(settled) })
}

fn server_value(asked: &Value, old: &Value, now_ms: u64) -> Result<Value, Refusal> {
    if asked == "timestamp" {
        return Ok(Value::from(now_ms));
    }
    let Some(by) = asked.get("increment").and_then(Value::as_number) else {
        return Err("Invalid data; unknown server value".to_owned());
    };
    if let (Some(by), Some(old)) = (by.as_i64(), old.as_i64().or((!old.is_number()).then_some(0)))
        && let Some(sum) = old.checked_add(by)
    {
        return Ok(Value::from(sum));
    }
    let sum = old.as_f64().unwrap_or(0.0) + by.as_f64().unwrap_or(0.0);
    Number::from_f64(sum)
        .map(Value::Number)
        .ok_or_else(|| "Invalid data; the sum is not a number".to_owned())
}

fn check_key(key: &str) -> Result<(), Refusal> {
    let forbidden =
        |c: char| matches!(c, '.' | '$' | '#' | '[' | ']' | '/') || c.is_ascii_control();
    if key.is_empty() || key.contains(forbidden) {
        return Err(
            "Invalid data; couldn't parse JSON object. Are you sending a JSON object with valid \
             key names?"
                .to_owned(),
        );
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(format!("Invalid key; longer than {MAX_KEY_BYTES} bytes"));
    }
    Ok(())
}

fn check_depth(depth: usize) -> Result<(), Refusal> {
    if depth > MAX_DEPTH {
        return Err(format!("Invalid data; deeper than {MAX_DEPTH} levels"));
    }
    Ok(())
}
