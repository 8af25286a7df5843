//! `data/runs/`: work that is finished and not handed on yet, one file a run.
//!
//! # Promises
//! - A run is written beside, synced, renamed, and the folder synced: it is there whole or not at
//!   all, however many processes write at once, and after a power cut.
//! - Writing the same run twice is writing it once: the file bears its id.
//! - A file that does not read is set aside with the reason; nothing is deleted but what is known to
//!   be elsewhere.
//!
//! # Folders
//! `*.json` waits. `sent/` is in the database already and waits for a server that takes it into its
//! journal. `refused/` the database will not have. `aside/` could not be read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::warn;

use crate::domain::{Run, RunId};

/// As many wait at most: whoever records more has nobody who takes them.
pub const MAX_WAITING: usize = 10_000;
/// As many that were sent stay; the oldest go, for they are in the database.
const MAX_SENT: usize = 1_000;
/// Longer than any file of ours.
const MAX_BYTES: u64 = 64 * 1024;
/// What a writer left that died is set aside after this.
const STALE: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} holds {MAX_WAITING} runs that wait: start a server on that data folder, or run \
         `aurora run sync`", .0.display()
    )]
    Full(PathBuf),
}

impl SpoolError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// Where a run in the spool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Waiting,
    Sent,
    Refused,
}

impl Place {
    fn folder(self) -> &'static str {
        match self {
            Self::Waiting => "",
            Self::Sent => "sent",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
}

impl Spool {
    /// Of a data folder that need not be there yet.
    pub fn of(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("runs") }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Keeps a run; it is on disk when this returns.
    ///
    /// # Errors
    /// [`SpoolError`]; then it is not kept.
    pub fn put(&self, run: &Run) -> Result<(), SpoolError> {
        make(&self.dir)?;
        if self.names(Place::Waiting)?.len() >= MAX_WAITING {
            return Err(SpoolError::Full(self.dir.clone()));
        }
        let path = self.path(Place::Waiting, run.run_id);
        let beside = self.dir.join(format!("{}.{}.new", run.run_id, std::process::id()));
        let bytes = serde_json::to_vec(run).expect("texts and numbers serialize");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&beside, &path)
        };
        write().map_err(SpoolError::io("write", &path))?;
        sync(&self.dir)
    }

    /// What is there, oldest first, at most so many. What does not read is set aside.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self, place: Place, limit: usize) -> Result<Vec<Run>, SpoolError> {
        let mut names = self.names(place)?;
        // Ids sort by time.
        names.sort_unstable();
        let folder = self.folder(place);
        let mut runs = Vec::new();
        for name in names {
            if runs.len() == limit {
                break;
            }
            match read(&folder.join(&name), &name) {
                Ok(Some(run)) => runs.push(run),
                Ok(None) => {}
                Err(reason) => self.set_aside(&folder, &name, &reason)?,
            }
        }
        Ok(runs)
    }

    /// Moves a run; one that somebody else has moved or taken is left.
    ///
    /// # Errors
    /// [`SpoolError::Io`]
    pub fn shift(&self, id: RunId, from: Place, to: Place) -> Result<(), SpoolError> {
        make(&self.folder(to))?;
        let (old, new) = (self.path(from, id), self.path(to, id));
        gone_is_fine(fs::rename(&old, &new)).map_err(SpoolError::io("move", &old))?;
        sync(&self.folder(to))
    }

    /// Takes a run away that is somewhere else by now.
    ///
    /// # Errors
    /// [`SpoolError::Io`]
    pub fn remove(&self, id: RunId, place: Place) -> Result<(), SpoolError> {
        let path = self.path(place, id);
        gone_is_fine(fs::remove_file(&path)).map_err(SpoolError::io("remove", &path))
    }

    /// Lets the oldest of those go that are in the database.
    ///
    /// # Errors
    /// [`SpoolError::Io`]
    pub fn trim_sent(&self) -> Result<(), SpoolError> {
        let mut names = self.names(Place::Sent)?;
        names.sort_unstable();
        let n_over = names.len().saturating_sub(MAX_SENT);
        for name in names.into_iter().take(n_over) {
            let path = self.folder(Place::Sent).join(name);
            gone_is_fine(fs::remove_file(&path)).map_err(SpoolError::io("remove", &path))?;
        }
        Ok(())
    }

    fn folder(&self, place: Place) -> PathBuf {
        self.dir.join(place.folder())
    }

    fn path(&self, place: Place, id: RunId) -> PathBuf {
        self.folder(place).join(format!("{id}.json"))
    }

    fn names(&self, place: Place) -> Result<Vec<String>, SpoolError> {
        let folder = self.folder(place);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(SpoolError::io("read", &folder)(err)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(SpoolError::io("read", &folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".json") {
                names.push(name);
            } else if name.ends_with(".new") && is_stale(&entry) {
                self.set_aside(&folder, &name, "whoever wrote it died before it was whole")?;
            }
        }
        Ok(names)
    }

    fn set_aside(&self, folder: &Path, name: &str, reason: &str) -> Result<(), SpoolError> {
        let aside = self.dir.join("aside");
        make(&aside)?;
        let (old, new) = (folder.join(name), aside.join(name));
        warn!(path = %old.display(), reason, "A run cannot be read and is set aside.");
        let why = aside.join(format!("{name}.reason.txt"));
        fs::write(&why, format!("{reason}\n")).map_err(SpoolError::io("write", &why))?;
        gone_is_fine(fs::rename(&old, &new)).map_err(SpoolError::io("move", &old))?;
        sync(&aside)
    }
}

/// `None` if it is gone; else the run, or why it is none.
fn read(path: &Path, name: &str) -> Result<Option<Run>, String> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|it| it.take(MAX_BYTES + 1).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(format!("cannot be read: {err}")),
    }
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("is longer than {MAX_BYTES} bytes"));
    }
    let run: Run = serde_json::from_slice(&bytes).map_err(|err| format!("is no run: {err}"))?;
    run.check().map_err(|err| format!("is no run: {err}"))?;
    if name != format!("{}.json", run.run_id) {
        return Err(format!("holds {}, which is not its name", run.run_id));
    }
    Ok(Some(run))
}

fn is_stale(entry: &fs::DirEntry) -> bool {
    let written = entry.metadata().and_then(|it| it.modified());
    written.is_ok_and(|it| SystemTime::now().duration_since(it).is_ok_and(|age| age > STALE))
}

fn make(folder: &Path) -> Result<(), SpoolError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(SpoolError::io("make the folder", folder))
}

fn sync(folder: &Path) -> Result<(), SpoolError> {
    File::open(folder).and_then(|it| it.sync_all()).map_err(SpoolError::io("sync", folder))
}

fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
