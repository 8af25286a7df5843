//! `total.json`: the state in the published format, with its place in the journal.
//!
//! The one idea: it is a checkpoint and the published file at once. It is taken from a snapshot
//! that costs a pointer per call, and written on its own thread, so that no turn waits for it.
//! Written beside, synced, renamed, the folder synced: there is always a whole one.

mod checkpoint;
mod format;

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

pub use self::checkpoint::{Checkpoint, CheckpointStatus, follow};
use self::format::StoredTotal;
pub use self::format::write;
use crate::domain::{Call, Position, State, SyncStatus};
use crate::files::sync_folder;

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} cannot be read: {source}. Nothing was changed. Restore it from a backup, or run \
         `aurora repair`, which sets it aside: the journal rebuilds it",
        .path.display()
    )]
    Unreadable { path: PathBuf, source: serde_json::Error },
    #[error(
        "{} has an impossible content: {why}. Nothing was changed. Restore it from a backup, or \
         run `aurora repair`, which sets it aside: the journal rebuilds it",
        .path.display()
    )]
    Impossible { path: PathBuf, why: String },
}

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("total.json")
}

/// Puts the state on disk; returns its size in bytes.
///
/// # Errors
/// [`SnapshotError::Io`]; the file that was there stays.
pub fn save(
    data_dir: &Path,
    state: &State,
    position: Position,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
) -> Result<u64, SnapshotError> {
    let (path, beside) = (path(data_dir), data_dir.join("total.json.new"));
    let saved = write_beside(&beside, state, position, sync_of).and_then(|size| {
        let io = |doing| io(doing, &beside);
        fs::rename(&beside, &path).map_err(io("rename"))?;
        sync_folder(data_dir).map_err(io("sync the folder of"))?;
        Ok(size)
    });
    if saved.is_err() {
        // A full disk has better use for the room; the next try makes it anew.
        let _ = fs::remove_file(&beside);
    }
    saved
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotError + use<> {
    let path = path.to_owned();
    move |source| SnapshotError::Io { doing, path, source }
}

fn write_beside(
    beside: &Path,
    state: &State,
    position: Position,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
) -> Result<u64, SnapshotError> {
    let io = |doing| io(doing, beside);
    let file = File::create(beside).map_err(io("create"))?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    write(state, position, sync_of, &mut out).map_err(io::Error::from).map_err(io("write"))?;
    let file = out.into_inner().map_err(|err| io("write")(err.into_error()))?;
    file.sync_all().map_err(io("sync"))?;
    Ok(file.metadata().map_err(io("measure"))?.len())
}

/// Reads the stored state; `None` if there is no file.
///
/// # Errors
/// [`SnapshotError`]: unreadable is not empty.
pub fn load(data_dir: &Path) -> Result<Option<(State, Position)>, SnapshotError> {
    let path = path(data_dir);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SnapshotError::Io { doing: "read", path, source }),
    };
    let stored: StoredTotal = serde_json::from_slice(&bytes)
        .map_err(|source| SnapshotError::Unreadable { path: path.clone(), source })?;
    stored.into_state().map(Some).map_err(|why| SnapshotError::Impossible { path, why })
}
