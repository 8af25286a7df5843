//! `aurora repair`: from a folder that a server refuses to one that it starts with.
//!
//! The one idea: it never deletes. What does not read goes into `quarantine/`, what reads stays or
//! finds its place, and what is missing is said. First it tells what it would do; a second look
//! afterwards decides whether the folder is good.

mod act;
mod plan;

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::time::SystemTime;

use super::error::CareError;
use super::examine::examine;
use super::folder;
use super::progress::Progress;
use super::verify;
use crate::domain::Timestamp;
use crate::journal::quarantine::Quarantine;
use crate::journal::{DataLock, JournalError};

/// Some things can be compared only once others are mended.
const ROUNDS: usize = 4;

/// Repairs a data folder that a server does not start with.
///
/// Tells what it would do and asks. What cannot be read is moved into quarantine/ in the data folder,
/// nothing is deleted; the rest is kept. The server must be stopped. Ends with 0 only if the folder
/// is good afterwards.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Options {
    /// Do it without asking.
    #[arg(long)]
    pub yes: bool,
}

/// Repairs, and verifies what came of it.
///
/// # Errors
/// [`CareError::Problems`] if it is not good afterwards; [`CareError::NotAsked`],
/// [`CareError::Declined`]; what must not be repaired: a folder that is in use, or a newer Aurora's.
pub fn run(
    options: Options,
    data_dir: &Path,
    node: &str,
    out: &mut impl Write,
) -> Result<(), CareError> {
    folder::check(data_dir)?;
    // One that was asked to stop just now is waited for.
    let _lock = DataLock::wait(data_dir).map_err(cannot_write)?;
    let quarantine = Quarantine::of(data_dir, Timestamp::from(SystemTime::now()));
    let mut progress = Progress::new();
    let print = |out: &mut dyn Write, text: &str| {
        writeln!(out, "{text}").map_err(CareError::io("print what is done to", data_dir))
    };
    for round in 0..ROUNDS {
        let found = examine(data_dir, &mut progress)?;
        let plan = plan::plan(&found)?;
        if plan.is_empty() {
            if round == 0 {
                print(out, "There is nothing to repair.")?;
            }
            break;
        }
        print(out, if round == 0 { "This is to be done:" } else { "And then:" })?;
        for step in plan.told(&found) {
            print(out, &format!("  - {step}"))?;
        }
        if !options.yes {
            ask(out)?;
        }
        for done in act::act(found, plan, &quarantine, node, &mut progress)? {
            print(out, &format!("  {done}"))?;
        }
    }
    print(out, "")?;
    verify::run(verify::Options::default(), data_dir, out)
}

fn cannot_write(err: JournalError) -> CareError {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    match err {
        JournalError::Io { path, source, .. }
            if matches!(source.kind(), PermissionDenied | ReadOnlyFilesystem) =>
        {
            CareError::ReadOnly { path, source }
        }
        other => other.into(),
    }
}

fn ask(out: &mut impl Write) -> Result<(), CareError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(CareError::NotAsked);
    }
    let mut answer = String::new();
    let asked = write!(out, "Go on? [y/N] ").and_then(|()| out.flush());
    asked
        .and_then(|()| input.lock().read_line(&mut answer))
        .map_err(CareError::io("ask at", "the terminal"))?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CareError::Declined),
    }
}
