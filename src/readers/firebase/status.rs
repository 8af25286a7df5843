//! What others may know about the mirror: the answer of `/api/sync`, and what is behind the cursor.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use super::clock::Clock;
use super::download::sent::Sent;
use super::download::{Listening, ListeningReport, Mode};
use super::failed::FailedItem;
use super::meter::Meter;
use super::position::Noticed;

/// Why the mirror waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No connection, no answer in time, or the service says that it can't now.
    Unreachable,
    /// Credentials, rules or address are wrong, or too much was set aside: somebody has to act.
    Refused,
}

/// `state` of `/api/sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Off,
    Synced,
    Pending,
    Unreachable,
    Refused,
}

/// The body of `/api/sync`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SyncReport {
    pub state: State,
    pub head_seq: u64,
    pub acked_seq: u64,
    pub pending: u64,
    /// Age of the oldest record that is not yet in the database.
    pub lag_seconds: u64,
    pub failed: Vec<FailedLine>,
    /// Why it waits, in words, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// By how much the database's clock is ahead of ours, as far as that is known.
    pub clock_offset_ms: i64,
    /// What comes from there.
    #[serde(flatten)]
    pub listening: ListeningReport,
    /// The last time that the database was not as it was left: why all or a part was sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noticed: Option<Noticed>,
}

/// A failed item without its value, which may be what a caller said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailedLine {
    pub seq: u64,
    pub path: String,
    pub reason: String,
    pub at: Timestamp,
}

/// Shared between the mirror, which writes it, and whoever asks. Cheap to read.
#[derive(Debug, Default)]
pub struct MirrorStatus {
    acked_seq: AtomicU64,
    saved_seq: AtomicU64,
    /// Counts what goes to the database and comes from it.
    meter: Arc<Meter>,
    stream_is_good: AtomicBool,
    /// What comes from the database.
    listening: Arc<Listening>,
    /// What was sent lately, to know its echo.
    sent: Arc<Sent>,
    /// How closely a person wants it to be followed.
    wished: Mutex<Option<Mode>>,
    clock: Arc<Clock>,
    /// Held for memory work only.
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    is_on: bool,
    trouble: Option<Trouble>,
    reason: Option<String>,
    behind_since: Option<Timestamp>,
    failed: Arc<[FailedItem]>,
    noticed: Option<Noticed>,
}

impl MirrorStatus {
    /// The status of a mirror that is not configured; a [`super::Mirror`] switches it on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Last sequence that is in the database. An item beyond it is `pending_sync`.
    pub fn acked_seq(&self) -> u64 {
        self.acked_seq.load(Ordering::Acquire)
    }

    /// Last acknowledged sequence that is on disk here: a restart goes on from it, so the journal
    /// has to keep what lies beyond.
    pub fn saved_seq(&self) -> u64 {
        self.saved_seq.load(Ordering::Acquire)
    }

    pub fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The database's clock, as far as its answers tell.
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    /// Whether what others change of calls is surely heard of, in the order of the database: then
    /// nothing has to be read before a value is written that others may change.
    pub fn is_stream_good(&self) -> bool {
        self.stream_is_good.load(Ordering::Acquire)
    }

    /// For whoever listens: set once everything was heard, unset as soon as that is in doubt.
    pub fn set_stream_good(&self, is_good: bool) {
        self.stream_is_good.store(is_good, Ordering::Release);
    }

    pub fn listening(&self) -> Arc<Listening> {
        Arc::clone(&self.listening)
    }

    pub(super) fn sent(&self) -> Arc<Sent> {
        Arc::clone(&self.sent)
    }

