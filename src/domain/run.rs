//! A finished piece of work: a call that ended, or a command that somebody ran.

use serde::{Deserialize, Deserializer, Serialize};

use super::{CallId, Label, Note, RunId, Timestamp};

/// How a piece of work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    Success,
    Failed,
    Interrupted,
}

impl RunStatus {
    pub const ALL: [Self; 3] = [Self::Success, Self::Failed, Self::Interrupted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// A length of time: finite, not negative, at most [`Seconds::MAX`]; kept to the millisecond.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize)]
#[serde(transparent)]
pub struct Seconds(f64);

impl Seconds {
    /// Ten years: more is a mistake of whoever measured.
    pub const MAX: f64 = 10.0 * 366.0 * 86_400.0;

    /// `None` if it is no length of time.
    pub fn new(seconds: f64) -> Option<Self> {
        let is_one = seconds.is_finite() && (0.0..=Self::MAX).contains(&seconds);
        is_one.then(|| Self((seconds * 1000.0).round() / 1000.0))
    }

    pub fn get(self) -> f64 {
        self.0
    }

    pub fn from_millis(ms: i64) -> Option<Self> {
        Self::new(ms as f64 / 1000.0)
    }

    pub fn as_millis(self) -> i64 {
        (self.0 * 1000.0).round() as i64
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(from)?;
        Self::new(seconds)
            .ok_or_else(|| serde::de::Error::custom("not a number of seconds from 0 to ten years"))
    }
}

/// One run, in the published format but for `sync_status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub run_id: RunId,
    /// Whose work it was.
    pub user_id: Note,
    /// When the work ended; never when it was uploaded.
    pub timestamp: Timestamp,
    /// What kind of work it was.
    pub slug: Label,
    pub command: Note,
    pub status: RunStatus,
    pub duration_seconds: Seconds,
    /// How much of it a machine did by itself.
    #[serde(default)]
    pub automation_seconds: Seconds,
    #[serde(default)]
    pub lines_migrated: u32,
    /// How long it would have taken by hand.
    #[serde(default)]
    pub manual_estimate_seconds: Seconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_path: Option<Note>,
    /// The call that it was, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<CallId>,
}
