//! A data folder that cannot be used: what to do about it, behind what is wrong.

use std::io::{self, ErrorKind};

/// The same error with the remedy behind it, if the system's reason is one that has one.
pub fn explain(err: impl Into<anyhow::Error>) -> anyhow::Error {
    let err = err.into();
    let reason = err.chain().find_map(|it| it.downcast_ref::<io::Error>()).map(io::Error::kind);
    let remedy = match reason {
        Some(ErrorKind::PermissionDenied) => {
            "let the user that runs Aurora read and write there, or set AURORA_DATA_DIR to another \
             folder"
        }
        Some(ErrorKind::ReadOnlyFilesystem) => {
            "mount it writable, or set AURORA_DATA_DIR to a folder on another disk"
        }
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            "free space there, or set AURORA_DATA_DIR to a folder on another disk"
        }
        Some(ErrorKind::NotADirectory | ErrorKind::AlreadyExists | ErrorKind::IsADirectory) => {
            "a file and a folder are in each other's place: move it away, or set AURORA_DATA_DIR \
             to another folder"
        }
        // What a sick disk answers has no kind of its own.
        Some(_) => {
            "if the disk is sick, copy what can be read and set AURORA_DATA_DIR to a folder on \
             another one"
        }
        None => return err,
    };
    anyhow::anyhow!("{err:#}; {remedy}")
}
