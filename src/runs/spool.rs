//! `data/runs/`: work that is finished and not handed on yet, one file a run.
//!
//! # Promises
//! - A run is written beside, synced, renamed, and the folder synced: it is there whole or not at
//!   all, however many processes write at once, and after a power cut.
//! - Writing the same run twice is writing it once: the file bears its id.
//! - A file that does not read is set aside with the reason; nothing is deleted but what is known to
//!   be elsewhere, and the oldest of what is refused again and again, which is told.
//!
//! # Folders
//! `*.json` waits. `*.begun` is under way ([`super::begun`]). `sent/` is in the database already and
//! waits for a server that takes it into its journal. `refused/` the database will not have. `aside/`
//! could not be read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::warn;

use super::begun::{self, Untaken};
use crate::domain::{Run, RunId};

/// As many wait at most: whoever records more has nobody who takes them.
pub const MAX_WAITING: usize = 10_000;
/// As many that were sent stay; the oldest go, for they are in the database.
const MAX_SENT: usize = 1_000;
/// As many that the database refuses stay.
const MAX_REFUSED: usize = 1_000;
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
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
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

/// A file of the spool.
#[derive(Debug)]
pub struct Looked {
    pub path: PathBuf,
    /// Why it is no run.
    pub problem: Option<String>,
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
        self.refuse_if_full()?;
        self.put_over(run, None)
    }

    /// As [`Spool::put`]; what was known of it while it was under way becomes the run itself.
    pub(super) fn put_over(&self, run: &Run, begun: Option<&Path>) -> Result<(), SpoolError> {
        let path = self.path(Place::Waiting, run.run_id);
        let beside = self.dir.join(format!("{}.{}.new", run.run_id, std::process::id()));
        let write = || {
            write(&beside, run)?.sync_all()?;
            match begun {
                // Two steps: whoever comes in between finds one whole run, and takes the second.
                Some(begun) => {
                    fs::rename(&beside, begun)?;
                    gone_is_fine(fs::rename(begun, &path))
                }
                None => fs::rename(&beside, &path),
            }
        };
        write().map_err(|err| {
            let _ = fs::remove_file(&beside);
            SpoolError::io("write", &path)(err)
        })?;
        sync(&self.dir)
    }

    /// Makes the folder, too.
    pub(super) fn refuse_if_full(&self) -> Result<(), SpoolError> {
        make(&self.dir)?;
        let n_waiting = self.names(&self.dir)?.iter().filter(|it| !it.ends_with(".new")).count();
        if n_waiting >= MAX_WAITING {
            return Err(SpoolError::Full(self.dir.clone()));
        }
        Ok(())
    }

    /// What is there, oldest first, at most so many. What does not read is set aside.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self, place: Place, limit: usize) -> Result<Vec<Run>, SpoolError> {
        if place == Place::Waiting {
            self.take_up_what_the_dead_left()?;
        }
        let folder = self.folder(place);
        let mut runs = Vec::new();
        for name in self.files(place)? {
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

    /// What is there, and what is wrong with it; changes nothing.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn look(&self, place: Place) -> Result<Vec<Looked>, SpoolError> {
        let folder = self.folder(place);
        let look = |name: String| {
            let path = folder.join(&name);
            let problem = read(&path, &name).map(|run| run.map(drop)).transpose()?.err();
            Some(Looked { path, problem })
        };
        Ok(self.files(place)?.into_iter().filter_map(look).collect())
    }

    fn take_up_what_the_dead_left(&self) -> Result<(), SpoolError> {
        for name in self.names(&self.dir)? {
            let path = self.dir.join(&name);
            if name.ends_with(".new") && is_stale(&path) {
                self.set_aside(&self.dir, &name, "whoever wrote it died before it was whole")?;
            } else if name.ends_with(".begun") {
                match begun::take_up(self, &path) {
                    Ok(()) => {}
                    Err(Untaken::NoRun(reason)) => self.set_aside(&self.dir, &name, &reason)?,
                    // Whoever may only read here reads the rest.
                    Err(Untaken::Spool(err)) => {
                        warn!(error = %err, "Work that was cut short is not recorded yet.");
                    }
                }
            }
        }
        Ok(())
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
        self.trim(Place::Sent, MAX_SENT).map(drop)
    }

    /// Lets the oldest of those go that the database refuses, and says which: nobody else has them.
    /// So it is for whoever is in sight of somebody.
    ///
    /// # Errors
    /// [`SpoolError::Io`]
    pub fn trim_refused(&self) -> Result<(), SpoolError> {
        let gone = self.trim(Place::Refused, MAX_REFUSED)?;
        if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
            warn!(
                n_runs = gone.len(),
                first,
                last,
                "More than {MAX_REFUSED} runs are refused by the database: the oldest are dropped. \
                 Run `aurora run sync` to see why it refuses them, or start a server on the data \
                 folder, which takes them in."
            );
        }
        Ok(())
    }

    /// Keeps the latest; the names of the others, oldest first.
    fn trim(&self, place: Place, max: usize) -> Result<Vec<String>, SpoolError> {
        let mut names = self.files(place)?;
        names.truncate(names.len().saturating_sub(max));
        for name in &names {
            let path = self.folder(place).join(name);
            gone_is_fine(fs::remove_file(&path)).map_err(SpoolError::io("remove", &path))?;
        }
        Ok(names)
    }

    /// What could not be read, each with its reason.
    pub fn aside(&self) -> PathBuf {
        self.dir.join("aside")
    }

    pub fn folder(&self, place: Place) -> PathBuf {
        self.dir.join(place.folder())
    }

    pub(super) fn path(&self, place: Place, id: RunId) -> PathBuf {
        self.folder(place).join(format!("{id}.json"))
    }

    /// Names of runs, oldest first: ids sort by time.
    fn files(&self, place: Place) -> Result<Vec<String>, SpoolError> {
        let mut names = self.names(&self.folder(place))?;
        names.retain(|it| it.ends_with(".json"));
        names.sort_unstable();
        Ok(names)
    }

    /// Names of all that we write there.
    fn names(&self, folder: &Path) -> Result<Vec<String>, SpoolError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(SpoolError::io("read", folder)(err)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(SpoolError::io("read", folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if [".json", ".begun", ".new"].iter().any(|it| name.ends_with(it)) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn set_aside(&self, folder: &Path, name: &str, reason: &str) -> Result<(), SpoolError> {
        let aside = self.aside();
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
    let file = match File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(format!("cannot be read: {err}")),
    };
    let run = read_whole(&file)?;
    run.check().map_err(|err| format!("is no run: {err}"))?;
    if name != format!("{}.json", run.run_id) {
        return Err(format!("holds {}, which is not its name", run.run_id));
    }
    Ok(Some(run))
}

/// The run that a file holds, or why it holds none.
pub(super) fn read_whole(file: &File) -> Result<Run, String> {
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|err| format!("cannot be read: {err}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("is longer than {MAX_BYTES} bytes"));
    }
    serde_json::from_slice(&bytes).map_err(|err| format!("is no run: {err}"))
}

/// Writes a file of its own, which is not synced yet.
pub(super) fn write(path: &Path, run: &Run) -> io::Result<File> {
    let bytes = serde_json::to_vec(run).expect("texts and numbers serialize");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(&bytes)?;
    Ok(file)
}

fn is_stale(path: &Path) -> bool {
    let written = fs::metadata(path).and_then(|it| it.modified());
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

pub(super) fn gone_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
