//! The archive brought up to a journal that no server follows.

use std::path::Path;

use super::begin::Beginning;
use super::error::ArchiveError;
use super::store::Store;
use crate::domain::Seq;
use crate::journal::Journal;

/// Records of one transaction.
const BATCH: usize = 4_096;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Takes in all that the journal holds beyond the archive, which lies at `path`. `go_on` is told
/// the place after each batch; whether all was taken in, which it is unless `go_on` said no.
///
/// # Errors
/// The journal's and the database's; what was taken in stays. [`ArchiveError::Ahead`]
pub fn catch_up(
    journal: &Journal,
    store: &mut Store,
    path: &Path,
    mut go_on: impl FnMut(Seq) -> bool,
) -> Result<bool, ArchiveError> {
    if journal.head() == 0 {
        // A journal without a record has no lasting id yet.
        return Ok(true);
    }
    Beginning::of(store, path, journal)?.take(store)?;
    let mut reader = journal.read_after(store.position().map_or(0, |it| it.seq));
    loop {
        let records = reader.next_batch(BATCH, BATCH_BYTES)?;
        if records.is_empty() {
            return Ok(true);
        }
        store.apply(journal.id(), records.iter().map(|it| &**it))?;
        if !go_on(reader.position()) {
            return Ok(false);
        }
    }
}
