//! `data/runs/*.begun`: work that is under way, for the case that whoever measures it is killed.
//!
//! The one idea: the file is locked as long as the work lasts, and its time of change says when the
//! work was last seen. One that nobody locks is a dead process's: whoever reads the spool next makes
//! it a run that was interrupted then.
//!
//! # Promises
//! - The file itself becomes the finished run, by renaming: no kill makes two runs of one, or none.
//! - It is not synced, so that the command is not kept waiting: a power cut may take it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use super::spool::{Place, Spool, SpoolError, gone_is_fine, read_whole, write};
use super::user::Asked;
use crate::domain::{Note, Run, RunStatus, Seconds, Timestamp};

/// How often it is noted that the work still goes on.
const SEEN_EVERY: Duration = Duration::from_secs(5);

/// The file of work that is under way, and the lock on it.
#[derive(Debug)]
pub struct Mark {
    file: File,
    path: PathBuf,
}

impl Mark {
    /// `run`: what is known of it at its beginning, and when that was. It has no id yet.
    fn make(spool: &Spool, run: &Run, occasion: &str) -> Result<Self, SpoolError> {
        spool.refuse_if_full()?;
        let path = spool.dir().join(format!("{}.begun", occasion.replace(' ', "-")));
        let beside = path.with_extension("begun.new");
        // Locked before it has its name, or somebody could take it for a dead process's.
        let made = write(&beside, run).and_then(|file| {
            file.try_lock()?;
            fs::rename(&beside, &path).map(|()| file)
        });
        match made {
            Ok(file) => Ok(Self { file, path }),
            Err(err) => {
                let _ = fs::remove_file(&beside);
                Err(SpoolError::io("write", &path)(err))
            }
        }
    }

    fn seen(&self) {
        // What cannot be noted makes the work look shorter, if it is ever looked at.
        let _ = self.file.set_modified(SystemTime::now());
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For a run that is kept nowhere, or elsewhere.
    pub fn remove(self) -> io::Result<()> {
        gone_is_fine(fs::remove_file(&self.path))
    }
}

/// Whoever keeps the mark while the work goes on.
#[derive(Debug)]
pub struct Keeper {
    ended: Sender<()>,
    thread: JoinHandle<(Note, Option<Mark>)>,
}

impl Keeper {
    /// `asked`: whose work it is. `None` if there is no thread to be had.
    pub fn begin(spool: Spool, run: Run, occasion: String, asked: Asked) -> Option<Self> {
        let (ended, end) = mpsc::channel();
        let keep = move || {
            let user_id = asked.answer();
            let run = Run { user_id: user_id.clone(), ..run };
            // No data folder is made before the command has ended, which may need an empty place.
            let is_there = spool.dir().parent().is_some_and(Path::is_dir);
            // Without a mark only a kill is not survived; what is wrong here is told at the end.
            let mark = is_there.then(|| Mark::make(&spool, &run, &occasion).ok()).flatten();
            while end.recv_timeout(SEEN_EVERY) == Err(RecvTimeoutError::Timeout) {
                mark.iter().for_each(Mark::seen);
            }
            (user_id, mark)
        };
        let thread = thread::Builder::new().name("keeper".to_owned()).spawn(keep).ok()?;
        Some(Self { ended, thread })
    }

    /// Whose work it was, and its mark.
    pub fn end(self) -> Option<(Note, Option<Mark>)> {
        drop(self.ended);
        self.thread.join().ok()
    }
}

/// Why a file stays, or goes aside.
#[derive(Debug)]
pub enum Untaken {
    NoRun(String),
    Spool(SpoolError),
}

impl From<SpoolError> for Untaken {
    fn from(err: SpoolError) -> Self {
        Self::Spool(err)
    }
}

/// Makes a run of it if nobody works on it any more.
pub fn take_up(spool: &Spool, path: &Path) -> Result<(), Untaken> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(SpoolError::io("open", path)(err).into()),
    };
    // Held to the end, so that two who take it up do not meet.
    if file.try_lock().is_err() || !is_still(&file, path) {
        return Ok(());
    }
    let run = read_whole(&file).map_err(Untaken::NoRun)?;
    if run.run_id.0.is_nil() {
        let occasion = path.file_stem().unwrap_or_default().to_string_lossy();
        let seen = file.metadata().and_then(|it| it.modified());
        let run = cut_short(run, seen.ok()).named(&occasion);
        run.check().map_err(|err| Untaken::NoRun(format!("is no run: {err}")))?;
        return Ok(spool.put_over(&run, Some(path))?);
    }
    // Finished, and killed between two steps.
    run.check().map_err(|err| Untaken::NoRun(format!("is no run: {err}")))?;
    let whole = spool.path(Place::Waiting, run.run_id);
    Ok(gone_is_fine(fs::rename(path, &whole)).map_err(SpoolError::io("move", path))?)
}

/// Whether the name still stands for the file: else its work has ended meanwhile.
fn is_still(file: &File, path: &Path) -> bool {
    let (own, named) = (file.metadata(), fs::metadata(path));
    own.is_ok_and(|own| named.is_ok_and(|it| (it.dev(), it.ino()) == (own.dev(), own.ino())))
}

/// What is known of work whose end nobody saw.
fn cut_short(run: Run, seen: Option<SystemTime>) -> Run {
    let last = seen.map_or(run.timestamp, Timestamp::from).max(run.timestamp);
    let lasted = last.as_millis().saturating_sub(run.timestamp.as_millis());
    Run {
        timestamp: last,
        status: RunStatus::Interrupted,
        duration_seconds: Seconds::from_millis(lasted).unwrap_or_default(),
        ..run
    }
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;
    use crate::domain::{Label, RunId};
    use crate::runs::user;

    fn begin(data_dir: &Path) -> Option<(Note, Option<Mark>)> {
        let run = Run {
            run_id: RunId(Ulid::nil()),
            user_id: Note::default(),
            timestamp: Timestamp::from_millis(1_700_000_000_000),
            slug: Label::parse("x").unwrap(),
            command: Note::parse("x").unwrap(),
            status: RunStatus::Interrupted,
            duration_seconds: Seconds::default(),
            automation_seconds: Seconds::default(),
            lines_migrated: 0,
            manual_estimate_seconds: Seconds::default(),
            report_path: None,
            call_id: None,
        };
        let asked = user::ask(Some("ada"));
        Keeper::begin(Spool::of(data_dir), run, "1 2".to_owned(), asked)?.end()
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made_while_the_work_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (user, mark) = begin(&dir.path().join("data")).unwrap();
        assert_eq!((user.as_str(), mark.is_none()), ("ada", true));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        let (_, mark) = begin(dir.path()).unwrap();
        assert!(mark.unwrap().path().ends_with("runs/1-2.begun"));
    }

    #[test]
    fn what_is_locked_or_was_replaced_is_left_and_a_clock_set_back_makes_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::of(dir.path());
        let (_, mark) = begin(dir.path()).unwrap();
        let mark = mark.unwrap();
        take_up(&spool, mark.path()).unwrap();
        assert!(mark.path().exists(), "its work goes on");

        mark.file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let path = mark.path().to_owned();
        drop(mark);
        take_up(&spool, &path).unwrap();
        assert!(!path.exists());
        let runs = spool.list(Place::Waiting, 9).unwrap();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].timestamp, Timestamp::from_millis(1_700_000_000_000));
        assert_eq!(runs[0].duration_seconds, Seconds::default());
    }
}
