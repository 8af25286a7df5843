//! Triage: how urgent are the caller's words, and what are they about? By rules, in microseconds.
//!
//! # Promises
//! - Any string gets an answer; time and memory grow in proportion to its length.
//! - No network, no clock, no state: the same words always get the same answer.
//! - A negation or a supposition covers only its own clause; real danger in another one wins.
//!
//! # Not here
//! The rules themselves: `rules/*.rules`, data that is compiled at first use. How to add one and
//! how they are measured: `docs/triage.md`. That urgency never falls during a call: the desk.

mod borders;
mod calm;
mod clauses;
mod compiler;
mod evidence;
mod lexicon;
mod pattern;
mod rules;
mod tokens;

use std::cmp::Reverse;
use std::sync::LazyLock;

use self::borders::Grammar;
use self::calm::Calm;
use self::clauses::{Clauses, FICTION, OF_SOMEBODY, PAST, SUPPOSED};
use self::evidence::{Evidence, Opinion};
use self::pattern::Span;
use self::rules::{Role, Rules};
use self::tokens::{Habits, Token};
use crate::domain::{Topic, Urgency};

const FILES: [&str; 9] = [
    include_str!("rules/classes.rules"),
    include_str!("rules/context.rules"),
    include_str!("rules/harmless.rules"),
    include_str!("rules/people.rules"),
    include_str!("rules/hazards.rules"),
    include_str!("rules/urgent.rules"),
    include_str!("rules/accidents.rules"),
    include_str!("rules/everyday.rules"),
    include_str!("rules/foreign.rules"),
];
const WEIGHTS: &str = include_str!("rules/evidence.weights");

/// What triage makes of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Assessment {
    pub urgency: Urgency,
    /// What it is about; `None` for everyday talk and for a plain cry for help.
    pub topic: Option<Topic>,
}

/// The compiled rules.
pub struct Triage {
    rules: Rules,
    habits: Habits,
    grammar: Grammar,
    evidence: Evidence,
}

impl Triage {
    /// The rules that come with Aurora, compiled at first use.
    pub fn builtin() -> &'static Triage {
        static BUILTIN: LazyLock<Triage> = LazyLock::new(|| {
            let rules = compiler::compile(&FILES);
            Triage::new(rules.unwrap_or_else(|err| panic!("built-in triage rules: {err}")))
        });
        &BUILTIN
    }

    fn new(mut rules: Rules) -> Self {
        let one = |name: &str| rules.class(name)[0];
        let habits = Habits {
            articles: rules.class("ARTICLES"),
            fillers: rules.class("FILLERS"),
            cries: rules.class("CRIES"),
            is: one("PLAIN_IS"),
            are: one("PLAIN_ARE"),
            am: one("PLAIN_AM"),
            will: one("PLAIN_WILL"),
            have: one("PLAIN_HAVE"),
            would: one("PLAIN_WOULD"),
            not: one("PLAIN_NOT"),
        };
        let grammar = Grammar::new(&rules);
        let evidence = Evidence::parse(WEIGHTS, &mut rules.lexicon);
        Self { rules, habits, grammar, evidence }
    }

    /// Rates one utterance: what speech recognition heard, or what somebody typed.
    pub fn assess(&self, speech: &str) -> Assessment {
        let tokens = tokens::tokenise(speech, &self.rules.lexicon, &self.habits);
        let found = self.find(&tokens);
        let opinion = self.evidence.opinion(&tokens);
        let critical = Assessment { urgency: Urgency::Critical, topic: None };
        let is_danger = |it: &(Role, Span)| matches!(it.0, Role::Danger { .. });
        if !found.iter().any(is_danger) {
            let is_overlooked = opinion == Opinion::ClearDanger && !found.iter().any(is_calming);
            return if is_overlooked { critical } else { Assessment::default() };
        }

        let clauses = Clauses::new(&tokens, &self.rules, &self.grammar, &found);
        let calm = Calm::new(&clauses, &found);
        let hidden = Hidden::new(&clauses, &found);
        // A danger that is denied, supposed or past is understood: the words alone know no better.
        let mut is_understood = found.iter().any(is_calming);
        let (mut is_firmly_said, mut n_critical) = (clauses::is_real(&found), 0);
        let rated = found
            .iter()
            .filter_map(|(role, span)| match *role {
                Role::Danger { urgency, topic, is_firm } if !hidden.hides(*span) => {
                    let counts = counts(*role, *span, &clauses, &calm);
                    is_understood |= !counts && urgency == Urgency::Critical;
                    is_firmly_said |= counts && is_firm;
                    n_critical += u32::from(counts && urgency == Urgency::Critical);
                    counts.then_some(Assessment { urgency, topic })
                }
                _ => None,
            })
            .max_by_key(|it| (it.urgency, Reverse(rank(it.topic))))
            .unwrap_or_default();
        match opinion {
            Opinion::Everyday if !is_firmly_said && n_critical < AGREED => Assessment::default(),
            Opinion::Danger | Opinion::ClearDanger
                if !is_understood && rated.urgency < Urgency::Critical =>
            {
                Assessment { topic: rated.topic, ..critical }
            }
            _ => rated,
        }
    }

    fn find(&self, tokens: &[Token]) -> Vec<(Role, Span)> {
        let mut found = Vec::with_capacity(16);
        for (at, token) in tokens.iter().enumerate() {
            for &id in self.rules.anchored(token.word) {
                let rule = &self.rules.rules[usize::from(id)];
                if let Some(span) = rule.pattern.match_at(at, tokens, &self.rules.sets) {
                    found.push((rule.role, span));
                }
            }
        }
        found
    }

    /// The rules that match and whether each counts, to find out why a sentence is rated as it is.
    pub fn explain(&self, speech: &str) -> Vec<String> {
        let tokens = tokens::tokenise(speech, &self.rules.lexicon, &self.habits);
        let found = self.find(&tokens);
        let clauses = Clauses::new(&tokens, &self.rules, &self.grammar, &found);
        let calm = Calm::new(&clauses, &found);
        let hidden = Hidden::new(&clauses, &found);
        let mut lines = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            for &id in self.rules.anchored(token.word) {
                let rule = &self.rules.rules[usize::from(id)];
                let Some(span) = rule.pattern.match_at(at, &tokens, &self.rules.sets) else {
                    continue;
                };
                let counts = counts(rule.role, span, &clauses, &calm);
                let verdict = match (hidden.hides(span), counts) {
                    (true, _) => "hidden",
                    (_, false) => "does not count",
                    _ => "counts",
                };
                lines.push(format!("{:?} [{}]: {verdict}", rule.role, rule.source));
            }
        }
        lines
    }
}

