//! The archive: every call that ever was, in `data/archive.db` (SQLite), to be found again.
//!
//! The one idea: it is a projection of the journal. Every record becomes rows in the order of the
//! journal, calls that are still open included, so the same words are found whether the call goes
//! on or ended a year ago, and a lost archive is read again from the journal while that holds it.

mod catch_up;
mod codes;
mod error;
mod read;
mod schema;
mod store;
mod whole;

pub use self::catch_up::catch_up;
pub use self::error::ArchiveError;
pub use self::read::call;
pub use self::store::Store;
pub use self::whole::{Action, Archive, Selection, WholeCall};
