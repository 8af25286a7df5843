//! The keeper: gives sealed segments their line in the hash chain, and removes those that nobody
//! needs any more.
//!
//! The one idea: everybody who would have to read old records again says up to where it never
//! will, which is its floor: what it has on disk itself, not what it has merely seen. What lies
//! wholly at or before the lowest floor goes. Nobody named means that nothing goes.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tracing::{info, warn};

use crate::domain::Seq;
use crate::journal::{Journal, JournalError, Released};

/// Up to where somebody never reads again; `None` while it does not count.
pub type Floor = Box<dyn Fn() -> Option<Seq> + Send>;

/// Between two rounds: removing a segment is never urgent.
pub const PAUSE: Duration = Duration::from_secs(2);
/// Floors rise without news of the journal, too.
const IDLE: Duration = Duration::from_secs(30);

/// The work of the thread `keeper`. Returns when the journal is closed; in a pause, as soon as
/// `end` is disconnected.
pub fn follow(
    journal: &Journal,
    bell: &Receiver<()>,
    end: &Receiver<()>,
    floors: &[Floor],
    pause: Duration,
) {
    let mut is_failing = false;
    loop {
        match keep(journal, floors) {
            Ok(_) => is_failing = false,
            Err(JournalError::Closed) => return,
            // Each round says the same until it is repaired.
            Err(_) if is_failing => {}
            Err(err) => {
                is_failing = true;
                let cause = std::error::Error::source(&err).map(ToString::to_string);
                warn!(error = %err, cause, "Old segments could not be kept in order.");
            }
        }
        if bell.recv_timeout(IDLE) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        // The bell is left alone meanwhile: one that rings already costs the journal nothing.
        if end.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

/// One round.
///
/// # Errors
/// [`JournalError::Io`]; the next round tries again.
pub fn keep(journal: &Journal, floors: &[Floor]) -> Result<Released, JournalError> {
    let Some(floor) = floors.iter().filter_map(|it| it()).min() else {
        return journal.keep_chain().map(|()| Released::default());
    };
    let released = journal.release(floor)?;
    if released.n_segments > 0 {
        info!(
            n_segments = released.n_segments,
            size_bytes = released.size_bytes,
            first_seq = journal.first_held(),
            "Removed old segments; what they held is kept elsewhere."
        );
    }
    Ok(released)
}
