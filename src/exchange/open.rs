//! The data folder as a server has it at its start: journal and archive, the one up to the other.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::progress::Progress;
use super::{Interrupt, Place};
use crate::files::create_folder;
use crate::journal::{self, DataLock, Journal, JournalError};
use crate::readers::archive::{self, ArchiveError, Store, WholeCalls};
use crate::readers::snapshot::{self, SnapshotError};

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("interrupted; nothing was changed but the archive, which goes on where it stopped")]
    Interrupted,
}

/// Journal and archive, held for this process.
pub struct Books {
    pub journal: Arc<Journal>,
    /// Has every record that the journal had when it was opened.
    pub archived: WholeCalls,
}

/// Whether a server, or another command, has the folder.
pub fn is_in_use(data_dir: &Path) -> Result<bool, OpenError> {
    match journal::holder(data_dir) {
        Ok(holder) => Ok(holder.is_some()),
        // Somebody who does not tell who it is.
        Err(JournalError::Locked { .. }) => Ok(true),
        Err(err) => Err(err.into()),
    }
}

impl Books {
    /// Takes the folder, as a server does, and brings the archive up to the journal.
    pub fn open(place: &Place, interrupt: &Interrupt) -> Result<Self, OpenError> {
        let dir = &place.data_dir;
        create_folder(dir).map_err(|source| OpenError::Io {
            doing: "create",
            path: dir.clone(),
            source,
        })?;
        let lock = Arc::new(DataLock::take(dir)?);
        let stored = snapshot::load(dir)?;
        let settings = journal::Settings {
            data_dir: dir.clone(),
            node: place.node.as_str().into(),
            handed_out: archive::last_position(&archive::path(dir)).into_iter().collect(),
            ..journal::Settings::default()
        };
        let (journal, _) = Journal::open_locked(lock, settings, stored)?;
        let mut store = Store::open(&archive::path(dir))?;
        let mut progress = Progress::new();
        let head = journal.head();
        let is_done = archive::catch_up(&journal, &mut store, &archive::path(dir), |seq| {
            progress.tell(|| format!("Archiving: record {seq} of {head}"));
            !interrupt.is_set()
        })?;
        if !is_done {
            return Err(OpenError::Interrupted);
        }
        // What reads it is the one that a server's clients use.
        drop(store);
        Ok(Self { journal, archived: WholeCalls::open(&archive::path(dir))? })
    }
}
