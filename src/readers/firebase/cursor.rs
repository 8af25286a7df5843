//! `data/readers/firebase.json`: how far the mirror has come, and what was refused.
//!
//! # Promises
//! - The file is replaced whole (written beside, synced, renamed, directory synced), so a crash
//!   leaves the old one or the new one.
//! - A file that can't be read is an error that names it, not a start from nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::download::Mode;
use super::failed::FailedItems;
use super::meter::Day;
use crate::domain::Position;
use crate::files;

#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    #[error(
        "{} can't be read as the mirror's position; run `aurora repair`, which sets it aside: then \
         the whole state is sent again",
        .file.display()
    )]
    Unreadable { file: PathBuf, source: serde_json::Error },
    #[error("I/O failed while {doing} {}", .file.display())]
    Io { doing: &'static str, file: PathBuf, source: io::Error },
}

/// The position in memory, and where it is kept.
#[derive(Debug)]
pub struct Cursor {
    file: PathBuf,
    kept: Kept,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    /// Journal that `acked_seq` counts in. `None`: nothing was sent yet.
    journal_id: Option<String>,
    acked_seq: u64,
    /// The last position that was written there; records that concern nobody move only `acked_seq`.
    #[serde(default)]
    sent_seq: u64,
    /// The database it counts in. `None`: written before that was kept.
    #[serde(default)]
    database: Option<String>,
    /// Whether the database bears our mark of having got all, or is to get it: see `position.rs`.
    /// `false`: nothing was sent yet, or before there was a mark.
    #[serde(default)]
    is_marked: bool,
    #[serde(default)]
    failed: FailedItems,
    /// What the traffic came to, by day.
    #[serde(default)]
    days: Vec<Day>,
    /// How closely a person wants the database to be followed.
    #[serde(default)]
    mode: Option<String>,
}

impl Cursor {
    /// Reads the file; without one nothing was sent yet.
    pub fn open(file: &Path) -> Result<Self, CursorError> {
        let file = file.to_owned();
        let kept = match fs::read(&file) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(kept) => kept,
                Err(source) => return Err(CursorError::Unreadable { file, source }),
            },
            Err(err) if err.kind() == io::ErrorKind::NotFound => Kept::default(),
            Err(source) => {
                let doing = "reading";
                return Err(CursorError::Io { doing, file, source });
            }
        };
        Ok(Self { file, kept })
    }

    /// Last acknowledged sequence of that journal; `None` when the position is of another one.
    pub fn position_in(&self, journal_id: &str) -> Option<u64> {
        let known = self.kept.journal_id.as_deref() == Some(journal_id);
        known.then_some(self.kept.acked_seq)
    }

    /// Where it stands, in whichever journal.
    pub fn position(&self) -> Option<Position> {
        let journal = self.kept.journal_id.as_deref()?.parse().ok()?;
        Some(Position { journal, seq: self.kept.acked_seq })
    }

    /// Moves to `seq` in memory; [`Cursor::save`] makes it last.
    pub fn acknowledge(&mut self, journal_id: &str, seq: u64) {
        self.kept.journal_id = Some(journal_id.to_owned());
        self.kept.acked_seq = seq;
    }

    /// The last position that the database acknowledged.
    pub(super) fn sent_seq(&self) -> u64 {
        self.kept.sent_seq
    }

    pub(super) fn set_sent(&mut self, seq: u64) {
        self.kept.sent_seq = seq;
    }

    pub(super) fn is_marked(&self) -> bool {
        self.kept.is_marked
    }

    pub(super) fn set_marked(&mut self) {
        self.kept.is_marked = true;
    }

    /// Whether nothing was ever sent.
    pub(super) fn is_untouched(&self) -> bool {
        self.kept.journal_id.is_none() && !self.kept.is_marked
    }

    /// The database that the position is in.
    pub(super) fn database(&self) -> Option<&str> {
        self.kept.database.as_deref()
    }

    pub(super) fn set_database(&mut self, name: &str) {
        self.kept.database = Some(name.to_owned());
    }

    /// What the traffic came to, by day.
    pub fn days(&self) -> &[Day] {
        &self.kept.days
    }

    pub(super) fn set_days(&mut self, days: Vec<Day>) {
        self.kept.days = days;
    }

    /// Forgets the position: nothing of the journal is known to be in the database.
    pub(super) fn forget_position(&mut self) {
        self.kept.is_marked |= self.kept.journal_id.is_some();
        self.kept.journal_id = None;
        (self.kept.acked_seq, self.kept.sent_seq) = (0, 0);
    }

    /// How closely a person wants the database to be followed, if anybody said so.
    pub fn mode(&self) -> Option<Mode> {
        self.kept.mode.as_ref()?.parse().ok()
    }

    pub(super) fn set_mode(&mut self, mode: Option<Mode>) {
        self.kept.mode = mode.map(|it| it.to_string());
    }

    pub fn failed(&self) -> &FailedItems {
        &self.kept.failed
    }

    pub fn failed_mut(&mut self) -> &mut FailedItems {
        &mut self.kept.failed
    }

    /// Puts the file in place of the old one; it is on disk when this returns.
    pub fn save(&self) -> Result<(), CursorError> {
        let io = |doing| move |source| CursorError::Io { doing, file: self.file.clone(), source };
        if let Some(folder) = self.file.parent().filter(|it| !it.as_os_str().is_empty()) {
            files::create_folder(folder).map_err(io("making the folder of"))?;
        }
        let bytes = serde_json::to_vec(&self.kept).expect("positions always serialize");
        files::replace(&self.file, &bytes).map_err(io("replacing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_position_is_read_again_and_counts_in_its_own_journal_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("readers/firebase.json");
        let mut cursor = Cursor::open(&file).expect("no file is a fresh start");
        assert_eq!(cursor.position_in("j1"), None);

        cursor.acknowledge("j1", 42);
        cursor.save().expect("a writable folder");

        let cursor = Cursor::open(&file).expect("a readable file");
        assert_eq!(cursor.position_in("j1"), Some(42));
        assert_eq!(cursor.position_in("j2"), None);
    }

    #[test]
    fn an_unreadable_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("firebase.json");
        let good = br#"{"journal_id":"j1","acked_seq":7,"failed":[]}"#;

        for length in 0..good.len() {
            fs::write(&file, &good[..length]).expect("a writable folder");
            let err = Cursor::open(&file).expect_err("a torn file");
            assert!(err.to_string().contains("firebase.json"), "{err}");
        }
        fs::write(&file, good).expect("a writable folder");
        assert!(Cursor::open(&file).is_ok());
    }
}
