//! `aurora verify`: is everything that is stored whole, and does it fit together?
//!
//! The one idea: it changes nothing and holds nobody up, so it can be run at any time, also beside
//! a server. What a server changes while it is looked at is looked at again.

mod report;
mod tell;

use std::io::Write;
use std::path::Path;

pub use self::report::{Part, Problem, Report};

use super::error::CareError;
use super::examine::examine;
use super::folder::{self, Outline};
use super::progress::Progress;

/// Beside a busy server, files may come and go at each try.
const TRIES: usize = 5;

/// Checks a data folder for damage.
///
/// Reads the journal, total.json, the archive and the mirror's position, and compares them. Works
/// on a stopped server's folder and beside a running one. Ends with 1 if there is a problem.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Options {
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Verifies, and prints the report.
///
/// # Errors
/// [`CareError::Problems`], or what keeps it from looking.
pub fn run(options: Options, data_dir: &Path, out: &mut impl Write) -> Result<(), CareError> {
    let report = verify(data_dir)?;
    let written = if options.json {
        serde_json::to_writer_pretty(&mut *out, &report)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        write!(out, "{report}")
    };
    written.map_err(CareError::io("print the report of", data_dir))?;
    match report.n_problems() {
        0 => Ok(()),
        n_problems => Err(CareError::Problems { n_problems }),
    }
}

/// Checks all of it.
///
/// # Errors
/// [`CareError`] if something cannot be looked at.
pub fn verify(data_dir: &Path) -> Result<Report, CareError> {
    folder::check(data_dir)?;
    let mut progress = Progress::new();
    let mut n_tries = 0;
    loop {
        n_tries += 1;
        let before = Outline::of(data_dir);
        let found = examine(data_dir, &mut progress).map(|it| report::report(&it));
        let is_doubtful = match &found {
            Ok(report) => report.n_problems() > 0,
            Err(err) => err.is_gone(),
        };
        if !is_doubtful || n_tries == TRIES || before == Outline::of(data_dir) {
            return found;
        }
    }
}
