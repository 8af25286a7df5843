//! What can go wrong with the archive.

use std::path::PathBuf;

use crate::domain::{JournalId, Seq};
use crate::journal::JournalError;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive: {0}")]
    Database(#[from] rusqlite::Error),
    #[error(
        "archive.db has version {found}; this Aurora knows versions up to {known}: start a newer one"
    )]
    Newer { found: u32, known: u32 },
    #[error(
        "archive.db has version {found}, and this Aurora reads {known}: let the server, or a \
         command while no server runs, bring it up to date"
    )]
    Older { found: u32, known: u32 },
    #[error(
        "{} cannot be opened: {source}. Nothing was changed. Restore it from a backup, or run \
         `aurora repair`, which sets it aside and rebuilds it from the journal",
        .path.display()
    )]
    Unreadable { path: PathBuf, source: Box<ArchiveError> },
    #[error(
        "archive.db belongs to journal {own}, the segments to journal {other}: restore the two \
         together, or move archive.db away to rebuild it from the segments"
    )]
    OtherJournal { own: JournalId, other: JournalId },
    #[error(
        "archive.db stands at record {own}, but the journal ends at {head}: newer segments are \
         missing; restore them, or move archive.db away to rebuild it from the segments"
    )]
    Ahead { own: Seq, head: Seq },
    #[error("the archive holds what can't be: {0}")]
    Impossible(String),
    #[error("the archive cannot read on in the journal: {0}")]
    Journal(#[from] JournalError),
}
