//! Names of things: calls, conversations, messages, alerts.
//!
//! A call and its conversation share one ULID and differ in their prefix, so each finds the other
//! without an index.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

/// The text is not an id of the kind that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {expected}")]
pub struct BadId {
    expected: &'static str,
}

macro_rules! prefixed_ulid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $form:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Ulid);

        impl $name {
            const LEN: usize = $prefix.len() + ulid::ULID_LEN;

            fn text<'b>(&self, buffer: &'b mut [u8; Self::LEN]) -> &'b str {
                buffer[..$prefix.len()].copy_from_slice($prefix.as_bytes());
                let tail = &mut buffer[$prefix.len()..];
                if let Ok(tail) = <&mut [u8; ulid::ULID_LEN]>::try_from(tail) {
                    self.0.array_to_str(tail);
                }
                std::str::from_utf8(buffer).unwrap_or_default()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text(&mut [0; Self::LEN]))
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix($prefix)
                    .filter(|it| it.len() == ulid::ULID_LEN)
                    .and_then(|it| Ulid::from_string(it).ok())
                    // Only the spelling that we write: one id has one name.
                    .filter(|it| it.array_to_str(&mut [0; ulid::ULID_LEN]) == &text[$prefix.len()..])
                    .map(Self)
                    .ok_or(BadId { expected: $form })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
                out.serialize_str(self.text(&mut [0; Self::LEN]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                super::text::parse_str(from)
            }
        }
    };
}

prefixed_ulid!(
    /// `call_` and a ULID.
    CallId, "call_", "call_01JD…"
);
prefixed_ulid!(
    /// `conv_` and the ULID of its call.
    ConversationId, "conv_", "conv_01JD…"
);
prefixed_ulid!(
    /// `alert_` and a ULID.
    AlertId, "alert_", "alert_01JD…"
);
prefixed_ulid!(
    /// `conflict_` and a ULID.
    ConflictId, "conflict_", "conflict_01JD…"
);
prefixed_ulid!(
    /// `run_` and a ULID: when the work ended, and a digest of what it was. A call's run has its ULID.
    RunId, "run_", "run_01JD…"
);

impl CallId {
    pub fn conversation(self) -> ConversationId {
        ConversationId(self.0)
    }
}

impl ConversationId {
    pub fn call(self) -> CallId {
        CallId(self.0)
    }
}

/// The place of a message in its conversation, from 1: `msg_000001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{:06}", self.0)
    }
}

impl FromStr for MessageId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        text.strip_prefix("msg_")
            .filter(|it| it.len() >= 6 && it.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|it| it.parse().ok())
            .map(Self)
            // One place has one name: no zeros beyond six digits.
            .filter(|it| it.0 > 0 && (text.len() == 10 || !text.starts_with("msg_0")))
            .ok_or(BadId { expected: "msg_000001" })
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        super::text::parse_str(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = CallId(Ulid::from_parts(1_700_000_000_000, 7));
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert!(text.to_lowercase().parse::<CallId>().is_err());
        assert!(text.replace("call_", "conv_").parse::<CallId>().is_err());
        assert_eq!(id.conversation().call(), id);
        for bad in ["", "call_", "call_é", "call_../../etc/passwd", "msg_1", "call_01JD"] {
            assert!(bad.parse::<CallId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_message_id_is_its_number() {
        assert_eq!(MessageId(1).to_string(), "msg_000001");
        assert_eq!("msg_000012".parse(), Ok(MessageId(12)));
        assert_eq!("msg_1000000".parse(), Ok(MessageId(1_000_000)));
        for bad in ["msg_000000", "msg_12", "msg_0000001", "msg_+00001"] {
            assert!(bad.parse::<MessageId>().is_err(), "{bad}");
        }
    }
}
