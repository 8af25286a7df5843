//! One rule: a row of words and classes with small gaps, matched around its rarest word.
//!
//! A word of the caller looks up the patterns that it could be the rarest word of, so a sentence
//! is compared with few of them, and a long one costs as much per word as a short one.

use super::tokens::{SENTENCE, Token};

/// A set of words: a class, a word, or several joined with `|`.
pub(super) type Set = u16;

/// How far a pattern reaches to either side of its anchor, so that a match fits into 64 bits.
const REACH: usize = 31;

/// One place of a pattern.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) set: Set,
    /// Most words that may stand between the place before and this one.
    pub(super) gap: u8,
    pub(super) is_optional: bool,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub(super) places: Box<[Place]>,
    /// The rarest place, which is never optional.
    pub(super) anchor: usize,
    /// `^`: the first word opens a sentence.
    pub(super) at_start: bool,
    /// `$`: the last word closes a sentence.
    pub(super) at_end: bool,
}

/// Which sets a word is in: one row of bits a word.
pub(super) struct Membership {
    pub(super) bits: Vec<u64>,
    pub(super) n_columns: usize,
}

impl Membership {
    pub(super) fn contains(&self, word: u16, set: Set) -> bool {
        let cell = usize::from(word) * self.n_columns + usize::from(set) / 64;
        // Words that only have a weight came after the rules and are in no set.
        self.bits.get(cell).is_some_and(|it| it >> (set % 64) & 1 == 1)
    }
}

/// The words that a pattern matched, the gaps left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    base: u32,
    mask: u64,
}

impl Span {
    pub(super) fn first(self) -> usize {
        self.base as usize + self.mask.trailing_zeros() as usize
    }

    pub(super) fn last(self) -> usize {
        self.base as usize + (63 - self.mask.leading_zeros()) as usize
    }

    pub(super) fn n_words(self) -> u32 {
        self.mask.count_ones()
    }

    pub(super) fn contains(self, at: usize) -> bool {
        let base = self.base as usize;
        at >= base && at < base + 64 && self.mask >> (at - base) & 1 == 1
    }

    pub(super) fn positions(self) -> impl Iterator<Item = usize> {
        let mut mask = self.mask;
        std::iter::from_fn(move || {
            let bit = mask.trailing_zeros() as usize;
            mask = mask.checked_sub(1)? & mask;
            Some(self.base as usize + bit)
        })
    }

    pub(super) fn is_within(self, other: Span) -> bool {
        self.positions().all(|at| other.contains(at))
    }
}

impl Pattern {
    /// Tries the pattern with its anchor on the token at `at`, which is known to fit there.
    pub(super) fn match_at(&self, at: usize, tokens: &[Token], sets: &Membership) -> Option<Span> {
        let base = at.saturating_sub(REACH);
        let search = Search { tokens, sets, base, pattern: self };
        let left = search.left(self.anchor, at)?;
        let right = search.right(self.anchor + 1, at)?;
        Some(Span { base: u32::try_from(base).ok()?, mask: left | right | 1 << (at - base) })
    }
}

struct Search<'a> {
    tokens: &'a [Token],
    sets: &'a Membership,
    base: usize,
    pattern: &'a Pattern,
}

impl Search<'_> {
    /// Matches the places from `next` on, to the right of the token at `at`.
    fn right(&self, next: usize, at: usize) -> Option<u64> {
        let Some(place) = self.pattern.places.get(next) else {
            let closes = self.tokens.get(at + 1).is_none_or(opens_sentence);
            return (!self.pattern.at_end || closes).then_some(0);
        };
        for here in at + 1..=at + 1 + usize::from(place.gap) {
            let Some(token) = self.tokens.get(here) else {
                break;
            };
            if opens_sentence(token) || here - self.base > 63 {
                break;
            }
            if self.sets.contains(token.word, place.set)
                && let Some(rest) = self.right(next + 1, here)
            {
                return Some(rest | 1 << (here - self.base));
            }
        }
        if place.is_optional { self.right(next + 1, at) } else { None }
    }

    /// Matches the places before `next`, to the left of the token at `at`.
    ///
    /// A gap belongs to the place after it, so the gap to leave here is that of `next`.
    fn left(&self, next: usize, at: usize) -> Option<u64> {
        if next == 0 {
            let opens = at == 0 || opens_sentence(&self.tokens[at]);
            return (!self.pattern.at_start || opens).then_some(0);
        }
        let place = self.pattern.places[next - 1];
        let gap = usize::from(self.pattern.places[next].gap);
        for steps in 1..=1 + gap {
            if at < self.base + steps || opens_sentence(&self.tokens[at + 1 - steps]) {
                break;
            }
            let here = at - steps;
            if self.sets.contains(self.tokens[here].word, place.set)
                && let Some(rest) = self.left(next - 1, here)
            {
                return Some(rest | 1 << (here - self.base));
            }
        }
        if place.is_optional { self.left(next - 1, at) } else { None }
    }
}

fn opens_sentence(token: &Token) -> bool {
    token.marks & SENTENCE != 0
}
