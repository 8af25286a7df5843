//! What can go wrong with the journal.

use std::io;
use std::path::PathBuf;

use super::Holder;

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error(
        "{} is in use by another Aurora{}; stop that one or set AURORA_DATA_DIR to another folder",
        .dir.display(),
        .holder.as_ref().map_or_else(String::new, |it| format!(" ({it})"))
    )]
    Locked {
        dir: PathBuf,
        /// Unknown of one that does not tell.
        holder: Option<Holder>,
    },
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} line {line} is damaged: {why}; nothing was changed. Restore the file from a backup; \
         docs/operations.md tells how to set a damaged line aside by hand",
        .file.display()
    )]
    Corrupt { file: PathBuf, line: u64, why: String },
    #[error("{} has format version {found}; this Aurora reads up to {known}: start a newer one", .file.display())]
    NewerFormat { file: PathBuf, found: u32, known: u32 },
    #[error("the stored state does not fit the journal: {why}")]
    Mismatch { why: String },
    /// An earlier write failed and the disk has not come back yet.
    #[error("the disk does not take writes at the moment")]
    Unwritable,
    /// It was decided, and the write that is to bring it to disk does not end.
    #[error(
        "the disk has not taken the change yet; it may still happen: look before you try again"
    )]
    Stalled,
    /// More commits wait than the journal may hold.
    #[error("more changes are waiting than the journal can take")]
    Busy,
    #[error("the journal is closed")]
    Closed,
    #[error("deciding on the change failed by a defect; nothing was changed")]
    Panicked,
}

impl JournalError {
    pub(super) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
