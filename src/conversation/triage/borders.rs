//! Where clauses end: at punctuation and conjunctions, and where a new subject and its verb begin.
//!
//! Speech recognition writes no commas: "what should I do there is a fire" has a border before
//! "there is".

use super::lexicon::WordId;
use super::pattern::{Membership, Set};
use super::rules::Rules;
use super::tokens::{ARTICLE, COMMA, SENTENCE, Token};

/// Most words between a new subject and its verb ("my old friend is").
const SUBJECT_REACH: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Border {
    None,
    /// "and", a comma: ends a negation.
    Soft,
    /// "and" or a comma before a new subject with a verb: ends a question.
    Joined,
    /// A new subject with a verb in the past: ends a supposition, too.
    Hard,
    /// A new sentence, "but", a new subject with a verb in the present: ends a report, too.
    Present,
}

/// The word classes that borders are made of.
pub(super) struct Grammar {
    pub(super) and: Set,
    pub(super) but: Set,
    pub(super) subject: Set,
    pub(super) possessive: Set,
    pub(super) present: Set,
    pub(super) finite: Set,
    pub(super) leads_on: Set,
    pub(super) auxiliary: Set,
    pub(super) negator: Set,
    pub(super) no: WordId,
    pub(super) conditional: Set,
    pub(super) asks: Set,
    pub(super) knows: Set,
    pub(super) somebody: Set,
    pub(super) now: Set,
    pub(super) modal: Set,
    pub(super) request: Set,
    pub(super) act: Set,
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
            modal: rules.set("MODAL"),
            request: rules.set("REQUEST"),
            act: rules.set("ACT"),
        }
    }
}

/// The caller's words and the classes they are in.
pub(super) struct Words<'a> {
    pub(super) tokens: &'a [Token],
    pub(super) sets: &'a Membership,
    pub(super) grammar: &'a Grammar,
}

impl Words<'_> {
    pub(super) fn is(&self, at: usize, set: Set) -> bool {
        self.tokens.get(at).is_some_and(|it| self.sets.contains(it.word, set))
    }

    pub(super) fn is_before(&self, at: usize, set: Set) -> bool {
        at > 0 && self.is(at - 1, set)
    }

    pub(super) fn border(&self, at: usize) -> Border {
        let (token, grammar) = (self.tokens[at], self.grammar);
        if token.marks & SENTENCE != 0 || self.is(at, grammar.but) {
            return Border::Present;
        }
        let subject = self.new_subject(at);
        let follows_and = self.is_before(at, grammar.and);
        if subject > Border::Soft && !follows_and {
            return subject;
        }
        if follows_and && subject > Border::Soft {
            return Border::Joined;
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
            let Some(token) = self.tokens.get(verb) else {
                break;
            };
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

    /// Whether a sentence opens with its verb: "is there", "can carbon monoxide be".
    pub(super) fn inverts(&self, at: usize) -> bool {
        let grammar = self.grammar;
        let next = at + 1;
        let is_followed_by_subject = self.is(next, grammar.subject)
            || self.is(next, grammar.possessive)
            || self.tokens.get(next).is_some_and(|it| it.marks & ARTICLE != 0);
        let is_plea = self.is(next, grammar.request) || self.is(next + 1, grammar.request);
        let is_modal = self.is(at, grammar.modal) && !self.is(next, grammar.negator);
        !is_plea && (is_modal || self.is(at, grammar.auxiliary) && is_followed_by_subject)
    }
}
