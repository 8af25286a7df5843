//! The holes that a power cut leaves in the last write.
//!
//! The one idea: what a start takes away by itself is no damage, so it counts as a last line that
//! is not finished. The rule is the start's own.

use super::{Head, Part, Survey};
use crate::domain::{Position, Seq};
use crate::journal::error::JournalError;
use crate::journal::torn;

impl Survey {
    /// Takes an interrupted last write for what it is. `handed_out`: as for a start.
    pub(super) fn set_holes_apart(&mut self, handed_out: &[Position]) -> Result<(), JournalError> {
        let id = self.journal_id();
        let handed_out = handed_out.iter().filter(|it| Some(it.journal.as_str()) == id);
        let known = handed_out.map(|it| it.seq).max().unwrap_or(0);
        let Some(place) = self.files.iter().rposition(|it| !it.is_leftover()) else {
            return Ok(());
        };
        let last_at = self.files[..place].iter().rev().find_map(|it| it.runs().last());
        let last_at = last_at.map(|it| it.last_at).unwrap_or_default();
        let file = &mut self.files[place];
        let Head::Good(header) = &file.head else { return Ok(()) };
        let first: Seq = header.first_seq;
        let (n_before, expected, last_at, offset) = match file.parts.as_slice() {
            [Part::Bad(bad), ..] => (0, first, last_at, bad.offset),
            [Part::Run(run), Part::Bad(bad), ..] if run.first == first => {
                (1, run.last + 1, run.last_at, bad.offset)
            }
            _ => return Ok(()),
        };
        if known >= expected {
            return Ok(());
        }
        let tail = torn::tail_of(&file.path, offset)?;
        if torn::is_one_write(&tail, offset, expected, last_at) {
            file.parts.truncate(n_before);
            file.whole_bytes = offset;
            file.torn_bytes = tail.len() as u64;
            file.has_holes = true;
        }
        Ok(())
    }
}
