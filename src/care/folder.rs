//! Whether there is a data folder at all, and what it looks like from outside.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::CareError;
use crate::erasure::marker_path;
use crate::journal::chain;

/// # Errors
/// [`CareError::Missing`], [`CareError::NotAFolder`], [`CareError::Io`] if nobody may look.
pub fn check(data_dir: &Path) -> Result<(), CareError> {
    match fs::metadata(data_dir) {
        Ok(it) if it.is_dir() => {
            fs::read_dir(data_dir).map(drop).map_err(CareError::io("list", data_dir))
        }
        Ok(_) => Err(CareError::NotAFolder(data_dir.to_owned())),
        Err(err) if err.kind() == ErrorKind::NotFound => {
            Err(CareError::Missing(data_dir.to_owned()))
        }
        Err(err) if err.kind() == ErrorKind::NotADirectory => {
            Err(CareError::NotAFolder(data_dir.to_owned()))
        }
        Err(err) => Err(CareError::io("look at", data_dir)(err)),
    }
}

pub fn journal(data_dir: &Path) -> PathBuf {
    data_dir.join("journal")
}

pub fn cursor(data_dir: &Path) -> PathBuf {
    data_dir.join("readers").join("firebase.json")
}

/// What changes when a server takes files away or puts others in their place. The file that is
/// appended to does not count.
#[derive(Debug, PartialEq, Eq)]
pub struct Outline(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl Outline {
    pub fn of(data_dir: &Path) -> Self {
        let mut files = Vec::new();
        for entry in fs::read_dir(journal(data_dir)).into_iter().flatten().flatten() {
            files.push((entry.path(), 0, None));
        }
        let whole = [
            data_dir.join("total.json"),
            cursor(data_dir),
            journal(data_dir).join(chain::FILE),
            marker_path(data_dir),
        ];
        for path in whole {
            let about = fs::metadata(&path).ok();
            let size = about.as_ref().map_or(0, fs::Metadata::len);
            files.push((path, size, about.and_then(|it| it.modified().ok())));
        }
        files.sort();
        Self(files)
    }
}
