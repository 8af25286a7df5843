//! When to write a line about an outage: at its start, at intervals, and when it is over.

use std::time::{Duration, Instant};

use super::status::Trouble;

/// A line that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The outage begins, or has become one of another kind.
    Began,
    /// It has lasted this long.
    Lasts(Duration),
}

/// Keeps an outage of any length to a few lines.
#[derive(Debug)]
pub struct OutageLog {
    every: Duration,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    trouble: Trouble,
    since: Instant,
    last_line: Instant,
}

impl OutageLog {
    pub fn new(every: Duration) -> Self {
        Self { every, outage: None }
    }

    /// A try failed.
    pub fn failed(&mut self, trouble: Trouble, now: Instant) -> Option<Line> {
        match &mut self.outage {
            Some(outage) if outage.trouble == trouble => {
                if now.duration_since(outage.last_line) < self.every {
                    return None;
                }
                outage.last_line = now;
                Some(Line::Lasts(now.duration_since(outage.since)))
            }
            before => {
                let since = before.as_ref().map_or(now, |it| it.since);
                *before = Some(Outage { trouble, since, last_line: now });
                Some(Line::Began)
            }
        }
    }

    /// A try succeeded. Returns how long the outage lasted, if there was one.
    pub fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        self.outage.take().map(|it| now.duration_since(it.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_without_firebase_is_a_warning_a_line_a_minute_and_a_recovery() {
        let mut log = OutageLog::new(Duration::from_secs(60));
        let start = Instant::now();

        let lines: Vec<_> = (0..=120)
            .filter_map(|s| log.failed(Trouble::Unreachable, start + Duration::from_secs(s)))
            .collect();
        let over = log.succeeded(start + Duration::from_secs(130));
        let later = log.succeeded(start + Duration::from_secs(131));

        let lasts = |s| Line::Lasts(Duration::from_secs(s));
        assert_eq!(lines, [Line::Began, lasts(60), lasts(120)]);
        assert_eq!(over, Some(Duration::from_secs(130)));
        assert_eq!(later, None);
    }

    #[test]
    fn another_kind_of_trouble_is_news() {
        let mut log = OutageLog::new(Duration::from_secs(60));
        let now = Instant::now();
        log.failed(Trouble::Unreachable, now);

        let line = log.failed(Trouble::Refused, now);

        assert_eq!(line, Some(Line::Began));
    }
}