/// Whether a rule says that it is over, rehearsed, told or past.
fn is_calming((role, _): &(Role, Span)) -> bool {
    matches!(
        role,
        Role::Resolved(_)
            | Role::Drill(_)
            | Role::Fiction
            | Role::Past
            | Role::Neutral
            | Role::Supposing
    )
}

/// Whether a danger is meant: said of here and now, and not denied.
fn counts(role: Role, span: Span, clauses: &Clauses<'_>, calm: &Calm) -> bool {
    let Role::Danger { topic, is_firm, .. } = role else {
        return true;
    };
    let is_about_somebody = matches!(topic, Some(Topic::Unconscious | Topic::Medical))
        && clauses.is_all(span, OF_SOMEBODY);
    let is_distant =
        clauses.is_all(span, PAST) || clauses.is_all(span, SUPPOSED) && !is_about_somebody;
    !clauses.is_denied(span)
        && !clauses.is_all(span, FICTION)
        && (is_firm || !is_distant)
        && !calm.covers(topic, span)
}

/// The order in which topics choose the card: the shortest time to live first.
fn rank(topic: Option<Topic>) -> u8 {
    match topic {
        Some(Topic::Unconscious) => 0,
        Some(Topic::SelfHarm) => 1,
        Some(Topic::Violence) => 2,
        Some(Topic::Fire) => 3,
        Some(Topic::Electrical) => 4,
        Some(Topic::Gas) => 5,
        Some(Topic::Chemical) => 6,
        Some(Topic::Entrapment) => 7,
        Some(Topic::Medical) => 8,
        Some(Topic::Injury) => 9,
        Some(Topic::Evacuation) => 10,
        Some(Topic::Equipment) => 11,
        None => 12,
    }
}

/// So many rules that agree on danger are right, however the words sound.
const AGREED: u32 = 3;
/// A danger with this many words that no figure of speech takes is heard all the same.
const WITNESSES: usize = 3;

/// The words that figures of speech and harmless compounds take for themselves.
struct Hidden {
    /// By word: the longest harmless match on it.
    by_word: Vec<Option<Span>>,
}

impl Hidden {
    fn new(clauses: &Clauses<'_>, found: &[(Role, Span)]) -> Self {
        let mut by_word: Vec<Option<Span>> = Vec::new();
        for (role, span) in found {
            if *role != Role::Neutral || clauses.leaps_border(*span) {
                continue;
            }
            by_word.resize(clauses.senses.len(), None);
            for at in span.positions() {
                if by_word[at].is_none_or(|it| it.n_words() < span.n_words()) {
                    by_word[at] = Some(*span);
                }
            }
        }
        Self { by_word }
    }

    /// Whether a harmless match shares a word with this one and also has words that it lacks.
    fn hides(&self, span: Span) -> bool {
        if self.by_word.is_empty() {
            return false;
        }
        let is_open = |at: &usize| self.by_word[*at].is_none();
        let is_hidden = |at: usize| self.by_word[at].is_some_and(|it| !it.is_within(span));
        span.positions().any(is_hidden) && span.positions().filter(is_open).count() < WITNESSES
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod weigh;
