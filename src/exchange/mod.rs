//! `aurora import` and `aurora export`: calls in from a file of another system, and out for people
//! and programs.
//!
//! The one idea: both see the data folder as a server sees it at its start, the journal and the
//! archive brought up to it, and then do one thing. What comes in becomes events like all others;
//! what goes out is read from the archive, so that a server may run meanwhile.

pub mod export;
pub mod import;

mod interrupt;
mod open;
mod progress;
mod tail;

use std::path::PathBuf;

pub use self::interrupt::Interrupt;
pub use self::open::{Books, OpenError};

/// What both need of the settings.
#[derive(Debug, Clone)]
pub struct Place {
    pub data_dir: PathBuf,
    /// This machine's name in the records.
    pub node: String,
    pub max_open_calls: usize,
}
