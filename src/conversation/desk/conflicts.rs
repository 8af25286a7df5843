//! What becomes of a value that went under: put back by a named person, or let go of.
//!
//! The one idea: putting it back is a change like any other, made by whoever asks for it, in the
//! same commit that settles the conflict. So what a person may not do otherwise, they may not do
//! here; and urgency may fall, for a person decides it.

use super::Desk;
use super::answer::DeskError;
use super::late::DISK_PATIENCE;
use super::remarks::Remark;
use super::supervise::see_alerts;
use crate::conversation::keeping::Kept;
use crate::domain::{
    ByPerson, Call, CallStatus, CallUpdated, Conflict, ConflictId, ConflictSettled, Event, Field,
    Label, Note, Seq, State, Urgency,
};
use crate::journal::{Draft, Need};

impl Desk {
    /// Puts the value back that went under, as a change by that person. `archived`: what the
    /// archive knows of the call, if it has left the state; whoever asked it must keep the call
    /// from being erased meanwhile.
    ///
    /// # Errors
    /// [`DeskError::NoSuchConflict`]; why the value can't be set: [`DeskError::CallEnded`],
    /// [`DeskError::CallOpen`], [`DeskError::OnLegalHold`], [`DeskError::HeldByAnother`],
    /// [`DeskError::NoSuchCall`]; [`DeskError::Journal`]
    pub async fn restore_lost(
        &self,
        id: ConflictId,
        archived: Option<Kept>,
        by: Label,
    ) -> Result<Seq, DeskError> {
        self.settle(id, by, true, move |state, draft, conflict, by| {
            restore(state, draft, conflict, archived, by)
        })
        .await
    }

    /// What was kept stays, and nobody needs to look at it any more.
    ///
    /// # Errors
    /// [`DeskError::NoSuchConflict`], [`DeskError::Journal`]
    pub async fn dismiss(&self, id: ConflictId, by: Label) -> Result<Seq, DeskError> {
        self.settle(id, by, false, |_, _, _, _| Ok(())).await
    }

    async fn settle(
        &self,
        conflict_id: ConflictId,
        by: Label,
        is_restored: bool,
        act: impl FnOnce(&State, &mut Draft<'_>, &Conflict, &Label) -> Result<(), DeskError>
        + Send
        + 'static,
    ) -> Result<Seq, DeskError> {
        self.journal
            .submit(Need::Durable, move |state, draft| {
                let conflict = state.conflict(conflict_id).ok_or(DeskError::NoSuchConflict)?;
                let call_id = conflict.call_id;
                act(state, draft, conflict, &by)?;
                let settled = ConflictSettled { conflict_id, call_id, is_restored, by };
                draft.push(Event::ConflictSettled(settled));
                Ok::<_, DeskError>(())
            })
            .within(DISK_PATIENCE)
            .await
            .map(|it| it.seq)
    }
}

/// Sets what went under. A value that is there already needs no change.
fn restore(
    state: &State,
    draft: &mut Draft<'_>,
    conflict: &Conflict,
    archived: Option<Kept>,
    by: &Label,
) -> Result<(), DeskError> {
    let call = state.call(conflict.call_id);
    let kept = call.map(|it| Kept::from(&**it)).or(archived).ok_or(DeskError::NoSuchCall)?;
    let lost = conflict.lost.value.as_ref();
    let (id, person) = (conflict.call_id, Some(by.clone()));
    match conflict.field {
        Field::AdminNotes | Field::FinalAction => {
            if call.is_none_or(|it| it.value_of(conflict.field).as_ref() != lost) {
                let remark = match conflict.field {
                    Field::AdminNotes => Remark::AdminNotes,
                    _ => Remark::FinalAction,
                };
                let text = lost.cloned().unwrap_or_default();
                draft.push(Event::CallUpdated(remark.update(id, text, person)));
            }
        }
        Field::Urgency => {
            let call = call.filter(|it| it.is_open()).ok_or(DeskError::CallEnded)?;
            let urgency = lost.and_then(|it| Urgency::parse(it.as_str()));
            if let Some(urgency) = urgency.filter(|it| *it != call.urgency) {
                let update = CallUpdated::of(id, person);
                draft.push(Event::CallUpdated(CallUpdated { urgency: Some(urgency), ..update }));
            }
        }
        Field::AdminId => {
            let call = call.filter(|it| it.is_open()).ok_or(DeskError::CallEnded)?;
            restore_holder(state, draft, call, conflict, by)?;
        }
        Field::DeletedAt if kept.is_open => return Err(DeskError::CallOpen),
        Field::DeletedAt if lost.is_some() == kept.deleted_at.is_some() => {}
        Field::DeletedAt if lost.is_none() => {
            draft.push(Event::CallRestored(ByPerson::new(id, person)));
        }
        Field::DeletedAt if kept.legal_hold => return Err(DeskError::OnLegalHold),
        Field::DeletedAt => draft.push(Event::CallDeleted(ByPerson::new(id, person))),
    }
    Ok(())
}

/// Gives the call to who went under, or takes it from who stayed. Nobody else's hands are undone.
fn restore_holder(
    state: &State,
    draft: &mut Draft<'_>,
    call: &Call,
    conflict: &Conflict,
    by: &Label,
) -> Result<(), DeskError> {
    let holder = call.admin_id.as_ref().filter(|_| call.is_held());
    let wanted = conflict.lost.value.as_ref().and_then(|it| Label::parse(it.as_str()).ok());
    let stayed = conflict.kept.value.as_ref().map(Note::as_str);
    let update = CallUpdated::of(call.id, Some(by.clone()));
    match (holder, wanted) {
        (Some(holder), Some(wanted)) if *holder == wanted => {}
        (Some(holder), None) if Some(holder.as_str()) == stayed => {
            let status = Some(CallStatus::Active);
            draft.push(Event::CallUpdated(CallUpdated { status, ..update }));
        }
        (Some(holder), _) => return Err(DeskError::HeldByAnother { holder: holder.clone() }),
        (None, None) => {}
        (None, wanted) => {
            let status = Some(CallStatus::Takeover);
            draft.push(Event::CallUpdated(CallUpdated { status, admin_id: wanted, ..update }));
            see_alerts(state, draft, call.id, by);
        }
    }
    Ok(())
}
