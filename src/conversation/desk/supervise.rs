//! What supervisors do to a call. Every change names its person, and none is made while the disk
//! fails: a supervisor must be able to rely on what the board says.

use std::sync::Arc;

use super::Desk;
use super::answer::DeskError;
use super::decide::{add, by_person};
use super::late::DISK_PATIENCE;
use super::runs::end;
use crate::domain::{
    AlertAcknowledged, AlertId, Call, CallEnded, CallId, CallStatus, CallUpdated, EndReason, Event,
    Label, Message, Role, State, Urgency, Utterance,
};
use crate::journal::{Draft, Need};

impl Desk {
    /// Takes the call over: from now on the assistant is silent. Taking it twice is one takeover.
    ///
    /// # Errors
    /// [`DeskError::NoSuchCall`], [`DeskError::CallEnded`], [`DeskError::HeldByAnother`],
    /// [`DeskError::Journal`]
    pub async fn take_over(&self, id: CallId, admin: Label) -> Result<(), DeskError> {
        self.change(id, move |state, draft, call| {
            match &call.admin_id {
                Some(holder) if *holder == admin => return Ok(()),
                Some(holder) => return Err(DeskError::HeldByAnother { holder: holder.clone() }),
                None => {}
            }
            draft.push(Event::CallUpdated(CallUpdated {
                status: Some(CallStatus::Takeover),
                admin_id: Some(admin.clone()),
                ..CallUpdated::of(call.id, Some(admin.clone()))
            }));
            see_alerts(state, draft, call.id, &admin);
            Ok(())
        })
        .await
    }

    /// The holder speaks to the caller.
    ///
    /// # Errors
    /// As [`Desk::take_over`], and [`DeskError::NotHeld`].
    pub async fn say(&self, id: CallId, admin: Label, words: Utterance) -> Result<(), DeskError> {
        self.change(id, move |_, draft, call| {
            match &call.admin_id {
                None => return Err(DeskError::NotHeld),
                Some(holder) if *holder != admin => {
                    return Err(DeskError::HeldByAnother { holder: holder.clone() });
                }
                Some(_) => {}
            }
            let words = by_person(call.next_message_id(), Role::Admin, words.shared(), draft.now);
            let message = Message { by: Some(admin), ..words };
            add(draft, call.id, message, None);
            Ok(())
        })
        .await
    }

    /// Gives the call back to the assistant. One that nobody holds stays as it is.
    ///
    /// # Errors
    /// [`DeskError::NoSuchCall`], [`DeskError::CallEnded`], [`DeskError::Journal`]
    pub async fn hand_back(&self, id: CallId, by: Option<Label>) -> Result<(), DeskError> {
        self.change(id, move |_, draft, call| {
            if call.status == CallStatus::Takeover {
                draft.push(Event::CallUpdated(CallUpdated {
                    status: Some(CallStatus::Active),
                    ..CallUpdated::of(call.id, by)
                }));
            }
            Ok(())
        })
        .await
    }

    /// Sets the urgency, down as well: the one way in which it falls, and it names who did it.
    ///
    /// # Errors
    /// As [`Desk::hand_back`].
    pub async fn set_urgency(
        &self,
        id: CallId,
        urgency: Urgency,
        by: Label,
    ) -> Result<(), DeskError> {
        self.change(id, move |_, draft, call| {
            if call.urgency != urgency {
                draft.push(Event::CallUpdated(CallUpdated {
                    urgency: Some(urgency),
                    ..CallUpdated::of(call.id, Some(by))
                }));
            }
            Ok(())
        })
        .await
    }

    /// Ends the call; one that has ended stays as it is.
    ///
    /// # Errors
    /// [`DeskError::NoSuchCall`], [`DeskError::Journal`]
    pub async fn end(&self, id: CallId, by: Option<Label>) -> Result<(), DeskError> {
        let user = self.user.clone();
        let ended = self.change(id, move |_, draft, call| {
            end(draft, call, CallEnded::new(call.id, EndReason::Supervisor, by), &user);
            Ok(())
        });
        match ended.await {
            Err(DeskError::CallEnded) => Ok(()),
            other => other,
        }
    }

    /// Somebody has seen the alert.
    ///
    /// # Errors
    /// [`DeskError::NoSuchAlert`], [`DeskError::Journal`]
    pub async fn acknowledge(&self, id: AlertId, by: Label) -> Result<(), DeskError> {
        self.journal
            .submit(Need::Durable, move |state, draft| {
                state.alert(id).ok_or(DeskError::NoSuchAlert)?;
                draft.push(Event::AlertAcknowledged(AlertAcknowledged { alert_id: id, by }));
                Ok(())
            })
            .within(DISK_PATIENCE)
            .await
            .map(|it| it.value)
    }

    async fn change(
        &self,
        id: CallId,
        decide: impl FnOnce(&State, &mut Draft<'_>, &Arc<Call>) -> Result<(), DeskError>
        + Send
        + 'static,
    ) -> Result<(), DeskError> {
        self.journal
            .submit(Need::Durable, move |state, draft| {
                let call = state.call(id).ok_or(DeskError::NoSuchCall)?;
                if !call.is_open() {
                    return Err(DeskError::CallEnded);
                }
                decide(state, draft, call)
            })
            .within(DISK_PATIENCE)
            .await
            .map(|it| it.value)
    }
}

/// Whoever takes a call over has seen its alerts.
pub(super) fn see_alerts(state: &State, draft: &mut Draft<'_>, id: CallId, by: &Label) {
    for alert in state.alerts().filter(|it| it.call_id == Some(id)) {
        let (alert_id, by) = (alert.alert_id, by.clone());
        draft.push(Event::AlertAcknowledged(AlertAcknowledged { alert_id, by }));
    }
}
