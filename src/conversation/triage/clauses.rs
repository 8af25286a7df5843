//! What a clause does to the danger in it: denies it, supposes it, asks about it, tells it as past.
//!
//! A negation or a supposition covers only its own clause, so the borders matter most. Speech
//! recognition writes no commas: "what should I do there is a fire" has a border before "there is",
//! where a new subject and its verb begin.

use super::lexicon::WordId;
use super::pattern::{Membership, Set, Span};
use super::rules::{Role, Rules, Topics};
use super::tokens::{ARTICLE, COMMA, SENTENCE, Token};
use crate::domain::Topic;

/// Most words that a negation reaches over.
const NEGATION_REACH: usize = 8;

/// Most words between a new subject and its verb ("my old friend is").
const SUBJECT_REACH: usize = 3;

/// The clause supposes or asks.
pub(super) const SUPPOSED: u8 = 1;
/// The clause tells of earlier times.
pub(super) const PAST: u8 = 2;
/// The sentence tells of a film, a game, a dream.
pub(super) const FICTION: u8 = 4;
/// Supposed of "him" or "her", somebody who is there: not taken as a supposition about a person.
pub(super) const OF_SOMEBODY: u8 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Border {
    None,
    /// "and", a comma: ends a negation.
    Soft,
    /// A new subject with a verb in the past: ends a supposition, too.
    Hard,
    /// A new sentence, "but", a new subject with a verb in the present: ends a report, too.
    Present,
}

/// What the words around say about one word.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sense {
    /// Position of the negation that reaches this word, plus one; 0 if there is none.
    pub(super) negator: u32,
    pub(super) flags: u8,
}

/// The word classes that borders are made of.
pub(super) struct Grammar {
    and: Set,
    but: Set,
    subject: Set,
    possessive: Set,
    present: Set,
    finite: Set,
    leads_on: Set,
    auxiliary: Set,
    negator: Set,
    no: WordId,
    conditional: Set,
    asks: Set,
    knows: Set,
    somebody: Set,
    now: Set,
    act: Set,
}

impl Grammar {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            and: rules.set("AND"),
            but: rules.set("BUT"),
            subject: rules.set("SUBJECT"),
            possessive: rules.set("POSSESSIVE"),
            present: rules.set("PRESENT"),
            finite: rules.set("FINITE"),
            leads_on: rules.set("LEADS_ON"),
            auxiliary: rules.set("AUXILIARY"),
            negator: rules.set("NEGATOR"),
            no: rules.class("PLAIN_NO")[0],
            conditional: rules.set("CONDITIONAL"),
            asks: rules.set("ASKS"),
            knows: rules.set("KNOWS"),
            somebody: rules.set("SOMEBODY_THERE"),
            now: rules.set("NOW"),
            act: rules.set("ACT"),
        }
    }
}

