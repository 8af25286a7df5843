//! A fact with its place in the one order.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Event, Timestamp};

/// Place of a record in the journal. The first is 1 and there are no gaps; 0 is "before all".
pub type Seq = u64;

/// An event as the journal holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub seq: Seq,
    pub at: Timestamp,
    /// The machine that wrote it.
    pub node: Arc<str>,
    pub event: Event,
}

/// Name of one journal: 8 characters of `[a-z0-9]`, made with the journal. A restored or replaced
/// journal has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JournalId([u8; 8]);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl JournalId {
    /// From 40 of the given bits, which should be random.
    pub fn from_bits(bits: u64) -> Self {
        let mut id = [0; 8];
        for (place, slot) in id.iter_mut().enumerate() {
            *slot = ALPHABET[(bits >> (place * 5)) as usize & 31];
        }
        Self(id)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}")]
pub struct NotA(&'static str);

impl FromStr for JournalId {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        <[u8; 8]>::try_from(text.as_bytes())
            .ok()
            .filter(|it| it.iter().all(|b| ALPHABET.contains(b)))
            .map(Self)
            .ok_or(NotA("journal id"))
    }
}

/// Where a reader stands: which journal, and up to where in it. As text: `k3f9x2pa-5012`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub journal: JournalId,
    pub seq: Seq,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.journal, self.seq)
    }
}

impl FromStr for Position {
    type Err = NotA;

    fn from_str(text: &str) -> Result<Self, NotA> {
        let position = |text: &str| {
            let (journal, seq) = text.split_once('-')?;
            if seq.is_empty() || seq.len() > 19 || !seq.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            Some(Self { journal: journal.parse().ok()?, seq: seq.parse().ok()? })
        };
        position(text).ok_or(NotA("position"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_reads_back(bits in any::<u64>(), seq in 0..u64::MAX / 2) {
            let position = Position { journal: JournalId::from_bits(bits), seq };
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        #[test]
        fn garbage_is_no_position(text in "[^-]{0,12}(-[^0-9]{1,9})?") {
            prop_assert_eq!(text.parse::<Position>(), Err(NotA("position")));
        }
    }
}
