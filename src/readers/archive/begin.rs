//! Where the archive goes on in the journal, when it is opened.
//!
//! The one idea: as long as the journal holds what follows the archive's place, nothing is missing
//! and nothing needs to be said. Where it does not, the state is the next best: calls that go on
//! are taken from it whole, and what was said in others is gone from the archive, which says so.

use std::path::Path;

use tracing::{info, warn};

use super::error::ArchiveError;
use super::store::Store;
use crate::domain::{Position, State};
use crate::journal::Journal;

/// What is to be done before the first record is read.
#[derive(Debug)]
pub enum Beginning {
    /// Nothing: it goes on where it stands.
    GoOn,
    /// It is new, and the journal holds everything.
    New(Position),
    /// Another journal, or records are missing.
    Anew(Box<Anew>),
}

#[derive(Debug)]
pub struct Anew {
    position: Position,
    /// Records before it were never read.
    is_cut: bool,
    state: State,
}

impl Beginning {
    /// Compares the archive's place with what the journal holds, and says so in the log.
    ///
    /// # Errors
    /// [`ArchiveError::Ahead`]: records that the archive has read are gone. Going on would give
    /// their numbers to others, and put the words of two histories into one call.
    pub fn of(store: &Store, path: &Path, journal: &Journal) -> Result<Self, ArchiveError> {
        let first = journal.first_held();
        let position = journal.position(first - 1);
        let is_cut = first > 1;
        match store.position() {
            Some(own) if own.journal == journal.id() => {
                if own.seq > journal.head() {
                    let (path, stands_at, ends_at) = (path.to_owned(), own.seq, journal.head());
                    return Err(ArchiveError::Ahead { path, stands_at, ends_at });
                }
                if journal.holds_after(own.seq) {
                    return Ok(Self::GoOn);
                }
                warn!(
                    stands_at = own.seq,
                    first_held = first,
                    "The archive was cut: records between its place and the first one that the \
                     journal holds are gone. It goes on there."
                );
            }
            Some(own) => warn!(
                read = %own,
                first_held = first,
                "The archive has read another journal. It keeps what it has and reads this one \
                 from its first record on."
            ),
            None if is_cut => warn!(
                first_held = first,
                "The archive is new, but the journal no longer holds its first records. It begins \
                 with the first one that is held, and with the calls of the state."
            ),
            None => {
                if journal.head() > 0 {
                    info!(n_records = journal.head(), "The archive is built from the journal.");
                }
                return Ok(Self::New(position));
            }
        }
        Ok(Self::Anew(Box::new(Anew { position, is_cut, state: journal.snapshot() })))
    }

    /// Does it. If the process dies meanwhile, the next one begins with it again.
    ///
    /// # Errors
    /// The database's.
    pub fn take(&self, store: &mut Store) -> Result<(), ArchiveError> {
        match self {
            Self::GoOn => Ok(()),
            Self::New(position) => store.begin_at(*position, false),
            Self::Anew(it) => {
                if it.is_cut {
                    store.adopt(&it.state)?;
                }
                store.end_forgotten(&it.state)?;
                // The place comes last: it says that all of this is done.
                store.begin_at(it.position, it.is_cut)
            }
        }
    }
}
