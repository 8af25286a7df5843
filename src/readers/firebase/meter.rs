//! What the traffic with the database comes to: requests, paths and bytes, by day and by call.
//!
//! Bytes are those of HTTP: bodies, and the headers as far as we see them. What TLS and TCP add is
//! not in them. Memory is bounded: a month of days, and the latest calls.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Days that are kept.
const MAX_DAYS: usize = 31;
/// Calls that are kept apart; the ids begin with their time, so the oldest go first.
const MAX_CALLS: usize = 1_000;

/// A sum of traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Tries included that failed or were redirected.
    pub requests: u64,
    /// Values that were written or read.
    pub paths: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.paths += other.paths;
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
    }
}

/// The traffic of one day, by UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    pub date: Date,
    #[serde(flatten)]
    pub tally: Tally,
}

/// What one call has cost since the start: its own values, without what requests add around them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CallTally {
    pub paths: u64,
    pub bytes_up: u64,
}

/// Counts. Shared by all who talk with the database; cheap.
#[derive(Debug, Default)]
pub struct Meter {
    /// Held for memory work only.
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    since_start: Tally,
    days: VecDeque<Day>,
    calls: BTreeMap<String, CallTally>,
}

impl Meter {
    /// A request leaves: its bytes, headers included.
    pub fn asked(&self, bytes_up: u64) {
        self.add(Tally { requests: 1, bytes_up, ..Tally::default() });
    }

    /// Bytes that came: of an answer, or of a stream.
    pub fn received(&self, bytes_down: u64) {
        self.add(Tally { bytes_down, ..Tally::default() });
    }

    /// Values that were written or read.
    pub fn paths(&self, paths: u64) {
        self.add(Tally { paths, ..Tally::default() });
    }

    /// A value of a call was written; `key` as in the database, without the prefix of its kind.
    pub(super) fn of_call(&self, key: &str, bytes_up: u64) {
        let mut counted = self.counted();
        if let Some(tally) = counted.calls.get_mut(key) {
            tally.paths += 1;
            tally.bytes_up += bytes_up;
            return;
        }
        counted.calls.insert(key.to_owned(), CallTally { paths: 1, bytes_up });
        if counted.calls.len() > MAX_CALLS {
            counted.calls.pop_first();
        }
    }

    pub fn since_start(&self) -> Tally {
        self.counted().since_start
    }

    /// The latest days on which there was traffic, oldest first.
    pub fn days(&self) -> Vec<Day> {
        self.counted().days.iter().copied().collect()
    }

    /// The latest calls, by the time of their beginning.
    pub fn calls(&self) -> Vec<(String, CallTally)> {
        self.counted().calls.iter().map(|(key, it)| (format!("call_{key}"), *it)).collect()
    }

    /// Goes on from days that were counted before a restart.
    pub(super) fn resume(&self, days: &[Day]) {
        let mut counted = self.counted();
        if counted.days.is_empty() {
            counted.days = days.iter().copied().rev().take(MAX_DAYS).rev().collect();
        }
    }

    fn add(&self, tally: Tally) {
        self.add_on(today(), tally);
    }

    fn add_on(&self, date: Date, tally: Tally) {
        let mut counted = self.counted();
        counted.since_start.add(tally);
        match counted.days.back_mut() {
            // A clock that was set back does not make a second day of the same date.
            Some(day) if day.date >= date => day.tally.add(tally),
            _ => counted.days.push_back(Day { date, tally }),
        }
        if counted.days.len() > MAX_DAYS {
            counted.days.pop_front();
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// The key under which a value of a call is counted: the ULID that a call and its conversation share.
pub(super) fn call_key(path: &str) -> Option<&str> {
    let rest = path
        .strip_prefix("active_calls/call_")
        .or_else(|| path.strip_prefix("active_conversations/conv_"))?;
    rest.split('/').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(n: i32) -> Date {
        Date::constant(2026, 1, 1).checked_add(jiff::Span::new().days(n)).expect("a date")
    }

    #[test]
    fn a_month_of_days_is_kept_and_survives_a_restart() {
        let meter = Meter::default();
        let tally = Tally { requests: 1, paths: 2, bytes_up: 3, bytes_down: 4 };
        for n in 0..40 {
            meter.add_on(date(n), tally);
            meter.add_on(date(n), tally);
        }

        let days = meter.days();
        let again = Meter::default();
        again.resume(&days);

        assert_eq!((days.len(), days[0].date, days[30].date), (31, date(9), date(39)));
        assert_eq!(days[30].tally.bytes_up, 6);
        assert_eq!(meter.since_start().requests, 80);
        assert_eq!(again.days(), days);
        assert_eq!(again.since_start(), Tally::default());
    }

    #[test]
    fn the_latest_calls_are_counted_apart_in_bounded_memory() {
        let meter = Meter::default();
        for n in 0..MAX_CALLS + 5 {
            for path in ["active_calls/call_K/status", "active_conversations/conv_K/messages/m"] {
                let path = path.replace('K', &format!("{n:06}"));
                meter.of_call(call_key(&path).expect("of a call"), 10);
            }
        }

        let calls = meter.calls();

        assert_eq!((calls.len(), calls[0].0.as_str()), (MAX_CALLS, "call_000005"));
        assert_eq!(calls[0].1, CallTally { paths: 2, bytes_up: 20 });
        assert_eq!(call_key("aurora/mirror/node-1"), None);
    }
}
