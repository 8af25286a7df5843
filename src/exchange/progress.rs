//! How far long work has come, told to a person on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// What is done sooner needs no telling.
const QUICK: Duration = Duration::from_secs(2);
const ON_TERMINAL: Duration = Duration::from_millis(500);
const IN_LOG: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Progress {
    next: Instant,
    every: Duration,
    is_terminal: bool,
    has_told: bool,
}

impl Progress {
    pub fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let every = if is_terminal { ON_TERMINAL } else { IN_LOG };
        Self { next: Instant::now() + QUICK, every, is_terminal, has_told: false }
    }

    /// Tells, if it is time to.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        self.has_told = true;
        // Nobody may be reading: the work goes on all the same.
        let mut err = std::io::stderr().lock();
        let _ = if self.is_terminal {
            write!(err, "\r\x1b[K{}", what()).and_then(|()| err.flush())
        } else {
            writeln!(err, "{}", what())
        };
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_told && self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// `12.3 MB`
pub fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
