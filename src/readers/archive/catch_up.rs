//! The archive brought up to a journal that nobody else uses.

use super::error::ArchiveError;
use super::store::Store;
use crate::domain::Seq;
use crate::journal::Journal;

/// Records of one transaction.
const BATCH: usize = 4_096;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Takes in all that the journal holds beyond the archive. `go_on` is told the place after each
/// batch; whether all was taken in, which it is unless `go_on` said no.
///
/// # Errors
/// The journal's and the database's; what was taken in stays. [`ArchiveError::OtherJournal`].
pub fn catch_up(
    journal: &Journal,
    store: &mut Store,
    mut go_on: impl FnMut(Seq) -> bool,
) -> Result<bool, ArchiveError> {
    if journal.head() == 0 {
        // A journal without a record has no lasting id yet.
        return Ok(true);
    }
    let after = begin(journal, store)?;
    let mut reader = journal.read_after(after);
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

/// Where to go on. What is gone from the journal is left out, and the archive knows it.
fn begin(journal: &Journal, store: &mut Store) -> Result<Seq, ArchiveError> {
    let position = store.position().filter(|it| it.seq > 0);
    let after = match position {
        Some(it) if it.journal != journal.id() => {
            return Err(ArchiveError::OtherJournal { own: it.journal, other: journal.id() });
        }
        Some(it) if it.seq > journal.head() => {
            return Err(ArchiveError::Ahead { own: it.seq, head: journal.head() });
        }
        Some(it) => it.seq,
        None => 0,
    };
    if position.is_some() && journal.holds_after(after) {
        return Ok(after);
    }
    let first = first_held(journal, after);
    store.begin_at(journal.position(first), first > after)?;
    Ok(first)
}

/// The first place at or beyond `after` from which on the journal holds everything.
fn first_held(journal: &Journal, after: Seq) -> Seq {
    let (mut low, mut high) = (after, journal.head().max(after));
    while low < high {
        let middle = low + (high - low) / 2;
        if journal.holds_after(middle) { high = middle } else { low = middle + 1 }
    }
    low
}
