//! How urgent a call is. It only rises by itself; lowering it takes a named person.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Ordered: `Normal < Urgent < Critical`, so that "raise to" is `max`.
///
/// Written in capitals in `total.json`, the journal and the mirror; the JSON speech API writes
/// [`Urgency::lower`].
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Urgency {
    /// Nobody is in danger.
    #[default]
    Normal,
    /// Must be dealt with soon; could become dangerous.
    Urgent,
    /// A life is or may be at risk now.
    Critical,
}

impl Urgency {
    /// `CRITICAL`, `URGENT` or `NORMAL`, as in `total.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "NORMAL",
            Self::Urgent => "URGENT",
            Self::Critical => "CRITICAL",
        }
    }

    /// `critical`, `urgent` or `normal`, as in the JSON speech API.
    pub fn lower(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Urgent => "urgent",
            Self::Critical => "critical",
        }
    }

    /// Reads either spelling, in any case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Normal, Self::Urgent, Self::Critical]
            .into_iter()
            .find(|it| it.lower().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
