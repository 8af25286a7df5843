//! How far the mirror has come: in memory at once, on disk soon, and in the status.
//!
//! A position is saved about once a second: after a crash a little is sent again, which is harmless,
//! and the disk stays free for the journal, which callers wait for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::error;

use super::cursor::Cursor;
use super::failed::{FailedItem, FailedItems};
use super::outage_log::OutageLog;
use super::status::{MirrorStatus, Trouble};
use super::writes::Writes;

pub(super) struct Progress {
    pub cursor: Cursor,
    pub status: Arc<MirrorStatus>,
    pub journal_id: String,
    /// Longest time between an acknowledgement and its saving.
    pub save_every: Duration,
    /// When the oldest change that is not on disk was made.
    pub unsaved_since: Option<Instant>,
    /// Lines about a position that can't be saved.
    pub log: OutageLog,
}

impl Progress {
    /// Last acknowledged sequence of this journal, if any.
    pub fn acked(&self) -> Option<u64> {
        self.cursor.position_in(&self.journal_id)
    }

    pub fn failed(&self) -> &FailedItems {
        self.cursor.failed()
    }

    pub fn acknowledge(&mut self, seq: u64) {
        self.cursor.acknowledge(&self.journal_id, seq);
        self.status.set_acked(seq);
        self.unsaved_since.get_or_insert_with(Instant::now);
    }

    /// The database says that it has only this; `None`: nothing that we know.
    pub fn fall_back(&mut self, seq: Option<u64>) {
        match seq {
            Some(seq) => {
                self.cursor.acknowledge(&self.journal_id, seq);
                self.cursor.set_sent(seq);
            }
            None => self.cursor.forget_position(),
        }
        self.status.set_acked(seq.unwrap_or(0));
        self.unsaved_since.get_or_insert_with(Instant::now);
    }

    pub fn set_aside(&mut self, item: FailedItem) {
        self.cursor.failed_mut().set_aside(item);
    }

    /// Takes note of an accepted batch. Returns whether that changed the failed items.
    pub fn settle(&mut self, accepted: &Writes) -> bool {
        self.cursor.failed_mut().settle(accepted)
    }

    /// Shows and saves the failed items. A crash before it means that they are refused again.
    pub fn failed_changed(&mut self) {
        self.save();
        self.status.set_failed(self.failed().as_slice());
    }

    /// How long until something has to be saved; `None` if all is.
    pub fn due_in(&self) -> Option<Duration> {
        if self.cursor.mode() != self.status.wished() && self.unsaved_since.is_none() {
            return Some(Duration::ZERO);
        }
        let since = self.unsaved_since?;
        Some(self.save_every.saturating_sub(since.elapsed()))
    }

    pub fn save_if_due(&mut self) {
        if self.due_in() == Some(Duration::ZERO) {
            self.save();
        }
    }

    /// Lets go of failed items of erased calls; whether that is on disk.
    pub fn forget(&mut self, paths: &[String]) -> bool {
        if self.cursor.failed_mut().forget(paths) {
            self.unsaved_since.get_or_insert_with(Instant::now);
            self.failed_changed();
        }
        self.unsaved_since.is_none() || self.cursor.save().is_ok()
    }

    /// Saves what is not on disk. A failure is told and tried again later.
    /// Whether it is on disk.
    pub fn save(&mut self) -> bool {
        self.cursor.set_days(self.status.meter().days());
        self.cursor.set_mode(self.status.wished());
        match self.cursor.save() {
            Ok(()) => {
                self.unsaved_since = None;
                self.log.succeeded(Instant::now());
                self.status.set_saved(self.acked().unwrap_or(0));
                true
            }
            Err(err) => {
                self.unsaved_since = Some(Instant::now());
                if self.log.failed(Trouble::Refused, Instant::now()).is_some() {
                    error!(error = %err, "The mirror's position can't be saved.");
                }
                false
            }
        }
    }
}
