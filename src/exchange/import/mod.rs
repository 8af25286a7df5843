//! `aurora import FILE`: calls from a file in the published format.
//!
//! The one idea: the file is checked whole, into a spool on disk, before anything is stored. Then
//! each call that is not here yet becomes one event, and goes the way of all others: the journal
//! has it first, and whoever follows the journal gets it from there.

mod check;
mod conversation;
mod entry;
mod fields;
mod findings;
mod guard;
mod spool;
mod store;
mod tree;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::domain::SyncStatus;
use crate::exchange::{Books, Interrupt, OpenError, Place};
use crate::journal::JournalError;
use crate::readers::archive::ArchiveError;
use crate::readers::snapshot;

use self::check::Check;
use self::findings::Findings;
use self::spool::Spool;
pub use self::store::Stored;

/// The next start reads so much in a fraction of a second.
const WORTH_A_CHECKPOINT: u64 = 16 * 1024 * 1024;

/// Stores the calls of a file in the published format (`total.json`), such as one of an older
/// system.
///
/// The file is checked whole before anything is stored; what is wrong is told with its path in the
/// file. Calls that are here already stay as they are, so that the same file can be imported again.
/// No server may run on the data folder meanwhile.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// Store open calls as ended: those who called an older system are not on the line here.
    #[arg(long)]
    as_ended: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("cannot open {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is a folder, not a file", .path.display())]
    Folder { path: PathBuf },
    #[error("{file} is wrong in {n} place{}; nothing was stored{lines}", if *.n == 1 { "" } else { "s" })]
    Wrong { file: String, n: u64, lines: String },
    #[error("interrupted; nothing was stored")]
    InterruptedBefore,
    #[error(
        "interrupted with {} of {n_all} calls here; the same command goes on",
        .stored.n_calls + .stored.n_here
    )]
    Interrupted { stored: Stored, n_all: u64 },
    #[error(
        "stopped with {} of {n_all} calls here; the same command goes on when the cause is gone",
        .stored.n_calls + .stored.n_here
    )]
    Broken { stored: Stored, n_all: u64, source: Box<ImportError> },
    #[error("what was read cannot be kept in the data folder: {0}")]
    Spool(String),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("the summary cannot be printed: {0}")]
    Print(io::Error),
}

impl From<rusqlite::Error> for ImportError {
    fn from(err: rusqlite::Error) -> Self {
        Self::Spool(err.to_string())
    }
}

impl From<rusqlite::types::FromSqlError> for ImportError {
    fn from(err: rusqlite::types::FromSqlError) -> Self {
        Self::Spool(err.to_string())
    }
}

impl From<serde_json::Error> for ImportError {
    fn from(err: serde_json::Error) -> Self {
        Self::Spool(err.to_string())
    }
}

/// Does it, and tells on `out` what came of it.
///
/// # Errors
/// [`ImportError`]: what is wrong, and what was stored.
pub fn run(
    options: &Options,
    place: &Place,
    interrupt: &Interrupt,
    out: &mut impl Write,
) -> Result<(), ImportError> {
    let (input, size) = open(&options.file)?;
    let books = Books::open(place, interrupt)?;
    let spool = Spool::create(&place.data_dir)?;
    let mut findings = Check::new(&spool, interrupt, options.as_ended).read(input, size)?;
    if findings.n_errors == 0 {
        store::check_whole(&spool, &mut findings)?;
        store::check_open(&books, &spool, place.max_open_calls, &mut findings)?;
    }
    let file = name(&options.file);
    if findings.n_errors > 0 {
        let (n, lines) = (findings.n_errors, findings.errors());
        return Err(ImportError::Wrong { file, n, lines });
    }
    let stored = store::store(&books, &spool, interrupt)?;
    checkpoint(&books, &place.data_dir);
    tell(out, &file, stored, &findings).map_err(ImportError::Print)
}

fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>), ImportError> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let failed = |source| ImportError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        return Err(ImportError::Folder { path: path.to_owned() });
    }
    let size = about.is_file().then_some(about.len());
    Ok((Box::new(file), size))
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() }
}

/// After much was stored, the next start need not read it all again.
fn checkpoint(books: &Books, data_dir: &Path) {
    books.journal.close();
    if books.journal.stats().bytes.load(Ordering::Relaxed) < WORTH_A_CHECKPOINT {
        return;
    }
    let (state, seq) = books.journal.snapshot_at_head();
    // How far a mirror is, only a server knows; it says so in the next one.
    let sync_of = |_: &_| SyncStatus::PendingSync;
    if let Err(err) = snapshot::save(data_dir, &state, books.journal.position(seq), &sync_of) {
        // The journal has everything.
        tracing::warn!(error = %err, "A checkpoint could not be written.");
    }
}

fn tell(out: &mut impl Write, file: &str, stored: Stored, findings: &Findings) -> io::Result<()> {
    let Stored { n_calls, n_messages, n_here } = stored;
    writeln!(out, "Imported {n_calls} calls with {n_messages} messages from {file}.")?;
    if n_here > 0 {
        writeln!(out, "{n_here} calls were here already and stay as they are.")?;
    }
    for note in findings.notes() {
        writeln!(out, "{note}.")?;
    }
    out.flush()
}
