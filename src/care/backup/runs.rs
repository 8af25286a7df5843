//! Finished work that no server has taken in yet.

use std::io::Write;

use super::copy::{copy_file, copy_folder, create};
use super::{make, sync};
use crate::care::error::CareError;
use crate::runs::{Place, Spool};

/// Copies what waits. What is under way has no place in a copy.
pub fn copy_runs(from: &Spool, to: &Spool) -> Result<(), CareError> {
    if !from.dir().is_dir() {
        return Ok(());
    }
    make(to.dir())?;
    let aside = to.aside();
    copy_folder(&from.aside(), &aside)?;
    // In the order in which they move, so that none slips by.
    for place in [Place::Waiting, Place::Refused, Place::Sent] {
        let folder = to.folder(place);
        for it in from.look(place)? {
            // As whoever reads it next would have it.
            let folder = if it.problem.is_some() { &aside } else { &folder };
            if !folder.is_dir() {
                make(folder)?;
            }
            let name = it.path.file_name().unwrap_or_default();
            copy_file(&it.path, &folder.join(name))?;
            if let Some(problem) = it.problem {
                let path = aside.join(format!("{}.reason.txt", name.to_string_lossy()));
                writeln!(create(&path)?, "{problem}").map_err(CareError::io("write", &path))?;
            }
        }
        if folder.is_dir() {
            sync(&folder)?;
        }
    }
    sync(to.dir())
}
