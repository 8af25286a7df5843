//! How often to write: what gathers meanwhile goes in one request.
//!
//! The one idea: a bucket of tokens that fills at the rate that counts in the long run, and what a
//! quiet time leaves over is kept. As long as little happens, each turn has a request of its own,
//! at once: that is paid for by the hours in which nothing happens. Where much happens, what was
//! kept would be gone in a moment and nobody would be better off for long: then requests leave at
//! the rate itself, and a later value of the same path takes the place of an earlier one.
//!
//! So an ordinary site has its words in the database at once, and a busy one makes one request a
//! second, in any minute of its day. Whoever wants both sets a higher rate.

use std::time::{Duration, Instant};

/// How often requests may be made in the long run, and how many more at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    pub per_second: f64,
    /// However much happens.
    pub burst: f64,
    /// Beyond the burst, while little happens.
    pub reserve: f64,
}

/// What is kept of quiet times: an hour's worth.
const RESERVE: Duration = Duration::from_secs(3600);
/// However much happens, so many requests leave at once after a rest.
const BURST: f64 = 5.0;
/// Little happens: fewer records of late than these. A turn has two.
const FEW_RECORDS: f64 = 20.0;
/// What "of late" is, about.
const WINDOW: Duration = Duration::from_secs(1);

impl Pace {
    pub fn of(requests_per_second: u32) -> Self {
        let per_second = f64::from(requests_per_second.max(1));
        Self { per_second, burst: BURST, reserve: RESERVE.as_secs_f64() * per_second }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::of(1)
    }
}

#[derive(Debug)]
pub(super) struct Bucket {
    pace: Pace,
    tokens: f64,
    reserve: f64,
    filled: Instant,
    /// Of the latest record that was seen.
    seq: Option<u64>,
    /// Of late; each counts for less as it grows older.
    n_records: f64,
}

impl Bucket {
    pub fn new(pace: Pace, now: Instant) -> Self {
        let (tokens, reserve) = (pace.burst, pace.reserve);
        Self { pace, tokens, reserve, filled: now, seq: None, n_records: 0.0 }
    }

    /// There are records up to `seq`.
    pub fn saw(&mut self, seq: u64, now: Instant) {
        self.pass(now);
        // The first tells nothing of how many there are of late.
        let before = self.seq.unwrap_or(seq);
        self.n_records += seq.saturating_sub(before) as f64;
        self.seq = Some(before.max(seq));
    }

