//! A disk that does not take the archive's writes: when to try again, and when to say so.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::error::ArchiveError;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Between two lines about the same outage.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Keeps an outage of any length to a few lines and a try now and then.
#[derive(Debug, Default)]
pub struct Outage(Option<Lasting>);

#[derive(Debug)]
struct Lasting {
    since: Instant,
    last_line: Instant,
    wait: Duration,
}

impl Outage {
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A try failed; how long to wait for the next.
    pub fn failed(&mut self, err: &ArchiveError, now: Instant) -> Duration {
        let Some(own) = &mut self.0 else {
            warn!(
                error = %err,
                "The archive cannot go on for now. The journal has everything: it goes on from \
                 its place when it can."
            );
            self.0 = Some(Lasting { since: now, last_line: now, wait: FIRST_WAIT });
            return FIRST_WAIT;
        };
        if now.duration_since(own.last_line) >= LINE_EVERY {
            own.last_line = now;
            let for_s = now.duration_since(own.since).as_secs();
            warn!(error = %err, for_s, "The archive still cannot go on.");
        }
        own.wait = (own.wait * 2).min(LONGEST_WAIT);
        own.wait
    }

    /// A try went well.
    pub fn is_over(&mut self, now: Instant) {
        if let Some(it) = self.0.take() {
            let after_s = now.duration_since(it.since).as_secs();
            info!(after_s, "The archive goes on.");
        }
    }
}
