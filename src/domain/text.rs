//! Text from outside: cleaned and bounded once, here, then trusted.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

/// Why a text was refused. Never carries the text itself: it may be what a caller said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadText {
    #[error("must not be empty")]
    Empty,
    #[error("is {got} bytes long; at most {max} are accepted")]
    TooLong { got: usize, max: usize },
    #[error("holds a character that is not allowed there")]
    Character,
}

/// Reads any type that has a text form.
pub(super) fn parse_str<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    struct Parsed<T>(PhantomData<T>);
    impl<T: FromStr> serde::de::Visitor<'_> for Parsed<T>
    where
        T::Err: fmt::Display,
    {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    from.deserialize_str(Parsed(PhantomData))
}

/// Without what only a machine or a trickster writes: control characters become blanks, marks
/// that reorder the display (Unicode UAX #9: LRM, RLM, ALM, embeddings, overrides, isolates),
/// byte order marks and noncharacters go. Every word stays as it was.
pub fn clean(text: &str) -> Cow<'_, str> {
    fn drops(c: char) -> bool {
        matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}')
    }
    fn blanks(c: char) -> bool {
        c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
    }
    let trimmed = text.trim();
    if !trimmed.bytes().any(|b| !(0x20..0x7F).contains(&b))
        || !trimmed.chars().any(|c| drops(c) || blanks(c))
    {
        return Cow::Borrowed(trimmed);
    }
    let kept: String =
        trimmed.chars().filter(|c| !drops(*c)).map(|c| if blanks(c) { ' ' } else { c }).collect();
    Cow::Owned(kept.trim().to_owned())
}

/// What somebody said in one turn: at least one visible character, at most
/// [`Utterance::MAX_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Utterance(Arc<str>);

impl Utterance {
    /// As much as a request's body holds, so that no accepted request is cut.
    pub const MAX_BYTES: usize = 16 * 1024;

    pub fn parse(text: &str) -> Result<Self, BadText> {
        let clean = clean(text);
        if clean.is_empty() {
            return Err(BadText::Empty);
        }
        if clean.len() > Self::MAX_BYTES {
            return Err(BadText::TooLong { got: clean.len(), max: Self::MAX_BYTES });
        }
        Ok(Self(clean.as_ref().into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// What a supervisor writes about a call: lines of at most [`Note::MAX_BYTES`] together. An empty
/// one says that there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct Note(Arc<str>);

impl Note {
    pub const MAX_BYTES: usize = 4_000;

    pub fn parse(text: &str) -> Result<Self, BadText> {
        let lines: Vec<_> = text.trim().lines().map(clean).collect();
        let text = lines.join("\n");
        if text.len() > Self::MAX_BYTES {
            return Err(BadText::TooLong { got: text.len(), max: Self::MAX_BYTES });
        }
        Ok(Self(text.trim().into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Stands for a deletion.
    pub fn deleted() -> Self {
        Self("deleted".into())
    }

    /// `None` if it says nothing.
    pub fn if_any(self) -> Option<Self> {
        (!self.is_empty()).then_some(self)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Label> for Note {
    fn from(label: &Label) -> Self {
        Self(Arc::clone(&label.0))
    }
}

impl FromStr for Note {
    type Err = BadText;
    fn from_str(text: &str) -> Result<Self, BadText> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parse_str(from)
    }
}

/// A short word of a provider or a person: a call's `CallSid`, a language, a supervisor's name.
/// One line of 1 to 64 visible characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Label(Arc<str>);

impl Label {
    pub const MAX_BYTES: usize = 64;

    pub fn parse(text: &str) -> Result<Self, BadText> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(BadText::Empty);
        }
        if trimmed.len() > Self::MAX_BYTES {
            return Err(BadText::TooLong { got: trimmed.len(), max: Self::MAX_BYTES });
        }
        if clean(trimmed) != trimmed {
            return Err(BadText::Character);
        }
        Ok(Self(trimmed.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = BadText;
    fn from_str(text: &str) -> Result<Self, BadText> {
        Self::parse(text)
    }
}

impl std::borrow::Borrow<str> for Label {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parse_str(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_stay_and_tricks_go() {
        assert_eq!(clean(" there\tis \u{202E}a fire\u{0} "), "there is a fire");
        assert_eq!(clean("há incêndio 🔥"), "há incêndio 🔥");
        assert_eq!(Utterance::parse(" \u{200F}\n "), Err(BadText::Empty));
        assert!(Utterance::parse(&"x".repeat(Utterance::MAX_BYTES + 1)).is_err());
    }

    proptest! {
        #[test]
        fn cleaning_is_final(text in any::<String>()) {
            let once = clean(&text).into_owned();
            prop_assert_eq!(clean(&once), once.as_str());
        }

        #[test]
        fn a_note_reads_back_as_it_is(text in "(?s).{0,200}") {
            let note = Note::parse(&text).unwrap();
            prop_assert_eq!(Note::parse(note.as_str()), Ok(note));
        }
    }
}
