//! `aurora backup`: a copy that is whole, of a folder that goes on changing.
//!
//! The one idea: those who follow the journal are copied before it, so that its copy holds all that
//! they need; whatever a server takes away meanwhile is noticed, and the copy made again. It gets a
//! journal id of its own: from here on it is another history, and nobody may take a place in the one
//! for a place in the other.

mod copy;
mod runs;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::CareError;
use super::folder;
use super::progress::Progress;
use super::verify;
use crate::domain::JournalId;
use crate::files::sync_folder;

/// A server that erases or removes while it is copied: it is done in a moment.
const TRIES: usize = 10;

/// Copies the data of a running or stopped server.
///
/// The copy is whole and verified when the folder appears under its name. To restore it: stop the
/// server, move its data folder away, put the copy in its place, start. It holds the admin token:
/// keep it as safe as a password.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Where the copy goes: a folder that is not there yet, or is empty.
    pub dir: PathBuf,
}

/// Makes the copy, verified.
///
/// # Errors
/// [`CareError`]; then nothing lies under that name.
pub fn run(options: &Options, data_dir: &Path) -> Result<(), CareError> {
    folder::check(data_dir)?;
    let target = absolute(&options.dir)?;
    let part = refuse_unusable(&target, data_dir)?;
    let mut progress = Progress::new();
    let mut n_tries = 0;
    let made = loop {
        n_tries += 1;
        match try_once(data_dir, &part, &mut progress) {
            Ok(()) => break Ok(()),
            Err(CareError::NotCoherent { .. }) if n_tries < TRIES => {}
            Err(err) if err.is_gone() && n_tries < TRIES => {}
            Err(CareError::NotCoherent { why, .. }) => {
                break Err(CareError::NotCoherent { n_tries, why });
            }
            Err(err) => break Err(err),
        }
        remove(&part)?;
    };
    let made = made.and_then(|()| {
        fs::rename(&part, &target).map_err(CareError::io("rename", &part))?;
        sync(target.parent().unwrap_or(Path::new("/")))
    });
    if made.is_err() {
        // It is ours, and not whole.
        let _ = fs::remove_dir_all(&part);
    }
    made
}

fn try_once(data_dir: &Path, part: &Path, progress: &mut Progress) -> Result<(), CareError> {
    make(part)?;
    copy::copy(data_dir, part, JournalId::from_bits(rand::random()), progress)?;
    let report = verify::verify(part)?;
    match report.problems().next() {
        None => Ok(()),
        Some(problem) => Err(CareError::NotCoherent {
            n_tries: 1,
            why: format!("{}: {}", problem.file.display(), problem.what),
        }),
    }
}

fn absolute(path: &Path) -> Result<PathBuf, CareError> {
    std::path::absolute(path).map_err(CareError::io("find", path))
}

/// Returns where the copy is made.
fn refuse_unusable(target: &Path, data_dir: &Path) -> Result<PathBuf, CareError> {
    let parent = target.parent().ok_or_else(|| CareError::Occupied(target.to_owned()))?;
    let real = |path: &Path| fs::canonicalize(path).map_err(CareError::io("find", path));
    if real(parent)?.starts_with(real(data_dir)?) {
        return Err(CareError::Within(target.to_owned()));
    }
    match fs::read_dir(target).map(|mut it| it.next().is_none()) {
        Ok(true) => {}
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
        Ok(false) => return Err(CareError::Occupied(target.to_owned())),
        Err(err) if err.kind() == std::io::ErrorKind::NotADirectory => {
            return Err(CareError::Occupied(target.to_owned()));
        }
        Err(err) => return Err(CareError::io("look at", target)(err)),
    }
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    if part.exists() {
        return Err(CareError::Leftover(part));
    }
    Ok(part)
}

fn make(dir: &Path) -> Result<(), CareError> {
    DirBuilder::new().mode(0o700).create(dir).map_err(CareError::io("create", dir))
}

fn remove(part: &Path) -> Result<(), CareError> {
    fs::remove_dir_all(part).map_err(CareError::io("remove", part))
}

fn sync(dir: &Path) -> Result<(), CareError> {
    sync_folder(dir).map_err(CareError::io("sync", dir))
}
