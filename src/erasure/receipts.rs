//! `data/erasures.jsonl`: what was erased when and by whom, one line each; never what it said.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::traces::{self, FileError};
use crate::domain::{CallId, Label, Note, Timestamp};
use crate::files::sync_folder;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub receipt_id: String,
    pub at: Timestamp,
    pub finished_at: Timestamp,
    /// Absent when the policy did it.
    pub by: Option<Label>,
    pub n_calls: u64,
    pub n_messages: u64,
    pub call_ids: Vec<CallId>,
    /// Whose runs they were: a database that begins anew may still have them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub run_user_ids: BTreeMap<CallId, Note>,
    /// Heads of the journal's hash chain.
    pub chain_before: Option<String>,
    pub chain_after: Option<String>,
    /// Files that may hold words and could not be looked through: somebody has to.
    #[serde(default)]
    pub left: Vec<String>,
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("erasures.jsonl")
}

/// All receipts, oldest first. A line that a crash tore is left out: its erasure is done again.
///
/// # Errors
/// [`FileError::Io`]
pub fn read(data_dir: &Path) -> Result<Vec<Receipt>, FileError> {
    let bytes = traces::read(&path(data_dir))?.unwrap_or_default();
    let lines = bytes.split(|it| *it == b'\n');
    Ok(lines.filter_map(|it| serde_json::from_slice(it).ok()).collect())
}

/// Every call that was ever erased.
///
/// # Errors
/// [`FileError::Io`]
pub fn erased_calls(data_dir: &Path) -> Result<Vec<CallId>, FileError> {
    Ok(read(data_dir)?.into_iter().flat_map(|it| it.call_ids).collect())
}

/// Every run of a call that was ever erased, and whose it was.
///
/// # Errors
/// [`FileError::Io`]
pub fn erased_runs(data_dir: &Path) -> Result<Vec<(CallId, Note)>, FileError> {
    Ok(read(data_dir)?.into_iter().flat_map(|it| it.run_user_ids).collect())
}

/// Adds a receipt that is not there yet; it is on disk when this returns.
///
/// # Errors
/// [`FileError::Io`]
pub fn append(data_dir: &Path, receipt: &Receipt) -> Result<(), FileError> {
    let path = path(data_dir);
    let before = traces::read(&path)?.unwrap_or_default();
    if read(data_dir)?.iter().any(|it| it.receipt_id == receipt.receipt_id) {
        return Ok(());
    }
    let mut line = Vec::new();
    if before.last().is_some_and(|it| *it != b'\n') {
        line.push(b'\n');
    }
    serde_json::to_writer(&mut line, receipt).expect("ids and numbers serialize");
    line.push(b'\n');
    let write = || {
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.write_all(&line)?;
        file.sync_all()
    };
    write().map_err(FileError::io("write", &path))?;
    sync_folder(data_dir).map_err(FileError::io("sync", data_dir))
}
