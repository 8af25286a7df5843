//! Where a call comes from.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::text::{BadText, clean, parse_str};

/// Where a caller calls from, as the provider names it: `+15550100`, `anonymous`, `client:kim`,
/// a SIP address. Opaque: only its length and characters are checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PhoneNumber(Arc<str>);

impl PhoneNumber {
    pub const MAX_BYTES: usize = 64;

    /// A blank before digits is a plus that a form lost on the way, and is put back.
    pub fn parse(text: &str) -> Result<Self, BadText> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(BadText::Empty);
        }
        if clean(trimmed) != trimmed {
            return Err(BadText::Character);
        }
        let lost_plus = text.starts_with(' ') && trimmed.bytes().all(|b| b.is_ascii_digit());
        let got = trimmed.len() + usize::from(lost_plus);
        if got > Self::MAX_BYTES {
            return Err(BadText::TooLong { got, max: Self::MAX_BYTES });
        }
        if lost_plus { Ok(Self(format!("+{trimmed}").into())) } else { Ok(Self(trimmed.into())) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The worker's name in the published format: `worker_15550100`.
    pub fn worker_id(&self) -> String {
        let mut id = String::with_capacity(7 + self.0.len());
        id.push_str("worker_");
        id.extend(self.0.chars().filter_map(|c| match c {
            '+' => None,
            c if c.is_alphanumeric() || c == '-' => Some(c),
            _ => Some('_'),
        }));
        id
    }
}

impl std::borrow::Borrow<str> for PhoneNumber {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PhoneNumber {
    type Err = BadText;
    fn from_str(text: &str) -> Result<Self, BadText> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for PhoneNumber {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parse_str(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_keeps_its_spelling_and_gets_its_plus_back() {
        assert_eq!(PhoneNumber::parse(" 15550100").unwrap().as_str(), "+15550100");
        assert_eq!(PhoneNumber::parse("anonymous").unwrap().as_str(), "anonymous");
        assert_eq!(PhoneNumber::parse("+15550100").unwrap().worker_id(), "worker_15550100");
        assert_eq!(PhoneNumber::parse("sip:a@b.c").unwrap().worker_id(), "worker_sip_a_b_c");
        assert_eq!(PhoneNumber::parse("+1\u{7}"), Err(BadText::Character));
    }

    #[test]
    fn whatever_is_accepted_is_accepted_again_as_it_is_written() {
        let longest = PhoneNumber::parse(&format!(" {}", "5".repeat(63))).unwrap();
        assert_eq!(PhoneNumber::parse(longest.as_str()), Ok(longest));
        assert!(PhoneNumber::parse(&format!(" {}", "5".repeat(64))).is_err());
    }
}
