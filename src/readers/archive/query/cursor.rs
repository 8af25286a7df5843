//! Where the next page begins, as a text that only we can read.
//!
//! The one idea: a cursor carries its place and a digest of the place and of the question it
//! belongs to. A forged one, a damaged one and one of another question are told apart from ours
//! before anything in them is believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Changes whenever a place means something else than before.
const VERSION: u8 = 1;
const DIGEST: usize = 8;
/// Longer than any of ours.
const LONGEST: usize = 200;

/// It is not of this question, or not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "`cursor` is not one that this question has been answered with: take `next_cursor` as it is, \
     with the same filters, or begin again without it"
)]
pub struct BadCursor;

/// `question`: all that the place depends on, in one spelling.
pub fn seal(question: &str, place: &[u8]) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&digest(question, place));
    bytes.extend_from_slice(place);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place in a cursor of that question.
///
/// # Errors
/// [`BadCursor`]
pub fn open(question: &str, cursor: &str) -> Result<Vec<u8>, BadCursor> {
    if cursor.len() > LONGEST {
        return Err(BadCursor);
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| BadCursor)?;
    let (version, rest) = bytes.split_first().ok_or(BadCursor)?;
    let (digested, place) = rest.split_at_checked(DIGEST).ok_or(BadCursor)?;
    if *version != VERSION || digested != digest(question, place) {
        return Err(BadCursor);
    }
    Ok(place.to_vec())
}

fn digest(question: &str, place: &[u8]) -> [u8; DIGEST] {
    let mut sha = Sha256::new();
    sha.update(b"aurora cursor\0");
    sha.update(place);
    sha.update(question.as_bytes());
    let mut short = [0; DIGEST];
    short.copy_from_slice(&sha.finalize()[..DIGEST]);
    short
}

/// Reads a place piece by piece.
pub struct Place<'a>(pub &'a [u8]);

impl Place<'_> {
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N], BadCursor> {
        let (piece, rest) = self.0.split_first_chunk::<N>().ok_or(BadCursor)?;
        self.0 = rest;
        Ok(*piece)
    }

    pub fn number(&mut self) -> Result<i64, BadCursor> {
        self.bytes().map(i64::from_be_bytes)
    }

    /// Nothing follows.
    pub fn end(&self) -> Result<(), BadCursor> {
        if self.0.is_empty() { Ok(()) } else { Err(BadCursor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_cursor_opens_for_its_question_and_only_as_it_was(
            place in proptest::collection::vec(any::<u8>(), 0..80),
            question in ".{0,20}", other in ".{0,20}", at in any::<prop::sample::Index>(), bit in 0..8_u8
        ) {
            let cursor = seal(&question, &place);
            prop_assert_eq!(open(&question, &cursor), Ok(place));
            if question != other {
                prop_assert_eq!(open(&other, &cursor), Err(BadCursor));
            }
            let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert_eq!(open(&question, &URL_SAFE_NO_PAD.encode(&bytes)), Err(BadCursor));
            prop_assert_eq!(open(&question, &cursor[..cursor.len() - 1]), Err(BadCursor));
        }

        #[test]
        fn no_text_is_a_cursor_by_chance(text in ".{0,300}") {
            prop_assert_eq!(open("", &text), Err(BadCursor));
        }
    }
}
