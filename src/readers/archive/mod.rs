//! The archive: every call that ever was, in `data/archive.db` (SQLite), to be found again.
//!
//! The one idea: it is a projection of the journal. Every record becomes rows in the order of the
//! journal, calls that are still open included, so the same words are found whether the call goes
//! on or ended a year ago, and a lost archive is read again from the journal while that holds it.

mod codes;
mod error;
mod query;
mod read;
mod reads;
mod schema;
mod store;

pub use self::error::ArchiveError;
pub use self::query::{
    Action, AskError, CallerFilter, Deleted, Filters, Find, HistoryQuestion, Page, PastCall, Query,
    SearchQuestion, StatusFilter, SyntaxError, Transcript,
};
pub use self::read::call;
pub use self::reads::Reads;
pub use self::store::Store;
