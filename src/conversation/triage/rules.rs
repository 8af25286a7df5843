//! What the rule files say, compiled: words, sets of words, and patterns with their meaning.
//!
//! The language is described at the top of `rules/classes.rules` and in `docs/triage.md`. The files
//! are part of the program, so a mistake in them is a failed test, not an error at run time.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::lexicon::{Lexicon, WordId};
use super::pattern::{Membership, Pattern, Set};
use crate::domain::{Topic, Urgency};

/// What a match means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Danger. A firm one counts in a question, a hypothesis or a report of the past, too.
    Danger { urgency: Urgency, topic: Option<Topic>, is_firm: bool },
    /// A figure of speech or a harmless compound ("fire drill") that hides its words.
    Neutral,
    /// The sentence tells of earlier times.
    Past,
    /// The sentence tells of a film, a game, a dream.
    Fiction,
    /// From here on the clause supposes something.
    Supposing,
    /// Danger of these topics is only rehearsed.
    Drill(Topics),
    /// Danger of these topics, mentioned so far, is over.
    Resolved(Topics),
    /// The caller insists that it is real.
    Real,
    /// A negation that denies nothing: "I don't know".
    Idle,
}

/// A set of topics, the missing topic included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Topics(u16);

impl Topics {
    pub(super) const COUNT: usize = 13;

    pub(super) fn index(topic: Option<Topic>) -> usize {
        topic.map_or(Self::COUNT - 1, |it| it as usize)
    }

    pub(super) fn contains(self, topic: Option<Topic>) -> bool {
        self.has(Self::index(topic))
    }

    pub(super) fn has(self, index: usize) -> bool {
        self.0 >> index & 1 == 1
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A pattern and its meaning.
pub(super) struct Rule {
    pub(super) role: Role,
    pub(super) pattern: Pattern,
    /// As written, for tests and for whoever asks why.
    pub(super) source: Box<str>,
}

/// Everything that the rule files say.
pub(super) struct Rules {
    pub(super) lexicon: Lexicon,
    pub(super) sets: Membership,
    pub(super) rules: Vec<Rule>,
    /// By word: the rules of whose anchor it is a possible word.
    pub(super) by_anchor: Vec<Box<[u16]>>,
    pub(super) classes: FxHashMap<String, BTreeSet<WordId>>,
    pub(super) set_ids: FxHashMap<BTreeSet<WordId>, Set>,
}

impl Rules {
    /// Rules of whose anchor this is a possible word; none for a word that only has a weight.
    pub(super) fn anchored(&self, word: WordId) -> &[u16] {
        self.by_anchor.get(usize::from(word)).map_or(&[], |it| it)
    }

    /// Words of a class that the program itself knows by name.
    pub(super) fn class(&self, name: &str) -> Vec<WordId> {
        let class = self.classes.get(name).unwrap_or_else(|| panic!("rules lack class {name}"));
        class.iter().copied().collect()
    }

    /// The class as a set for [`Membership::contains`].
    pub(super) fn set(&self, name: &str) -> Set {
        let class = self.classes.get(name).unwrap_or_else(|| panic!("rules lack class {name}"));
        self.set_ids[class]
    }
}

impl FromIterator<Option<Topic>> for Topics {
    fn from_iter<I: IntoIterator<Item = Option<Topic>>>(topics: I) -> Self {
        let bits = topics.into_iter().fold(0, |all, it| all | 1 << Self::index(it));
        Self(bits)
    }
}
