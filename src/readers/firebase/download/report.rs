//! What others may know about the listening: in `/api/sync` and `/metrics`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::mode::{ChosenBy, Mode};
use crate::readers::firebase::entry::Problem;

/// What is set aside; beyond it the oldest go.
const MAX_ASIDE: usize = 100;

/// Something in the database that can't be taken, and stays as it is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetAside {
    pub path: String,
    pub reason: String,
    pub at: Timestamp,
}

/// The part of `/api/sync` on what comes from the database.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListeningReport {
    pub mode: String,
    pub mode_by: ChosenBy,
    /// Whether each change is heard of at once.
    pub listening: bool,
    /// Why not, if it should be.
    pub listening_trouble: Option<String>,
    /// Streams that are open.
    pub listeners: usize,
    /// Values and words from there that count here, since the start.
    pub taken: u64,
    pub set_aside: Arc<[SetAside]>,
}

/// Written by who listens, read by who asks.
#[derive(Debug, Default)]
pub struct Listening {
    listeners: AtomicUsize,
    /// Held for memory work only.
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    mode: Mode,
    mode_by: ChosenBy,
    is_on: bool,
    is_listening: bool,
    trouble: Option<String>,
    taken: u64,
    aside: VecDeque<SetAside>,
    /// The same, to be shown.
    shown: Arc<[SetAside]>,
}

/// A stream that is open.
#[derive(Debug)]
pub struct Listener(Arc<Listening>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.listeners.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Listening {
    pub fn report(&self) -> ListeningReport {
        let told = self.told();
        ListeningReport {
            mode: if told.is_on { told.mode } else { Mode::Off }.to_string(),
            mode_by: told.mode_by,
            listening: told.is_listening,
            listening_trouble: told.trouble.clone(),
            listeners: self.listeners(),
            taken: told.taken,
            set_aside: Arc::clone(&told.shown),
        }
    }

    /// Streams that are open.
    pub fn listeners(&self) -> usize {
        self.listeners.load(Ordering::Acquire)
    }

    pub fn mode(&self) -> Mode {
        self.told().mode
    }

    /// At which pace things are sent; `None`: at once.
    pub fn pace(&self) -> Option<Duration> {
        match self.told().mode {
            Mode::Periodic(pause) => Some(pause),
            Mode::Live | Mode::Off => None,
        }
    }

    pub(super) fn opened(self: &Arc<Self>) -> Listener {
        self.listeners.fetch_add(1, Ordering::AcqRel);
        Listener(Arc::clone(self))
    }

    pub(super) fn set_mode(&self, (mode, by): (Mode, ChosenBy)) {
        let mut told = self.told();
        (told.mode, told.mode_by, told.is_on) = (mode, by, true);
    }

    /// Whether that is news.
    pub(super) fn set_listening(&self, is_listening: bool, trouble: Option<String>) -> bool {
        let mut told = self.told();
        let is_news = told.is_listening != is_listening || told.trouble != trouble;
        (told.is_listening, told.trouble) = (is_listening, trouble);
        is_news
    }

    pub(super) fn took(&self, n: usize) {
        self.told().taken += n as u64;
    }

    /// Shows what can't be taken; whether that is new.
    pub(super) fn set_aside(&self, path: &str, reason: &str) -> bool {
        let mut told = self.told();
        if told.aside.iter().any(|it| it.path == path && it.reason == reason) {
            return false;
        }
        told.aside.retain(|it| it.path != path);
        if told.aside.len() >= MAX_ASIDE {
            told.aside.pop_front();
        }
        let (path, reason) = (path.to_owned(), reason.to_owned());
        told.aside.push_back(SetAside { path, reason, at: Timestamp::now() });
        told.show();
        true
    }

    /// Nothing at or below `path` but `problems` is wrong any more.
    pub(super) fn settle(&self, path: &str, problems: &[Problem]) {
        self.settle_but(path, |it| problems.iter().any(|problem| problem.path == it));
    }

    /// Nothing at or below `path` is wrong any more but what `stays`.
    pub(super) fn settle_but(&self, path: &str, stays: impl Fn(&str) -> bool) {
        let mut told = self.told();
        let before = told.aside.len();
        told.aside.retain(|it| {
            let rest = it.path.strip_prefix(path);
            let is_below = rest.is_some_and(|it| it.is_empty() || it.starts_with('/'));
            !is_below || stays(&it.path)
        });
        if told.aside.len() != before {
            told.show();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Every write leaves it whole.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn show(&mut self) {
        self.shown = self.aside.iter().cloned().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_told_once_bounded_and_gone_when_it_is_right() {
        let listening = Listening::default();
        assert!(listening.set_aside("active_calls/a/urgency", "must be"));
        assert!(!listening.set_aside("active_calls/a/urgency", "must be"));
        assert!(listening.set_aside("active_calls/a/urgency", "is"));
        listening.set_aside("active_calls/ab/urgency", "must be");
        assert_eq!(listening.report().set_aside.len(), 2);

        listening.settle("active_calls/a", &[]);
        assert_eq!(listening.report().set_aside.len(), 1);
        for n in 0..1000 {
            listening.set_aside(&format!("x/{n}"), "must be");
        }
        assert_eq!(listening.report().set_aside.len(), MAX_ASIDE);
    }
}
