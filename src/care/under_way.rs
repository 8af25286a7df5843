//! `data/repairing.json`: which segments a repair has in hand, until the hash chain tells of it.
//!
//! The one idea: everything else is seen by looking again, but a segment that was mended looks like
//! one that somebody changed. So whoever goes on has to know that it was us.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::CareError;
use crate::files;
use crate::journal::mend;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Numbers of files that are written anew.
    pub mended: BTreeSet<u32>,
    /// Whether files come and go, too.
    pub has_moved: bool,
}

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("repairing.json")
}

impl UnderWay {
    /// What an interrupted repair had in hand.
    ///
    /// # Errors
    /// [`CareError::Io`]
    pub fn load(data_dir: &Path) -> Result<Option<Self>, CareError> {
        let path = path(data_dir);
        match fs::read(&path) {
            // Whatever it was.
            Ok(bytes) => Ok(Some(
                serde_json::from_slice(&bytes)
                    .unwrap_or(Self { has_moved: true, ..Self::default() }),
            )),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
            Err(err) => Err(CareError::io("read", path)(err)),
        }
    }

    pub fn add(&mut self, plan: &mend::Plan) {
        self.mended.extend(plan.files.iter().map(|it| it.ordinal));
        self.has_moved |= !plan.away.is_empty() || !plan.renamed.is_empty();
    }

    /// # Errors
    /// [`CareError::Io`]
    pub fn save(&self, data_dir: &Path) -> Result<(), CareError> {
        let path = path(data_dir);
        let bytes = serde_json::to_vec(self).expect("numbers serialize");
        files::replace(&path, &bytes).map_err(CareError::io("write", &path))
    }

    /// # Errors
    /// [`CareError::Io`]
    pub fn remove(data_dir: &Path) -> Result<(), CareError> {
        let path = path(data_dir);
        files::remove(&path).map_err(CareError::io("remove", &path))
    }
}
