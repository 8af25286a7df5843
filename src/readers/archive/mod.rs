//! The archive: every call that ever was, in `data/archive.db` (SQLite), to be found again.
//!
//! The one idea: it is a projection of the journal. Every record becomes rows in the order of the
//! journal, calls that are still open included, so the same words are found whether the call goes
//! on or ended a year ago, and a lost archive is read again from the journal while that holds it.

mod batch;
mod begin;
mod catch_up;
mod codes;
mod error;
mod follow;
mod keeping;
mod look;
mod outage;
mod query;
mod read;
mod reads;
mod salvage;
mod schema;
mod status;
mod store;
mod whole;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use self::begin::Beginning;
pub use self::catch_up::catch_up;
pub use self::error::ArchiveError;
pub use self::keeping::{KeptCall, calls_of, kept_call, past_policy, past_undo, remarks};
pub use self::look::Look;
pub use self::query::{
    Action, AskError, CallerFilter, Counts, DayOfWork, Deleted, Filters, Find, HistoryQuestion,
    MAX_DAYS, Page, PastCall, Query, RecordedRun, RunsQuestion, SearchQuestion, StatusFilter,
    SyntaxError, Team, TeamMember, TeamQuestion, Transcript, runs, users_of_runs,
};
pub use self::read::call;
pub use self::reads::Reads;
pub use self::salvage::{Salvaged, salvage};
pub use self::status::{Archive, ArchiveState, ArchiveStatus};
pub use self::store::{Store, last_position};
pub use self::whole::{Deed, Selection, WholeCall, WholeCalls};

use crate::journal::Journal;

/// Where the archive is.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("archive.db")
}

/// Where a repair makes a new one, which then takes its place.
pub fn beside(data_dir: &Path) -> PathBuf {
    data_dir.join("archive.db.new")
}

/// A database, and the files that SQLite keeps beside it.
pub fn with_logs(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    })
}

/// Opens the archive, or makes it, and starts the thread `archive`, which ends when the journal is
/// closed. Ended calls leave the state when they have ended for as long as `after`.
///
/// # Errors
/// What is wrong with the file, and what to do: unreadable is not empty. A disk that is full or
/// fails is no reason not to answer calls: then it is tried again.
pub fn start(
    journal: &Arc<Journal>,
    data_dir: &Path,
    after: Duration,
) -> Result<(Arc<Archive>, JoinHandle<()>), ArchiveError> {
    let path = path(data_dir);
    let first = match Store::open(&path) {
        Ok(store) => {
            let beginning = Beginning::of(&store, &path, journal)?;
            Some((store, beginning))
        }
        Err(err) if err.is_the_disks() => None,
        Err(err) => return Err(err),
    };
    let archive = Arc::new(Archive::new(path));
    let thread = follow::spawn(journal, &archive, after, first)?;
    Ok((archive, thread))
}
