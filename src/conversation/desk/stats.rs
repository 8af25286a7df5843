//! What the desk measures: turns by what answered, and how long each stage took.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use crate::domain::{AnsweredBy, Urgency};

/// A part of a turn that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Triage,
    /// From the submitted change to the news that it is on disk.
    Journal,
    Model,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TurnLabels {
    pub answered_by: &'static str,
    pub urgency: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FailureLabels {
    pub kind: &'static str,
}

/// Upper bounds in seconds.
const BOUNDS: [f64; 14] = [
    0.000_005, 0.000_02, 0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0,
    2.5, 10.0,
];

#[derive(Debug)]
pub struct DeskStats {
    pub turns: Family<TurnLabels, Counter>,
    pub turn_seconds: Histogram,
    pub triage_seconds: Histogram,
    pub journal_seconds: Histogram,
    pub model_seconds: Histogram,
    pub model_failures: Family<FailureLabels, Counter>,
}

impl Default for DeskStats {
    fn default() -> Self {
        Self {
            turns: Family::default(),
            turn_seconds: Histogram::new(BOUNDS),
            triage_seconds: Histogram::new(BOUNDS),
            journal_seconds: Histogram::new(BOUNDS),
            model_seconds: Histogram::new(BOUNDS),
            model_failures: Family::default(),
        }
    }
}

impl DeskStats {
    pub(super) fn turn(&self, by: AnsweredBy, urgency: Urgency, took: Duration) {
        let labels = TurnLabels { answered_by: by.as_str(), urgency: urgency.lower() };
        self.turns.get_or_create(&labels).inc();
        self.turn_seconds.observe(took.as_secs_f64());
    }

    pub(super) fn stage(&self, stage: Stage, took: Duration) {
        let seconds = match stage {
            Stage::Triage => &self.triage_seconds,
            Stage::Journal => &self.journal_seconds,
            Stage::Model => &self.model_seconds,
        };
        seconds.observe(took.as_secs_f64());
    }

    pub(super) fn model_failed(&self, kind: &'static str) {
        self.model_failures.get_or_create(&FailureLabels { kind }).inc();
    }
}
