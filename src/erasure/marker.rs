//! `data/erasing.json`: which calls are on their way out. It holds no word and no number.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::receipts::Receipt;
use super::traces::{self, FileError, remove};
use crate::domain::{CallId, Label, Note, Seq, Timestamp};
use crate::files;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Marker {
    pub receipt_id: String,
    pub at: Timestamp,
    /// Absent when the policy did it.
    pub by: Option<Label>,
    pub n_messages: u64,
    pub call_ids: Vec<CallId>,
    /// Whose runs they were.
    #[serde(default)]
    pub users: BTreeMap<CallId, Note>,
    pub chain_before: Option<String>,
    /// The first and the last record that say so; absent until they are on disk.
    pub seqs: Option<(Seq, Seq)>,
}

/// Where it lies.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("erasing.json")
}

impl Marker {
    /// # Errors
    /// [`FileError`]: unreadable is not empty.
    pub fn load(data_dir: &Path) -> Result<Option<Self>, FileError> {
        let path = path(data_dir);
        let Some(bytes) = traces::read(&path)? else { return Ok(None) };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| FileError::Unreadable { path, source })
    }

    /// # Errors
    /// [`FileError::Io`]
    pub fn save(&self, data_dir: &Path) -> Result<(), FileError> {
        let bytes = serde_json::to_vec(self).expect("ids and numbers serialize");
        let path = path(data_dir);
        files::replace(&path, &bytes).map_err(FileError::io("write", &path))
    }

    /// # Errors
    /// [`FileError::Io`]
    pub fn remove(data_dir: &Path) -> Result<(), FileError> {
        remove(&path(data_dir))
    }

    pub fn receipt(
        &self,
        chain_after: Option<String>,
        left: Vec<String>,
        finished_at: Timestamp,
    ) -> Receipt {
        Receipt {
            receipt_id: self.receipt_id.clone(),
            at: self.at,
            finished_at,
            by: self.by.clone(),
            n_calls: self.call_ids.len() as u64,
            n_messages: self.n_messages,
            call_ids: self.call_ids.clone(),
            run_user_ids: self.users.clone(),
            chain_before: self.chain_before.clone(),
            chain_after,
            left,
        }
    }
}
