//! Why a file of cards is refused, in words that lead to the place and to the repair.

use std::io;
use std::path::PathBuf;

/// Nothing of a refused file is used; on a reload the cards before it stay.
#[derive(Debug, thiserror::Error)]
pub enum CardsError {
    #[error("the cards in {path} could not be read", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the file of cards is larger than {} KiB", super::MAX_FILE_BYTES / 1024)]
    TooLarge,
    #[error("line {line} is not TOML: {problem}")]
    Syntax { line: usize, problem: String },
    /// `place` is such as "card `fire`, step 2" or "the file".
    #[error("{place}: `{field}` {problem}")]
    Field { place: String, field: String, problem: String },
}
