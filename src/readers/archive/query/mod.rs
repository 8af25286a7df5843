//! Questions about the past: the history, the search, one conversation.
//!
//! The one idea: what a question costs does not depend on how much was ever said. Each looks at a
//! bounded number of rows, newest first, and answers with a cursor where there may be more.

mod beginnings;
mod cursor;
mod filters;
mod history;
mod rank;
mod runs;
mod search;
mod slate;
mod snippets;
mod syntax;
mod team;
mod transcript;
mod windows;
mod words;

pub use self::cursor::BadCursor;
pub use self::filters::{CallerFilter, Deleted, Filters, StatusFilter};
pub use self::history::{HistoryQuestion, PastCall, history};
pub use self::runs::{RecordedRun, RunsQuestion, known_runs, runs, users_of_runs};
pub use self::search::{Find, SearchQuestion, search};
pub use self::slate::lay_out;
pub use self::syntax::{Query, SyntaxError};
pub use self::team::{Counts, DayOfWork, MAX_DAYS, Team, TeamMember, TeamQuestion, team};
pub use self::transcript::{Action, Transcript, actions, transcript};
use super::error::ArchiveError;

/// Some of what was asked for, and where to go on. A page may hold less than was asked for, even
/// nothing, while there is more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Cursor(#[from] BadCursor),
    #[error(
        "`{beginning}*` stands for too many different words that were said here: write more of \
         its letters"
    )]
    TooManyWords { beginning: String },
    #[error("too many questions to the archive are waiting: try again in a moment")]
    Busy,
    #[error(
        "the archive did not answer within {seconds} s: narrow the question by time, caller or \
         rarer words"
    )]
    TooSlow { seconds: u64 },
    #[error("the archive cannot be read now")]
    Archive(#[from] ArchiveError),
}
