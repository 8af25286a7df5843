//! A finished piece of work: a call that ended, or a command that somebody ran.

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::{BadText, CallId, Label, Note, RunId, Timestamp};

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

/// Why something is no run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRun {
    #[error("{field} {source}")]
    Text { field: &'static str, source: BadText },
    #[error("run_id does not belong to the timestamp")]
    Id,
    #[error("call_id belongs to calls, which Aurora records itself")]
    Call,
}

impl Run {
    /// Longest name of a person: as a key in the database it stays far below what that takes.
    pub const MAX_USER_BYTES: usize = 200;

    /// Gives the work its name: from when it ended and a digest of all that is known of it, so that
    /// the same work told twice is one run. `occasion` tells apart what is otherwise the same, such
    /// as two processes that end in the same millisecond.
    #[must_use]
    pub fn named(mut self, occasion: &str) -> Self {
        let lines = self.lines_migrated.to_string();
        let times = [self.duration_seconds, self.automation_seconds, self.manual_estimate_seconds];
        let [duration, automation, manual] = times.map(|it| it.as_millis().to_string());
        let mut digest = Sha256::new();
        for part in [
            "aurora run v1",
            self.user_id.as_str(),
            &self.timestamp.to_string(),
            self.slug.as_str(),
            self.command.as_str(),
            self.status.as_str(),
            &duration,
            &automation,
            &manual,
            &lines,
            self.report_path.as_ref().map_or("", Note::as_str),
            occasion,
        ] {
            // With its length: no two lists of texts make one.
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let bits =
            digest.finalize().iter().take(16).fold(0, |all, it| (all << 8) | u128::from(*it));
        let ms = u64::try_from(self.timestamp.as_millis()).unwrap_or(0);
        self.run_id = RunId(Ulid::from_parts(ms, bits & ((1 << Ulid::RAND_BITS) - 1)));
        self
    }

    /// The run that a call was: a call and its run share one ULID.
    pub fn id_of(call: CallId) -> RunId {
        RunId(call.0)
    }

    /// Whether it may be taken in from outside.
    ///
    /// # Errors
    /// [`BadRun`], with the field.
    pub fn check(&self) -> Result<(), BadRun> {
        one_line("user_id", &self.user_id, Self::MAX_USER_BYTES)?;
        one_line("command", &self.command, Note::MAX_BYTES)?;
        if let Some(report) = &self.report_path {
            one_line("report_path", report, Note::MAX_BYTES)?;
        }
        let ms = u64::try_from(self.timestamp.as_millis()).map_err(|_| BadRun::Id)?;
        if self.run_id.0.timestamp_ms() != ms {
            return Err(BadRun::Id);
        }
        self.call_id.map_or(Ok(()), |_| Err(BadRun::Call))
    }
}

fn one_line(field: &'static str, text: &Note, max: usize) -> Result<(), BadRun> {
    let got = text.as_str().len();
    let source = match text.as_str() {
        "" => BadText::Empty,
        _ if got > max => BadText::TooLong { got, max },
        it if it.contains('\n') => BadText::Character,
        _ => return Ok(()),
    };
    Err(BadRun::Text { field, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        Run {
            run_id: RunId(Ulid::nil()),
            user_id: Note::parse("ada@example.com").unwrap(),
            timestamp: Timestamp::from_millis(1_700_000_000_123),
            slug: Label::parse("migrate").unwrap(),
            command: Note::parse("make migrate").unwrap(),
            status: RunStatus::Success,
            duration_seconds: Seconds::new(1.5).unwrap(),
            automation_seconds: Seconds::default(),
            lines_migrated: 7,
            manual_estimate_seconds: Seconds::default(),
            report_path: None,
            call_id: None,
        }
    }

    #[test]
    fn the_same_work_told_twice_has_one_name() {
        let named = run().named("");

        assert_eq!(named, run().named(""));
        assert_eq!(named.run_id.0.timestamp_ms(), 1_700_000_000_123);
        assert_eq!(named.check(), Ok(()));
    }

    #[test]
    fn whatever_differs_makes_another_name() {
        let first = run().named("").run_id;
        let others = [
            run().named("host 1 2"),
            Run { user_id: Note::parse("bob").unwrap(), ..run() }.named(""),
            Run { timestamp: Timestamp::from_millis(1_700_000_000_124), ..run() }.named(""),
            Run { slug: Label::parse("test").unwrap(), ..run() }.named(""),
            Run { command: Note::parse("make").unwrap(), ..run() }.named(""),
            Run { status: RunStatus::Failed, ..run() }.named(""),
            Run { duration_seconds: Seconds::new(1.501).unwrap(), ..run() }.named(""),
            Run { lines_migrated: 8, ..run() }.named(""),
        ];

        for other in others {
            assert_ne!(other.run_id, first, "{other:?}");
        }
    }

    #[test]
    fn what_is_no_run_is_refused() {
        let long = Note::parse(&"x".repeat(Run::MAX_USER_BYTES + 1)).unwrap();
        for wrong in [
            Run { user_id: Note::default(), ..run() }.named(""),
            Run { user_id: long, ..run() }.named(""),
            Run { command: Note::parse("a\nb").unwrap(), ..run() }.named(""),
            Run { call_id: Some(CallId(Ulid::nil())), ..run() }.named(""),
            run(),
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
