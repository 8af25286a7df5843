//! What a clause does to the danger in it: denies it, supposes it, asks about it, tells it as past.
//!
//! A negation or a supposition covers only its own clause, so the borders matter most. Speech
//! recognition writes no commas: "what should I do there is a fire" has a border before "there is",
//! where a new subject and its verb begin.

use super::borders::{Border, Grammar, Words};
use super::pattern::Span;
use super::rules::{Role, Rules};
use super::tokens::{SENTENCE, Token};

/// Most words that a negation reaches over.
const NEGATION_REACH: usize = 8;

/// The clause supposes or asks.
pub(super) const SUPPOSED: u8 = 1;
/// The clause tells of earlier times.
pub(super) const PAST: u8 = 2;
/// The sentence tells of a film, a game, a dream.
pub(super) const FICTION: u8 = 4;
/// Supposed of "him" or "her", somebody who is there: not taken as a supposition about a person.
pub(super) const OF_SOMEBODY: u8 = 8;

/// What the words around say about one word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sense {
    /// Position of the negation that reaches this word, plus one; 0 if there is none.
    pub(super) negator: u32,
    pub(super) flags: u8,
}

/// The caller's words with the sense of each.
pub(super) struct Clauses<'a> {
    words: Words<'a>,
    borders: Vec<Border>,
    /// Up to where a report of the past and a fiction were looked for, so that a long one is read once.
    past_until: usize,
    fiction_until: usize,
    pub(super) senses: Vec<Sense>,
}

impl<'a> Clauses<'a> {
    /// Finds the clauses; `found` are the matches of all rules.
    pub(super) fn new(
        tokens: &'a [Token],
        rules: &'a Rules,
        grammar: &'a Grammar,
        found: &[(Role, Span)],
    ) -> Self {
        let mut clauses = Self {
            words: Words { tokens, sets: &rules.sets, grammar },
            borders: Vec::new(),
            past_until: 0,
            fiction_until: 0,
            senses: vec![Sense::default(); tokens.len()],
        };
        clauses.borders = (0..tokens.len()).map(|at| clauses.words.border(at)).collect();
        clauses.mark_negations(found);
        clauses.mark_questions();
        let is_real = is_real(found);
        for (role, span) in found {
            match role {
                Role::Supposing => clauses.mark_after(span.first(), Border::Hard, SUPPOSED),
                Role::Past => clauses.mark_past(*span),
                Role::Fiction if !is_real => clauses.mark_fiction(*span),
                _ => {}
            }
        }
        clauses
    }

    /// Whether a negation from outside reaches one of the words.
    pub(super) fn is_denied(&self, span: Span) -> bool {
        span.positions().any(|at| {
            let negator = self.senses[at].negator as usize;
            negator > 0 && !span.contains(negator - 1)
        })
    }

    /// Whether all the words carry one of the flags.
    pub(super) fn is_all(&self, span: Span, flags: u8) -> bool {
        span.positions().all(|at| self.senses[at].flags & flags != 0)
    }

    /// Whether a new clause begins in a gap between the words: "the truck hit her, she is not moving"
    /// says nothing about a truck that does not move.
    pub(super) fn leaps_border(&self, span: Span) -> bool {
        let mut between = span.first() + 1..span.last();
        between.any(|at| self.borders[at] >= Border::Joined && !span.contains(at))
    }

    fn mark_negations(&mut self, found: &[(Role, Span)]) {
        let mut idle = vec![false; self.words.tokens.len()];
        for (role, span) in found {
            if *role == Role::Idle {
                span.positions().for_each(|at| idle[at] = true);
            }
        }
        for (at, is_idle) in idle.into_iter().enumerate() {
            if !self.words.is(at, self.words.grammar.negator) || is_idle {
                continue;
            }
            // "no he is not breathing", "no my leg": an interjection.
            let is_plain_no = self.words.tokens[at].word == self.words.grammar.no;
            let next = at + 1;
            if is_plain_no
                && (self.words.is(next, self.words.grammar.possessive)
                    || self.words.is(next, self.words.grammar.subject))
                && self.borders.get(next).is_some_and(|it| *it >= Border::Hard)
            {
                continue;
            }
            let end = (next + NEGATION_REACH).min(self.words.tokens.len());
            for here in next..end {
                if self.borders[here] >= Border::Soft {
                    break;
                }
                self.senses[here].negator = u32::try_from(at + 1).unwrap_or(0);
            }
        }
    }

    /// Marks what "if" supposes and what a question asks.
    fn mark_questions(&mut self) {
        let grammar = self.words.grammar;
        for at in 0..self.words.tokens.len() {
            if self.words.is(at, grammar.conditional) {
                if self.words.is_before(at, grammar.knows) {
                    continue; // "I don't know if he is breathing"
                }
                let of_somebody = self.words.is(at + 1, grammar.somebody);
                let flags = SUPPOSED | if of_somebody { OF_SOMEBODY } else { 0 };
                self.mark_after(at, Border::Hard, flags);
            }
            if self.words.tokens[at].marks & SENTENCE == 0 {
                continue;
            }
            let asks = self.words.is(at, grammar.asks) && self.words.is(at + 1, grammar.auxiliary);
            let inverts = self.words.inverts(at);
            // "what do I do" asks for help; what follows is supposed only if it says so.
            let asks_for_help = asks
                && self.words.is(at + 2, grammar.subject)
                && self.words.is(at + 3, grammar.act);
            if (asks || inverts) && !asks_for_help {
                self.mark_after(at, Border::Joined, SUPPOSED);
            }
        }
    }

    /// Flags the words from `at` up to the next border of at least this strength.
    fn mark_after(&mut self, at: usize, until: Border, flags: u8) {
        self.senses[at].flags |= flags;
        for here in at + 1..self.words.tokens.len() {
            let is_done = self.senses[here].flags & flags == flags;
            if self.borders[here] >= until || is_done {
                break;
            }
            self.senses[here].flags |= flags;
        }
    }

    fn mark_past(&mut self, span: Span) {
        if span.last() < self.past_until {
            return;
        }
        let (from, to) =
            self.surroundings(span, |clauses, at| clauses.borders[at] == Border::Present);
        self.past_until = to;
        let is_ongoing = (from..to).any(|at| self.words.is(at, self.words.grammar.now));
        if !is_ongoing {
            self.senses[from..to].iter_mut().for_each(|it| it.flags |= PAST);
        }
    }

    fn mark_fiction(&mut self, span: Span) {
        if span.last() < self.fiction_until {
            return;
        }
        // "not a film"; the negation of "I can't breathe in this tie haha" is another one.
        let negator = self.senses[span.first()].negator as usize;
        if negator > 0 && span.first() < negator + 3 {
            return;
        }
        let (from, to) = self.surroundings(span, |clauses, at| {
            clauses.words.tokens[at].marks & SENTENCE != 0
                || clauses.words.is(at, clauses.words.grammar.but)
        });
        self.fiction_until = to;
        self.senses[from..to].iter_mut().for_each(|it| it.flags |= FICTION);
    }

    fn surroundings(&self, span: Span, is_border: impl Fn(&Self, usize) -> bool) -> (usize, usize) {
        let (mut from, mut to) = (span.first(), span.last() + 1);
        while from > 0 && !is_border(self, from) {
            from -= 1;
        }
        while to < self.words.tokens.len() && !is_border(self, to) {
            to += 1;
        }
        (from, to)
    }
}

/// Whether the caller insists that it is real: no drill, no joke.
pub(super) fn is_real(found: &[(Role, Span)]) -> bool {
    found.iter().any(|(role, _)| *role == Role::Real)
}
