//! What the caller says is over or only rehearsed, for the whole utterance.

use super::clauses::{Clauses, SUPPOSED, is_real};
use super::pattern::Span;
use super::rules::{Role, Topics};
use crate::domain::Topic;

/// Which dangers are over or only rehearsed, for the whole utterance.
pub(super) struct Calm {
    over_until: [usize; Topics::COUNT],
    rehearsed: Topics,
}

impl Calm {
    pub(super) fn new(clauses: &Clauses<'_>, found: &[(Role, Span)]) -> Self {
        let mut calm = Self { over_until: [0; Topics::COUNT], rehearsed: Topics::default() };
        let is_real = is_real(found);
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
