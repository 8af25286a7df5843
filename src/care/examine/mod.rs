//! Everything that a data folder says, read once and compared; nothing is changed.
//!
//! The one idea: the journal is read from the first record that is held to the last, and on the way
//! it tells what `total.json` must be at its place, and what the archive must have of each call. What
//! is kept of a call goes when the call has ended and was compared, so the size of history does not
//! matter.

mod calls;
mod replay;

use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

pub use self::calls::Differing;
pub use self::replay::Compared;

use self::calls::Calls;
use self::replay::Replay;
use super::error::CareError;
use super::folder;
use super::progress::Progress;
use super::under_way::UnderWay;
use crate::domain::{CallId, Event, JournalId, Position, Record, Seq, State};
use crate::erasure::{FileError, Marker};
use crate::journal::chain;
use crate::journal::survey::{Finding, Survey, survey};
use crate::readers::archive::{self, ArchiveError, Look};
use crate::readers::firebase::{Cursor, CursorError};
use crate::readers::snapshot::{self, SnapshotError};
use crate::runs::{Looked, Place, Spool};

/// What was found.
#[derive(Debug)]
pub struct Examined {
    pub data_dir: PathBuf,
    pub survey: Survey,
    /// What stops a start of the journal.
    pub findings: Vec<Finding>,
    pub chain: chain::Report,
    pub total: Result<Option<(State, Position)>, SnapshotError>,
    /// How `total.json` compares with what the journal tells.
    pub replayed: Compared,
    pub archive: Result<Option<Look>, ArchiveError>,
    pub archive_problems: Vec<String>,
    /// Calls that the archive tells otherwise than the journal.
    pub differing: Differing,
    pub cursor: Result<Option<Position>, CursorError>,
    /// Finished work that waits for a server, by where it stands.
    pub runs: Vec<(Place, Vec<Looked>)>,
    /// Calls that records speak of and that neither began nor ended in what is held.
    pub begun_before: Vec<CallId>,
    /// Whether there is a record that a repair put where one was lost.
    pub has_lost: bool,
    /// The erasure that is not finished.
    pub erasing: Result<Option<Marker>, FileError>,
    /// The repair that was interrupted.
    pub repairing: Option<UnderWay>,
    /// What it left of a new archive.
    pub leftovers: Vec<PathBuf>,
}

impl Examined {
    pub fn id(&self) -> Option<JournalId> {
        self.survey.journal_id().and_then(|it| it.parse().ok())
    }

    /// The first and last record that are held, if the journal is whole.
    pub fn range(&self) -> Option<(Seq, Seq)> {
        self.survey.range().filter(|_| self.findings.is_empty())
    }

    pub fn archive_position(&self) -> Option<Position> {
        self.archive.as_ref().ok()?.as_ref()?.position
    }

    pub fn total_position(&self) -> Option<Position> {
        self.total.as_ref().ok()?.as_ref().map(|it| it.1)
    }
}

