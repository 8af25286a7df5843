//! What keeps a command from its work.

use std::io;
use std::path::PathBuf;

use crate::journal::JournalError;
use crate::readers::archive::ArchiveError;
use crate::readers::firebase::CursorError;
use crate::readers::snapshot::SnapshotError;
use crate::runs::SpoolError;

#[derive(Debug, thiserror::Error)]
pub enum CareError {
    #[error(
        "there is no data folder at {}: set AURORA_DATA_DIR to where the server has it",
        .0.display()
    )]
    Missing(PathBuf),
    #[error(
        "{} is a file, not a data folder: set AURORA_DATA_DIR to where the server has it",
        .0.display()
    )]
    NotAFolder(PathBuf),
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Cursor(#[from] CursorError),
    #[error(transparent)]
    Runs(#[from] SpoolError),
    #[error("the folder is not good: {n_problems} problems are told above")]
    Problems { n_problems: usize },
    #[error(
        "cannot write to {}: a repair needs a folder that it may write to; run it as the server's \
         user, or make the disk writable",
        .path.display()
    )]
    ReadOnly { path: PathBuf, source: io::Error },
    #[error("nothing was changed, since this may be over by itself: {0}")]
    NotNow(String),
    #[error("nothing was changed: run it again with --yes, or where it can ask")]
    NotAsked,
    #[error("nothing was changed")]
    Declined,
    #[error(
        "{} is there already and not empty: name a folder that is not there",
        .0.display()
    )]
    Occupied(PathBuf),
    #[error("{} lies within the data folder: name a place outside of it", .0.display())]
    Within(PathBuf),
    #[error(
        "{} is what an interrupted backup left: remove it, or name another folder",
        .0.display()
    )]
    Leftover(PathBuf),
    #[error(
        "the copy is not whole after {n_tries} tries: {why}; `aurora verify` tells whether the data \
         folder itself is damaged"
    )]
    NotCoherent { n_tries: usize, why: String },
}

impl CareError {
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// A file went while it was looked for.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Io { source, .. } | Self::Journal(JournalError::Io { source, .. }) => {
                source.kind() == io::ErrorKind::NotFound
            }
            _ => false,
        }
    }
}