/// The caller's words with the sense of each.
pub(super) struct Clauses<'a> {
    tokens: &'a [Token],
    sets: &'a Membership,
    grammar: &'a Grammar,
    borders: Vec<Border>,
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
            tokens,
            sets: &rules.sets,
            grammar,
            borders: Vec::new(),
            senses: vec![Sense::default(); tokens.len()],
        };
        clauses.borders = (0..tokens.len()).map(|at| clauses.border(at)).collect();
        clauses.mark_negations(found);
        clauses.mark_questions();
        for (role, span) in found {
            match role {
                Role::Supposing => clauses.mark_after(span.first(), Border::Hard, SUPPOSED),
                Role::Past => clauses.mark_past(*span),
                Role::Fiction => clauses.mark_fiction(*span),
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

    fn is(&self, at: usize, set: Set) -> bool {
        self.tokens.get(at).is_some_and(|it| self.sets.contains(it.word, set))
    }

    fn is_before(&self, at: usize, set: Set) -> bool {
        at > 0 && self.is(at - 1, set)
    }

    fn border(&self, at: usize) -> Border {
        let (token, grammar) = (self.tokens[at], self.grammar);
        if token.marks & SENTENCE != 0 || self.is(at, grammar.but) {
            return Border::Present;
        }
        let subject = self.new_subject(at);
        let follows_and = self.is_before(at, grammar.and);
        if subject > Border::Soft && !follows_and {
            return subject;
        }
        if token.marks & COMMA != 0 || self.is(at, grammar.and) {
            return Border::Soft;
        }
        Border::None
    }

    /// Whether a subject begins here and a verb follows it.
    fn new_subject(&self, at: usize) -> Border {
        let grammar = self.grammar;
        let leads_on = self.tokens[at].marks & COMMA == 0
            && (self.is_before(at, grammar.leads_on) || self.is_inverted(at));
        let begins = self.is(at, grammar.subject)
            || self.is(at, grammar.possessive)
            || self.tokens[at].marks & ARTICLE != 0;
        if leads_on || !begins {
            return Border::None;
        }
        for verb in at + 1..=at + SUBJECT_REACH {
            let Some(token) = self.tokens.get(verb) else { break };
            if token.marks & (SENTENCE | COMMA | ARTICLE) != 0 {
                break;
            }
            if self.is(verb, grammar.finite) {
                let is_present = self.is(verb, grammar.present);
                return if is_present { Border::Present } else { Border::Hard };
            }
            if self.is(verb, grammar.leads_on) {
                break;
            }
        }
        Border::None
    }

    /// Whether the auxiliary before `at` waits for its subject: "is there", but not "I do there".
    fn is_inverted(&self, at: usize) -> bool {
        let grammar = self.grammar;
        let is_complete = at > 1 && self.is_before(at - 1, grammar.subject);
        self.is_before(at, grammar.auxiliary) && !is_complete
    }

    fn mark_negations(&mut self, found: &[(Role, Span)]) {
        let mut idle = vec![false; self.tokens.len()];
        for (role, span) in found {
            if *role == Role::Idle {
                span.positions().for_each(|at| idle[at] = true);
            }
        }
        for at in 0..self.tokens.len() {
            if !self.is(at, self.grammar.negator) || idle[at] {
                continue;
            }
            // "no he is not breathing", "no my leg": an interjection.
            let is_plain_no = self.tokens[at].word == self.grammar.no;
            let next = at + 1;
            if is_plain_no
                && (self.is(next, self.grammar.possessive) || self.is(next, self.grammar.subject))
                && self.borders.get(next).is_some_and(|it| *it >= Border::Hard)
            {
                continue;
            }
            let end = (next + NEGATION_REACH).min(self.tokens.len());
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
        let grammar = self.grammar;
        for at in 0..self.tokens.len() {
            if self.is(at, grammar.conditional) {
                if self.is_before(at, grammar.knows) {
                    continue; // "I don't know if he is breathing"
                }
                let of_somebody = self.is(at + 1, grammar.somebody);
                let flags = SUPPOSED | if of_somebody { OF_SOMEBODY } else { 0 };
                self.mark_after(at, Border::Hard, flags);
            }
            if self.tokens[at].marks & SENTENCE == 0 {
                continue;
            }
            let asks = self.is(at, grammar.asks) && self.is(at + 1, grammar.auxiliary);
            let inverts = self.is(at, grammar.auxiliary)
                && (self.is(at + 1, grammar.subject)
                    || self.is(at + 1, grammar.possessive)
                    || self.tokens.get(at + 1).is_some_and(|it| it.marks & ARTICLE != 0));
            // "what do I do" asks for help; what follows is supposed only if it says so.
            let asks_for_help =
                asks && self.is(at + 2, grammar.subject) && self.is(at + 3, grammar.act);
            if (asks || inverts) && !asks_for_help {
                self.mark_after(at, Border::Soft, SUPPOSED);
            }
        }
    }

    /// Flags the words from `at` up to the next border of at least this strength.
    fn mark_after(&mut self, at: usize, until: Border, flags: u8) {
        self.senses[at].flags |= flags;
        for here in at + 1..self.tokens.len() {
            let is_done = self.senses[here].flags & flags == flags;
            if self.borders[here] >= until || is_done {
                break;
            }
            self.senses[here].flags |= flags;
        }
    }

    fn mark_past(&mut self, span: Span) {
        let (from, to) =
            self.surroundings(span, |clauses, at| clauses.borders[at] == Border::Present);
        let is_ongoing = (from..to).any(|at| self.is(at, self.grammar.now));
        if !is_ongoing {
            self.senses[from..to].iter_mut().for_each(|it| it.flags |= PAST);
        }
    }

    fn mark_fiction(&mut self, span: Span) {
        if self.is_denied(span) {
            return;
        }
        let (from, to) = self.surroundings(span, |clauses, at| {
            clauses.tokens[at].marks & SENTENCE != 0 || clauses.is(at, clauses.grammar.but)
        });
        self.senses[from..to].iter_mut().for_each(|it| it.flags |= FICTION);
    }

    fn surroundings(&self, span: Span, is_border: impl Fn(&Self, usize) -> bool) -> (usize, usize) {
        let (mut from, mut to) = (span.first(), span.last() + 1);
        while from > 0 && !is_border(self, from) {
            from -= 1;
        }
        while to < self.tokens.len() && !is_border(self, to) {
            to += 1;
        }
        (from, to)
    }
}

/// Which dangers are over or only rehearsed, for the whole utterance.
pub(super) struct Calm {
    over_until: [usize; Topics::COUNT],
    rehearsed: Topics,
}

impl Calm {
    pub(super) fn new(clauses: &Clauses<'_>, found: &[(Role, Span)]) -> Self {
        let mut calm = Self { over_until: [0; Topics::COUNT], rehearsed: Topics::default() };
        let is_real = found.iter().any(|(role, _)| *role == Role::Real);
        for (role, span) in found {
            let holds = !clauses.is_denied(*span) && !clauses.is_all(*span, SUPPOSED);
            match role {
                Role::Resolved(topics) if holds => calm.settle(*topics, span.last() + 1),
                Role::Drill(topics) if holds && !is_real => {
                    calm.rehearsed = calm.rehearsed.union(*topics);
                }
                _ => {}
            }
        }
        calm
    }

    fn settle(&mut self, topics: Topics, until: usize) {
        for (index, over_until) in self.over_until.iter_mut().enumerate() {
            if topics.has(index) {
                *over_until = until.max(*over_until);
            }
        }
    }

    /// Whether the caller said that danger of this topic, mentioned here, is none.
    pub(super) fn covers(&self, topic: Option<Topic>, span: Span) -> bool {
        self.rehearsed.contains(topic) || span.first() < self.over_until[Topics::index(topic)]
    }
}
