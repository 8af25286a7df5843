//! The circuit breaker: a dead model must not cost every caller the whole deadline.
//!
//! Closed: every question is asked. After [`LIMIT`] failures in a row, or one that only an operator
//! can change, it is open: nothing is asked for a time that doubles from failure to failure. Then
//! one question is let through as a probe; its end decides.

use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Failures in a row that open it.
const LIMIT: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How a question ended, as far as the server's health goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Answered,
    Failed,
    /// It fails for everyone, at least for this long.
    Down(Duration),
}

/// Held for arithmetic only.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    n_failures: u32,
    /// Times it opened since the last answer; the wait doubles with each.
    n_openings: u32,
    open_until: Option<Instant>,
    is_probed: bool,
}

/// The right to ask one question. Dropped without a verdict it changes nothing.
pub struct Permit<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    /// Lets a question through, or not.
    pub fn admit(&self, now: Instant) -> Option<Permit<'_>> {
        let mut state = self.state();
        let is_probe = match state.open_until {
            None => false,
            Some(until) if now < until || state.is_probed => return None,
            Some(_) => true,
        };
        state.is_probed |= is_probe;
        Some(Permit { breaker: self, is_probe })
    }

    /// Whether a question asked now would be turned away.
    pub fn is_resting(&self, now: Instant) -> bool {
        let state = self.state();
        state.open_until.is_some_and(|until| now < until || state.is_probed)
    }

    /// Whether questions are turned away now, or a probe is under way.
    pub fn is_open(&self) -> bool {
        self.state().open_until.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl Permit<'_> {
    /// Tells how the question ended; returns the wait if this opened the circuit.
    pub fn report(self, verdict: Verdict, now: Instant) -> Option<Duration> {
        let mut state = self.breaker.state();
        let at_least = match verdict {
            Verdict::Answered => {
                let is_probed = state.is_probed;
                *state = State { is_probed, ..State::default() };
                return None;
            }
            Verdict::Failed => Duration::ZERO,
            Verdict::Down(at_least) => at_least,
        };
        // A question from before it opened says nothing new.
        if state.open_until.is_some() && !self.is_probe {
            return None;
        }
        state.n_failures += 1;
        if verdict == Verdict::Failed && state.n_failures < LIMIT && !self.is_probe {
            return None;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << state.n_openings.min(8));
        let wait = doubled.max(at_least).min(LONGEST_WAIT);
        state.n_openings += 1;
        state.open_until = Some(now + wait);
        Some(wait)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            self.breaker.state().is_probed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(breaker: &Breaker, verdict: Verdict, now: Instant) -> Option<Duration> {
        breaker.admit(now).expect("let through").report(verdict, now)
    }

    #[test]
    fn it_opens_after_three_failures_in_a_row() {
        let (breaker, now) = (Breaker::default(), Instant::now());

        assert_eq!(ask(&breaker, Verdict::Failed, now), None);
        assert_eq!(ask(&breaker, Verdict::Failed, now), None);
        assert_eq!(ask(&breaker, Verdict::Answered, now), None);
        assert_eq!(ask(&breaker, Verdict::Failed, now), None);
        assert_eq!(ask(&breaker, Verdict::Failed, now), None);
        assert_eq!(ask(&breaker, Verdict::Failed, now), Some(FIRST_WAIT));

        assert!(breaker.admit(now).is_none());
        assert!(breaker.is_open());
    }

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_an_answer_resets_it() {
        let (breaker, mut now) = (Breaker::default(), Instant::now());
        let mut waits = Vec::new();

        for _ in 0..6 {
            let wait = ask(&breaker, Verdict::Down(Duration::ZERO), now).expect("opens");
            waits.push(wait.as_secs());
            now += wait;
        }
        ask(&breaker, Verdict::Answered, now);

        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        assert_eq!(ask(&breaker, Verdict::Down(Duration::ZERO), now), Some(FIRST_WAIT));
    }

    #[test]
    fn one_probe_at_a_time_is_let_through_after_the_wait() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        ask(&breaker, Verdict::Down(Duration::ZERO), now);
        let later = now + FIRST_WAIT;

        let probe = breaker.admit(later).expect("the probe");
        assert!(breaker.admit(later).is_none());
        drop(probe); // The caller hung up.

        let probe = breaker.admit(later).expect("another probe");
        probe.report(Verdict::Answered, later);
        assert!(breaker.admit(later).is_some());
        assert!(!breaker.is_open());
    }

    #[test]
    fn late_failures_of_questions_from_before_do_not_prolong_the_wait() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let late = breaker.admit(now).expect("closed");
        ask(&breaker, Verdict::Down(Duration::ZERO), now);

        assert_eq!(late.report(Verdict::Failed, now), None);

        assert!(breaker.admit(now + FIRST_WAIT).is_some());
    }

    #[test]
    fn a_server_that_names_a_time_is_left_alone_so_long() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let asked = Duration::from_secs(30);

        assert_eq!(ask(&breaker, Verdict::Down(asked), now), Some(asked));
    }
}
