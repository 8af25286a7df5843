//! What can go wrong with the archive.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::domain::Seq;
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
        "{} cannot be opened: {source}. Nothing was changed. {}", .path.display(), .source.remedy()
    )]
    Unreadable { path: PathBuf, source: Box<ArchiveError> },
    #[error(
        "{} stands at record {stands_at}, but the journal ends at {ends_at}: the end of the journal \
         is missing. Nothing was changed. Restore the missing segments, or run `aurora repair`, \
         which goes on behind the missing records",
        .path.display()
    )]
    Ahead { path: PathBuf, stands_at: Seq, ends_at: Seq },
    #[error("the archive holds what can't be: {0}")]
    Impossible(String),
    #[error("the archive cannot read on in the journal: {0}")]
    Journal(#[from] JournalError),
    #[error("there is no thread for the archive: {0}")]
    Thread(io::Error),
}

impl ArchiveError {
    /// Whether it may be over by itself, or when somebody has made room: worth another try. What
    /// is damaged, or a defect, stays what it is.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Database(err) => matches!(
                err.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::OutOfMemory
                        | ErrorCode::FileLockingProtocolFailed
                )
            ),
            Self::Unreadable { source, .. } => source.is_passing(),
            Self::Journal(err) => matches!(err, JournalError::Io { .. }),
            Self::Newer { .. }
            | Self::Older { .. }
            | Self::Ahead { .. }
            | Self::Impossible(_)
            | Self::Thread(_) => false,
        }
    }

    fn remedy(&self) -> &'static str {
        if self.is_the_disks() {
            "The disk is full or fails: make room or repair it, and try again"
        } else if self.is_passing() {
            "Try again when the disk is writable and nobody else has the file"
        } else {
            "Restore it from a backup, or run `aurora repair`, which sets it aside and rebuilds it \
             from the journal"
        }
    }

    /// Whether the disk is full or fails, and not the file: then a start goes on without it, for
    /// callers must be answered, and it is tried again.
    pub fn is_the_disks(&self) -> bool {
        match self {
            Self::Database(err) => matches!(
                err.sqlite_error_code(),
                Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
            ),
            Self::Unreadable { source, .. } => source.is_the_disks(),
            _ => false,
        }
    }
}
