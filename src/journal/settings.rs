//! What opening the journal takes and tells.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::Position;

/// What [`Journal::open`](super::Journal::open) needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder; segments lie in `journal/` below it. Default: `data`.
    pub data_dir: PathBuf,
    /// Places up to which others have been handed the records: they were durable, so that what is
    /// damaged there is no unfinished write. Default: none known.
    pub handed_out: Vec<Position>,
    /// Written into every record. Default: `local`.
    pub node: Arc<str>,
    /// For the id of a journal that is made new. Default: random.
    pub new_id_bits: u64,
    /// A segment that has reached this size is closed and the next begun. Default: 64 MiB.
    pub segment_bytes: u64,
    /// How much of the latest records stays in memory for those who follow, counted in bytes of
    /// their lines. Default: 16 MiB.
    pub ring_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            handed_out: Vec::new(),
            node: Arc::from("local"),
            new_id_bits: rand::random(),
            segment_bytes: 64 * 1024 * 1024,
            ring_bytes: 16 * 1024 * 1024,
        }
    }
}

/// How the start went, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    pub n_replayed: u64,
    pub replayed_bytes: u64,
    pub n_open_calls: usize,
}
