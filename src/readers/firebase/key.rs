//! Keys as the Realtime Database takes them.

use std::borrow::Cow;
use std::fmt::Write;

/// `key` with whatever the database forbids written as `%` and two hex digits.
///
/// No two keys share a form, and none becomes empty, so that a write never lands on the parent.
/// Source: Firebase, "Structure Your Database: How data is structured", read 2026-11-20.
pub fn escape(key: &str) -> Cow<'_, str> {
    if key.is_empty() {
        return Cow::Borrowed("%");
    }
    if !key.contains(is_forbidden) {
        return Cow::Borrowed(key);
    }
    let mut escaped = String::with_capacity(key.len() + 8);
    for c in key.chars() {
        if is_forbidden(c) {
            let _ = write!(escaped, "%{:02X}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '.' | '$' | '#' | '[' | ']' | '/' | '%') || c.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_ids_stay_as_they_are() {
        for key in ["call_01JD", "+15550100", "msg_000001", "Grüße 火"] {
            assert_eq!(escape(key), key);
        }
    }

    #[test]
    fn forbidden_characters_are_escaped_so_that_no_two_keys_meet() {
        assert_eq!(escape("a.b@c$#[]/\n\u{7f}"), "a%2Eb@c%24%23%5B%5D%2F%0A%7F");
        assert_ne!(escape("a%2Eb"), escape("a.b"));
        assert_eq!(escape(""), "%");
        assert_eq!(escape("%"), "%25");
    }
}