    /// How closely a person wants the database to be followed, if anybody said so.
    pub fn wished(&self) -> Option<Mode> {
        *self.wished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wish(&self, mode: Option<Mode>) {
        *self.wished.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Why it waits, in words, if it does. Holds no secret and nothing that a caller said.
    pub fn trouble(&self) -> Option<(Trouble, String)> {
        let told = self.told();
        let reason = told.reason.clone().unwrap_or_default();
        told.trouble.map(|it| (it, reason))
    }

    /// Items that were refused for good.
    pub fn failed(&self) -> Arc<[FailedItem]> {
        Arc::clone(&self.told().failed)
    }

    /// Whether anything was refused for good.
    pub fn has_failed(&self) -> bool {
        !self.told().failed.is_empty()
    }

    /// Whether the value at `path` (escaped keys), or one below it, was refused for good.
    pub fn is_failed(&self, path: &str) -> bool {
        let failed = self.failed();
        failed.iter().any(|it| {
            let rest = it.path.strip_prefix(path);
            rest.is_some_and(|it| it.is_empty() || it.starts_with('/'))
        })
    }

    /// The answer of `/api/sync`, given the journal's head and the time.
    pub fn report(&self, head_seq: u64, now: Timestamp) -> SyncReport {
        let acked_seq = self.acked_seq();
        let told = self.told();
        // Where nothing is mirrored, nothing waits to be.
        let pending = if told.is_on { head_seq.saturating_sub(acked_seq) } else { 0 };
        let state = match told.trouble {
            _ if !told.is_on => State::Off,
            Some(Trouble::Unreachable) => State::Unreachable,
            Some(Trouble::Refused) => State::Refused,
            None if pending > 0 => State::Pending,
            None => State::Synced,
        };
        let since = told.behind_since.filter(|_| pending > 0).unwrap_or(now);
        let failed = told.failed.iter().map(|it| FailedLine {
            seq: it.seq,
            path: it.path.clone(),
            reason: it.reason.clone(),
            at: it.at,
        });
        SyncReport {
            state,
            head_seq,
            acked_seq,
            pending,
            lag_seconds: u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0),
            failed: failed.collect(),
            trouble: told.reason.clone(),
            clock_offset_ms: self.clock.offset_ms(),
            listening: self.listening.report(),
            noticed: told.noticed.clone(),
        }
    }

    pub(super) fn switch(&self, is_on: bool) {
        self.told().is_on = is_on;
    }

    pub(super) fn set_acked(&self, seq: u64) {
        self.acked_seq.store(seq, Ordering::Release);
        self.told().behind_since = None;
    }

    pub(super) fn set_saved(&self, seq: u64) {
        self.saved_seq.store(seq, Ordering::Release);
    }

    pub(super) fn set_behind_since(&self, at: Timestamp) {
        self.told().behind_since.get_or_insert(at);
    }

    pub(super) fn set_trouble(&self, trouble: Option<(Trouble, String)>) {
        let mut told = self.told();
        (told.trouble, told.reason) = trouble.unzip();
    }

    pub(super) fn set_noticed(&self, noticed: Noticed) {
        self.told().noticed = Some(noticed);
    }

    pub(super) fn noticed(&self) -> Option<Noticed> {
        self.told().noticed.clone()
    }

    pub(super) fn set_failed(&self, failed: &[FailedItem]) {
        // A mark is nobody's value; it goes with the one that it marks.
        let is_value = |it: &&FailedItem| !it.path.contains("/mirrored/");
        self.told().failed = failed.iter().filter(is_value).cloned().collect();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Every write leaves it whole, so a panic elsewhere is no reason to stop telling.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(s: i64) -> Timestamp {
        Timestamp::from_second(s).expect("a small number")
    }

    #[test]
    fn the_report_tells_the_state_of_the_mirror() {
        let status = MirrorStatus::new();
        let report = status.report(5, second(0));
        assert_eq!((report.state, report.pending), (State::Off, 0));

        status.switch(true);
        status.set_behind_since(second(100));
        let report = status.report(5, second(130));
        assert_eq!((report.state, report.pending, report.lag_seconds), (State::Pending, 5, 30));

        status.set_trouble(Some((Trouble::Unreachable, "no route".to_owned())));
        assert_eq!(status.report(5, second(130)).state, State::Unreachable);

        status.set_trouble(None);
        status.set_acked(5);
        let report = status.report(5, second(130));
        assert_eq!((report.state, report.pending, report.lag_seconds), (State::Synced, 0, 0));
    }

    #[test]
    fn a_failed_item_marks_what_it_belongs_to() {
        let status = MirrorStatus::new();
        status.set_failed(&[FailedItem {
            seq: 1,
            path: "active_calls/c1/status".to_owned(),
            reason: String::new(),
            at: second(0),
            value: serde_json::Value::Null,
        }]);

        assert!(status.is_failed("active_calls/c1"));
        assert!(status.is_failed("active_calls/c1/status"));
        assert!(!status.is_failed("active_calls/c"));
    }
}