    /// How long until there is a token.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.pass(now);
        if self.may_draw() {
            return Duration::ZERO;
        }
        let lacking = (1.0 - self.tokens).max(0.0) / self.pace.per_second;
        Duration::try_from_secs_f64(lacking).unwrap_or(Duration::ZERO)
    }

    /// A request is made. One that could not wait is made up for by the next that can.
    pub fn take(&mut self, now: Instant) {
        self.pass(now);
        if self.tokens < 1.0 && self.may_draw() {
            self.reserve -= 1.0;
        } else {
            self.tokens = (self.tokens - 1.0).max(-1.0);
        }
    }

    fn may_draw(&self) -> bool {
        self.n_records < FEW_RECORDS && self.reserve >= 1.0
    }

    fn pass(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = now;
        self.n_records *= (-passed / WINDOW.as_secs_f64()).exp();
        self.tokens += passed * self.pace.per_second;
        let beyond = (self.tokens - self.pace.burst).max(0.0);
        self.tokens -= beyond;
        self.reserve = (self.reserve + beyond).min(self.pace.reserve);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server and its database, by a clock of their own.
    struct Site {
        bucket: Bucket,
        start: Instant,
        now_ms: u64,
        seq: u64,
    }

    /// What came of some turns: requests, and the longest that each turn waited for its own.
    struct Made {
        n_requests: usize,
        waits_ms: Vec<u64>,
    }

    impl Site {
        fn new(pace: Pace) -> Self {
            let start = Instant::now();
            Self { bucket: Bucket::new(pace, start), start, now_ms: 0, seq: 0 }
        }

        fn now(&self) -> Instant {
            self.start + Duration::from_millis(self.now_ms)
        }

        fn rests(&mut self, seconds: u64) {
            self.now_ms += seconds * 1000;
        }

        /// Turns at odd moments, about as many a second, answered after `trip_ms`.
        fn talks(&mut self, turns_a_second: u64, seconds: u64, trip_ms: u64) -> Made {
            let (mut made, mut waiting) = (Made { n_requests: 0, waits_ms: vec![] }, vec![]);
            let (end, mut odd) = (self.now_ms + seconds * 1000, 1_u64);
            let (mut next, mut free) = (self.now_ms, self.now_ms);
            while self.now_ms < end {
                while next <= self.now_ms {
                    waiting.push(next);
                    self.seq += 2;
                    odd = odd.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    next += (odd >> 33) % (2 * 1000 / turns_a_second) + 1;
                }
                if free <= self.now_ms && !waiting.is_empty() {
                    let now = self.now();
                    self.bucket.saw(self.seq, now);
                    if self.bucket.wait(now).is_zero() {
                        self.bucket.take(now);
                        made.n_requests += 1;
                        made.waits_ms.extend(waiting.drain(..).map(|it| self.now_ms - it));
                        free = self.now_ms + trip_ms;
                    }
                }
                self.now_ms += 1;
            }
            made.waits_ms.sort_unstable();
            made
        }
    }

    impl Made {
        fn p99_ms(&self) -> u64 {
            self.waits_ms[self.waits_ms.len() * 99 / 100]
        }
    }

    #[test]
    fn where_much_happens_no_minute_has_more_than_about_a_request_a_second() {
        for trip_ms in [0, 10, 50, 200] {
            let mut site = Site::new(Pace::default());
            for minute in 0..3 {
                let made = site.talks(50, 60, trip_ms);
                assert!(made.n_requests < 72, "{} in minute {minute}", made.n_requests);
                assert!(made.p99_ms() <= 1_000 + trip_ms, "{} ms", made.p99_ms());
            }
        }
    }

    #[test]
    fn where_little_happens_nothing_waits_for_longer_than_the_request_before_it() {
        for turns_a_second in [1, 2, 5] {
            let made = Site::new(Pace::default()).talks(turns_a_second, 600, 50);

            assert!(made.p99_ms() <= 50, "{} ms at {turns_a_second}", made.p99_ms());
        }
    }

    #[test]
    fn a_day_has_about_a_request_a_second_at_most_and_a_quiet_hour_pays_for_a_busy_one() {
        let mut site = Site::new(Pace { reserve: 360.0, ..Pace::default() });
        let busy = site.talks(5, 600, 10);
        let worn = site.talks(5, 60, 10);
        site.rests(600);
        let rested = site.talks(5, 60, 10);

        assert!((900..=970).contains(&busy.n_requests), "{}", busy.n_requests);
        assert!((55..=65).contains(&worn.n_requests), "{}", worn.n_requests);
        assert!((270..=330).contains(&rested.n_requests), "{}", rested.n_requests);
        assert!(rested.p99_ms() <= 10, "{} ms", rested.p99_ms());
    }

    #[test]
    fn whoever_pays_for_it_has_it_at_once_where_much_happens_too() {
        let p99_ms = |per_second| Site::new(Pace::of(per_second)).talks(50, 300, 50).p99_ms();

        assert!(p99_ms(20) <= 52, "{} ms", p99_ms(20));
        assert!((150..=202).contains(&p99_ms(5)), "{} ms", p99_ms(5));
    }

    #[test]
    fn what_could_not_wait_is_made_up_for() {
        let mut site = Site::new(Pace { reserve: 0.0, ..Pace::default() });
        for _ in 0..20 {
            site.bucket.take(site.now());
        }
        assert_eq!(site.bucket.wait(site.now()), Duration::from_secs(2));
    }
}
