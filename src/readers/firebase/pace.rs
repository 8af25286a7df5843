//! How often to write: what gathers meanwhile goes in one request.
//!
//! The one idea: a bucket of tokens. A quiet server writes at once; a busy one about once a second,
//! as each request has its head to pay for. Waiting costs nothing else: a later value of the same
//! path takes the place of an earlier one.

use std::time::{Duration, Instant};

/// How often requests may be made in the long run, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    pub per_second: f64,
    pub burst: f64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { per_second: 1.0, burst: 10.0 }
    }
}

#[derive(Debug)]
pub(super) struct Bucket {
    pace: Pace,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub fn new(pace: Pace, now: Instant) -> Self {
        Self { pace, tokens: pace.burst, filled: now }
    }

    /// How long until there is a token.
    pub fn wait(&mut self, now: Instant) -> Duration {
        self.fill(now);
        let lacking = (1.0 - self.tokens).max(0.0) / self.pace.per_second;
        Duration::try_from_secs_f64(lacking).unwrap_or(Duration::ZERO)
    }

    /// A request is made. One that could not wait is made up for by the next that can.
    pub fn take(&mut self, now: Instant) {
        self.fill(now);
        self.tokens = (self.tokens - 1.0).max(-1.0);
    }

    fn fill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + gained * self.pace.per_second).min(self.pace.burst);
        self.filled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_writes_about_once_a_second_and_a_quiet_one_at_once() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Pace::default(), start);
        let at = |ms| start + Duration::from_millis(ms);
        let mut sent = Vec::new();
        for ms in (0..600_000).step_by(20) {
            if bucket.wait(at(ms)).is_zero() {
                bucket.take(at(ms));
                sent.push(ms);
            }
        }

        assert!((600..=612).contains(&sent.len()), "{} requests in 600 s", sent.len());
        assert_eq!(sent[..10], [0, 20, 40, 60, 80, 100, 120, 140, 160, 180]);

        assert!(bucket.wait(at(602_000)).is_zero());
        for _ in 0..20 {
            bucket.take(at(602_000)); // What could not wait.
        }
        assert_eq!(bucket.wait(at(602_000)), Duration::from_secs(2));
    }
}