/// Reads all of a data folder.
///
/// # Errors
/// [`CareError`] if something cannot be looked at. What is wrong with it is no error.
pub fn examine(data_dir: &Path, progress: &mut Progress) -> Result<Examined, CareError> {
    // Those who follow are read before the journal: beside a server it is ahead of them then.
    let archive = archive::Look::open(&archive::path(data_dir));
    let total = snapshot::load(data_dir);
    if let Err(SnapshotError::Io { doing, path, source }) = total {
        return Err(CareError::Io { doing, path, source });
    }
    let cursor = cursor(data_dir);
    if let Err(CursorError::Io { doing, file: path, source }) = cursor {
        return Err(CareError::Io { doing, path, source });
    }
    let erasing = Marker::load(data_dir);
    if let Err(FileError::Io { doing, path, source }) = erasing {
        return Err(CareError::Io { doing, path, source });
    }
    let leftovers = archive::with_logs(&archive::beside(data_dir));
    let leftovers = leftovers.into_iter().filter(|it| it.exists()).collect();
    let ids = erasing.as_ref().ok().and_then(Option::as_ref);
    let ids: FxHashSet<CallId> = ids.into_iter().flat_map(|it| &it.call_ids).copied().collect();
    let places = [
        total.as_ref().ok().and_then(Option::as_ref).map(|it| it.1),
        archive.as_ref().ok().and_then(Option::as_ref).and_then(|it| it.position),
        cursor.as_ref().ok().copied().flatten(),
    ];
    let handed_out: Vec<Position> = places.into_iter().flatten().collect();
    let dir = folder::journal(data_dir);
    let mut followers = Followers {
        replay: Replay::new(total.as_ref().ok().and_then(Option::as_ref), &ids),
        calls: Calls::new(archive.as_ref().ok().and_then(Option::as_ref), &ids),
        begun_before: BegunBefore::default(),
        has_lost: false,
    };
    let (survey, chain) = if dir.is_dir() {
        let each = |record: Record| followers.take(&record);
        let tell = |done, total| progress.tell("journal", done, total);
        let survey = survey(&dir, &handed_out, each, tell)?;
        let tell = |done, total| progress.tell("hash chain", done, total);
        (survey, chain::verify(&dir, tell)?)
    } else {
        (Survey::default(), chain::Report { does_read: true, ..chain::Report::default() })
    };
    let findings = survey.findings();
    let id = survey.journal_id().and_then(|it| it.parse::<JournalId>().ok());
    let Followers { replay, calls, begun_before, has_lost } = followers;
    let is_whole = findings.is_empty();
    let (replayed, differing) = (replay.compared(id, is_whole), calls.finish(id, is_whole));
    let archive_problems = match &archive {
        Ok(Some(look)) => {
            progress.tell("archive.db", 0, 1);
            look.problems()
        }
        _ => Vec::new(),
    };
    Ok(Examined {
        data_dir: data_dir.to_owned(),
        survey,
        findings,
        chain,
        replayed,
        archive_problems,
        differing,
        cursor,
        runs: runs(data_dir)?,
        begun_before: begun_before.calls.into_iter().collect(),
        has_lost,
        erasing,
        repairing: UnderWay::load(data_dir)?,
        leftovers,
        total,
        archive,
    })
}

fn cursor(data_dir: &Path) -> Result<Option<Position>, CursorError> {
    // An id that is none is of no journal that is here.
    Ok(Cursor::open(&folder::cursor(data_dir))?.position())
}

fn runs(data_dir: &Path) -> Result<Vec<(Place, Vec<Looked>)>, CareError> {
    let spool = Spool::of(data_dir);
    let places = [Place::Waiting, Place::Refused, Place::Sent];
    places.into_iter().map(|it| Ok((it, spool.look(it)?))).collect()
}

struct Followers<'a> {
    replay: Replay<'a>,
    calls: Calls<'a>,
    begun_before: BegunBefore,
    has_lost: bool,
}

impl Followers<'_> {
    fn take(&mut self, record: &Record) {
        self.has_lost |= record.event == Event::RecordLost;
        self.begun_before.take(record);
        self.replay.take(record);
        self.calls.take(record);
    }
}

/// Calls whose beginning is not held.
#[derive(Default)]
struct BegunBefore {
    open: std::collections::BTreeSet<CallId>,
    calls: std::collections::BTreeSet<CallId>,
}

impl BegunBefore {
    fn take(&mut self, record: &Record) {
        let Some(id) = record.event.call_id() else { return };
        match &record.event {
            Event::CallStarted(_) | Event::CallImported(_) => {
                self.open.insert(id);
            }
            Event::CallEnded(_) | Event::CallArchived { .. } | Event::CallErased(_) => {
                self.open.remove(&id);
                self.calls.remove(&id);
            }
            Event::MessageAdded(_) if !self.open.contains(&id) => {
                self.calls.insert(id);
            }
            _ => {}
        }
    }
}
