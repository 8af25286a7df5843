//! Which card fits what was heard, and when it takes over from the one that runs.

use crate::conversation::cards::{Card, Cards, Heard};
use crate::domain::Urgency;

/// A card that fits.
pub(super) struct Pick<'a> {
    pub card: &'a Card,
    why: Why,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The caller said one of its phrases.
    Phrase,
    /// It answers the topic.
    Topic,
    /// It answers whatever has no card of its own.
    General,
}

impl Cards {
    /// The best card: at least as urgent as what was heard, where there is one; then by phrase,
    /// topic, and the general cards.
    pub(super) fn pick(&self, heard: &Heard<'_>) -> Option<Pick<'_>> {
        let urgent_enough = |it: &&Card| it.urgency >= heard.urgency;
        let by_topic = || {
            let topic = heard.topic;
            self.cards
                .iter()
                .filter(move |it| topic.is_some_and(|topic| it.topics.contains(&topic)))
        };
        let general =
            || self.cards.iter().filter(|it| it.topics.is_empty() && it.phrases.is_empty());
        // "When is the fire drill?" has a topic and no urgency: no reason to tell people to run.
        let fits = |it: &&Card| heard.urgency > Urgency::Normal || it.urgency < Urgency::Critical;
        let phrase = self
            .cards
            .iter()
            .filter(urgent_enough)
            .filter(|it| it.phrases.iter().any(|it| it.is_in(heard.speech)))
            .min_by_key(|it| std::cmp::Reverse(it.urgency));

        let found = |why, card: Option<_>| card.map(|card| Pick { card, why });
        let least = |it: &&Card| it.urgency;
        let below = |it: &&Card| !urgent_enough(it);
        let most = |it: &&Card| std::cmp::Reverse(it.urgency);
        found(Why::Phrase, phrase)
            .or_else(|| {
                let fitting = by_topic().filter(urgent_enough).filter(fits);
                found(Why::Topic, fitting.min_by_key(least))
            })
            .or_else(|| found(Why::General, general().filter(urgent_enough).min_by_key(least)))
            .or_else(|| found(Why::Topic, by_topic().filter(below).min_by_key(most)))
            .or_else(|| found(Why::General, general().filter(below).min_by_key(most)))
    }
}

impl Pick<'_> {
    /// Whether the call leaves the running card for this one.
    ///
    /// It does for something more urgent, and for another subject that is no less urgent. An answer
    /// to the card's own question, or the same topic again, goes on with the next step.
    pub fn replaces(&self, running: &Card, heard: &Heard<'_>) -> bool {
        let card = self.card;
        if card.id == running.id {
            return false;
        }
        if card.urgency > running.urgency {
            return true;
        }
        if card.urgency < running.urgency {
            return false;
        }
        match self.why {
            Why::General => false,
            Why::Phrase => true,
            Why::Topic => {
                let is_same = heard.topic.is_some_and(|it| running.topics.contains(&it));
                let running_is_general = running.topics.is_empty() && running.phrases.is_empty();
                !is_same && (running_is_general || heard.urgency >= running.urgency)
            }
        }
    }
}
