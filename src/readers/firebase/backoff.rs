//! How long to wait before the next try: exponential, with full jitter.

use std::time::Duration;

/// First and longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffLimits {
    pub base: Duration,
    pub cap: Duration,
}

impl Default for BackoffLimits {
    fn default() -> Self {
        Self { base: Duration::from_millis(500), cap: Duration::from_secs(60) }
    }
}

/// Longest wait that a server may ask for by `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// The waits of one outage. Pure: chance comes from the caller.
#[derive(Debug, Clone)]
pub struct Backoff {
    limits: BackoffLimits,
    attempt: u32,
}

impl Backoff {
    pub fn new(limits: BackoffLimits) -> Self {
        Self { limits, attempt: 0 }
    }

    /// The next wait: a `share` (0 to 1, evenly distributed) of base × 2ⁿ, at most the cap.
    ///
    /// A server that asks for a longer wait gets it, up to ten minutes.
    pub fn next(&mut self, share: f64, retry_after: Option<Duration>) -> Duration {
        let doubled = self.limits.base.saturating_mul(1 << self.attempt.min(20));
        self.attempt = self.attempt.saturating_add(1);
        let longest = doubled.min(self.limits.cap);
        let wait = longest.mul_f64(share.clamp(0.0, 1.0));
        retry_after.map_or(wait, |it| wait.max(it.min(MAX_RETRY_AFTER)))
    }

    /// The outage is over.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_start_again_after_a_success() {
        let mut backoff = Backoff::new(BackoffLimits::default());

        let waits: Vec<_> = (0..9).map(|_| backoff.next(1.0, None).as_secs_f64()).collect();
        assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);

        backoff.reset();
        assert_eq!(backoff.next(0.5, None), Duration::from_millis(250));
    }

    #[test]
    fn a_thousand_failures_do_not_overflow() {
        let mut backoff = Backoff::new(BackoffLimits::default());

        let longest = (0..1000).map(|_| backoff.next(1.0, None)).max();

        assert_eq!(longest, Some(Duration::from_secs(60)));
    }

    #[test]
    fn a_server_may_ask_for_a_longer_wait_within_reason() {
        let mut backoff = Backoff::new(BackoffLimits::default());

        let asked = backoff.next(0.0, Some(Duration::from_secs(90)));
        let absurd = backoff.next(0.0, Some(Duration::from_secs(86_400)));

        assert_eq!(asked, Duration::from_secs(90));
        assert_eq!(absurd, Duration::from_secs(600));
    }
}
