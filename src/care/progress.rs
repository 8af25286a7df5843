//! How far long work has come, on standard error.

use std::time::{Duration, Instant};

/// Short work is not spoken of, long work now and then.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Progress {
    told: Instant,
}

impl Progress {
    pub fn new() -> Self {
        Self { told: Instant::now() }
    }

    /// Tells it, unless it was told just now.
    pub fn tell(&mut self, what: &str, done: u64, total: u64) {
        if self.told.elapsed() < PAUSE {
            return;
        }
        self.told = Instant::now();
        let percent = (done.min(total) * 100).checked_div(total).unwrap_or(100);
        eprintln!("{what}: {percent} %");
    }
}
