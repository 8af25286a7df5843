//! What people write about a call: their notes, and what was done in the end. Before its end and
//! after, also when only the archive still has it.

use super::Desk;
use super::answer::DeskError;
use super::late::DISK_PATIENCE;
use crate::domain::{CallId, CallUpdated, Event, Field, Label, Note, Seq};
use crate::journal::Need;

/// Which text about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    AdminNotes,
    FinalAction,
}

impl Remark {
    pub fn field(self) -> Field {
        match self {
            Self::AdminNotes => Field::AdminNotes,
            Self::FinalAction => Field::FinalAction,
        }
    }

    /// The change that sets it; an empty text takes it away.
    pub(super) fn update(self, id: CallId, text: Note, by: Option<Label>) -> CallUpdated {
        let update = CallUpdated::of(id, by);
        match self {
            Self::AdminNotes => CallUpdated { admin_notes: Some(text), ..update },
            Self::FinalAction => CallUpdated { final_action: Some(text), ..update },
        }
    }
}

impl Desk {
    /// Writes a text about the call, over the one that is there; an empty one takes it away.
    /// Writing the same twice is writing it once. `archived`: what the archive has there, an empty
    /// text if nothing; `None` if it does not know the call, or was not asked because the state
    /// does. Whoever asked it must keep the call from being erased meanwhile.
    ///
    /// # Errors
    /// [`DeskError::NoSuchCall`], [`DeskError::Journal`]
    pub async fn write(
        &self,
        id: CallId,
        remark: Remark,
        text: Note,
        archived: Option<Note>,
        by: Label,
    ) -> Result<Seq, DeskError> {
        self.journal
            .submit(Need::Durable, move |state, draft| {
                let known = state.call(id).map(|it| it.value_of(remark.field()));
                let before = known.map(Option::unwrap_or_default).or(archived);
                if before.ok_or(DeskError::NoSuchCall)? != text {
                    draft.push(Event::CallUpdated(remark.update(id, text, Some(by))));
                }
                Ok::<_, DeskError>(())
            })
            .within(DISK_PATIENCE)
            .await
            .map(|it| it.seq)
    }
}
