//! A disk that hangs: nobody is kept on the line for it.
//!
//! The one idea: what was decided is said after a moment, whether or not the disk has answered, and
//! is not called durable. What could not even be decided is withdrawn, answered from nothing but
//! the words, and written down later as it was heard.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Desk;
use super::answer::{Answer, DeskError};
use super::decide::{self, Said, Words};
use crate::domain::State;
use crate::journal::{Committed, Draft, JournalError, Need};

/// Longest time that anybody waits for the disk. Far above what a good disk takes, and short
/// enough that a caller stays on the line.
pub const DISK_PATIENCE: Duration = Duration::from_secs(2);

impl Desk {
    /// Commits what `decide` says, but answers in time: not durable if the disk takes too long.
    ///
    /// # Errors
    /// Those of `decide`; [`JournalError::Unwritable`] if it was not even decided in time, and now
    /// never will be.
    pub(super) async fn in_time<T: Clone + Send + Sync + 'static>(
        &self,
        decide: impl FnOnce(&State, &mut Draft<'_>) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<Committed<T>, DeskError> {
        let decided = Arc::new(OnceLock::new());
        let slot = Arc::clone(&decided);
        let pending = self.journal.submit(Need::Answer, move |state, draft| {
            let value = decide(state, draft)?;
            let _ = slot.set(value.clone());
            Ok(value)
        });
        match (pending.within(DISK_PATIENCE).await, decided.get()) {
            (Err(DeskError::Journal(JournalError::Stalled)), Some(value)) => {
                Ok(Committed { value: value.clone(), durable: false, seq: self.journal.head() })
            }
            (done, _) => done,
        }
    }

    /// Writes down what was said and heard while the journal could not be asked.
    pub(super) fn write_later(&self, words: &Words, heard: &Answer) {
        let words = words.clone();
        let said = Said {
            text: Arc::clone(&heard.text),
            sources: Arc::clone(&heard.sources),
            answered_by: heard.answered_by,
            card: None,
        };
        let (urgency, limits) = (heard.urgency, self.limits);
        // Nobody waits for it. If the journal does not take it either, its memory is full.
        drop(self.journal.submit(Need::Answer, move |state, draft| {
            decide::note(state, draft, &words, said, urgency, limits)
        }));
    }
}
