//! The desk: everything that changes a call comes by here, whoever wants it.
//!
//! The one idea: deciding is a pure function of the state that runs inside the journal's commit.
//! Here is what the decisions need besides: cards, model, limits, and what was lately asked.
//! `turn.rs` is the way of a caller's words, `supervise.rs` of a click, `remote.rs` of an edit in the
//! mirror's database.

mod answer;
mod closing;
mod conflicts;
mod decide;
mod fixed;
mod late;
mod lines;
mod redelivery;
pub mod remarks;
mod remote;
mod runs;
mod stats;
mod supervise;
mod turn;

use std::sync::{Arc, PoisonError, RwLock};

pub use self::answer::{Answer, Caller, DeskError, Next, Request, Turn};
pub use self::decide::Limits;
pub use self::fixed::{FALLBACK, GOODBYE, keypad};
pub use self::lines::{Greeting, Line};
pub use self::redelivery::GRACE;
pub use self::remarks::Remark;
pub use self::remote::{take_in, take_in_words};
pub use self::runs::SLUG as CALL_SLUG;
pub use self::stats::{DeskStats, Stage};

use self::closing::Questions;
use self::lines::Silences;
use self::redelivery::Redeliveries;
use self::runs::RecentRuns;
use super::cards::Cards;
use super::model::Model;
use super::triage::Triage;
use crate::domain::Note;
use crate::journal::Journal;

pub struct Desk {
    journal: Arc<Journal>,
    triage: &'static Triage,
    /// Replaced as a whole when they are reloaded.
    cards: RwLock<Arc<Cards>>,
    model: Option<Model>,
    questions: Questions,
    limits: Limits,
    redeliveries: Redeliveries,
    silences: Silences,
    recent_runs: RecentRuns,
    /// Whose work a call is that no person took part in.
    user: Note,
    stats: DeskStats,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Desk {
    pub fn new(
        journal: Arc<Journal>,
        cards: Arc<Cards>,
        model: Option<Model>,
        limits: Limits,
        user: Note,
    ) -> Arc<Self> {
        Arc::new(Self {
            journal,
            triage: Triage::builtin(),
            cards: RwLock::new(cards),
            model,
            questions: Questions::default(),
            limits,
            redeliveries: Redeliveries::default(),
            silences: Silences::default(),
            recent_runs: RecentRuns::default(),
            user,
            stats: DeskStats::default(),
        })
    }

    pub fn stats(&self) -> &DeskStats {
        &self.stats
    }

    pub fn has_model(&self) -> bool {
        self.model.is_some()
    }

    /// Whether the model failed lately and is left alone for a while.
    pub fn is_model_resting(&self) -> bool {
        self.model.as_ref().is_some_and(Model::is_paused)
    }

    pub fn cards(&self) -> Arc<Cards> {
        Arc::clone(&self.cards.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the next turn on, these cards answer.
    pub fn reload_cards(&self, cards: Arc<Cards>) {
        *self.cards.write().unwrap_or_else(PoisonError::into_inner) = cards;
    }
}
