//! What becomes of ended calls: deleted, restored, kept by law, erased.
//!
//! The one idea: such changes are made one after the other. Whoever has the [`Turn`] looks where
//! the call is, in the state or only in the archive, and nothing about it changes until the
//! decision is made; the decision looks at the state again all the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use crate::domain::{
    ByPerson, Call, CallId, CallUpdated, Event, Label, Note, PhoneNumber, Seq, State, Timestamp,
};
use crate::journal::{Committed, Draft, Journal, JournalError, Need};

/// Why an ended call stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum KeepingError {
    #[error("there is no such call")]
    NoSuchCall,
    #[error("{0} is not over: end it first")]
    CallOpen(CallId),
    #[error("{0} is on legal hold: lift it first")]
    OnLegalHold(CallId),
    #[error("the caller has more calls than were found: try again")]
    MoreCalls,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// An ended call, as far as keeping it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub is_open: bool,
    pub deleted_at: Option<Timestamp>,
    pub legal_hold: bool,
}

impl From<&Call> for Kept {
    fn from(call: &Call) -> Self {
        let (deleted_at, legal_hold) = (call.deleted_at, call.legal_hold);
        Self { is_open: call.is_open(), deleted_at, legal_hold }
    }
}

#[derive(Debug)]
pub struct Keeping {
    journal: Arc<Journal>,
    turn: Mutex<()>,
}

/// The right to change ended calls; nobody else does meanwhile.
#[derive(Debug)]
pub struct Turn<'a> {
    journal: &'a Journal,
    _turn: MutexGuard<'a, ()>,
}

impl Keeping {
    pub fn new(journal: Arc<Journal>) -> Self {
        Self { journal, turn: Mutex::default() }
    }

    pub async fn turn(&self) -> Turn<'_> {
        Turn { journal: &self.journal, _turn: self.turn.lock().await }
    }
}

impl Turn<'_> {
    /// Puts the call out of sight, for as long as undoing it is allowed. Doing it twice is doing it
    /// once. `found`: what the archive has of it.
    ///
    /// # Errors
    /// [`KeepingError::NoSuchCall`], [`KeepingError::CallOpen`], [`KeepingError::OnLegalHold`],
    /// [`KeepingError::Journal`]
    pub async fn delete(
        &self,
        id: CallId,
        found: Option<Kept>,
        by: Label,
    ) -> Result<Committed<Kept>, KeepingError> {
        self.change(id, found, move |draft, kept| {
            if kept.legal_hold {
                return Err(KeepingError::OnLegalHold(id));
            }
            if kept.deleted_at.is_some() {
                return Ok(kept);
            }
            draft.push(Event::CallDeleted(ByPerson::new(id, Some(by))));
            Ok(Kept { deleted_at: Some(draft.now), ..kept })
        })
        .await
    }

    /// Takes the deletion back.
    ///
    /// # Errors
    /// As [`Turn::delete`], but the hold.
    pub async fn restore(
        &self,
        id: CallId,
        found: Option<Kept>,
        by: Label,
    ) -> Result<Committed<Kept>, KeepingError> {
        self.change(id, found, move |draft, kept| {
            if kept.deleted_at.is_some() {
                draft.push(Event::CallRestored(ByPerson::new(id, Some(by))));
            }
            Ok(Kept { deleted_at: None, ..kept })
        })
        .await
    }

    /// Says whether the call is to be kept whatever the policy says.
    ///
    /// # Errors
    /// As [`Turn::restore`].
    pub async fn hold(
        &self,
        id: CallId,
        found: Option<Kept>,
        legal_hold: bool,
        by: Label,
    ) -> Result<Committed<Kept>, KeepingError> {
        self.change(id, found, move |draft, kept| {
            if kept.legal_hold != legal_hold {
                let update = CallUpdated::of(id, Some(by));
                let legal_hold = Some(legal_hold);
                draft.push(Event::CallUpdated(CallUpdated { legal_hold, ..update }));
            }
            Ok(Kept { legal_hold, ..kept })
        })
        .await
    }

    /// Deletes by the policy what the archive found to be past it; how many that were.
    ///
    /// # Errors
    /// [`KeepingError::Journal`]
    pub async fn delete_by_policy(
        &self,
        ids: Vec<CallId>,
    ) -> Result<Committed<usize>, KeepingError> {
        self.journal
            .submit(Need::Durable, move |state, draft| {
                let is_due = |id: &CallId| {
                    state
                        .call(*id)
                        .map(|it| Kept::from(&**it))
                        .is_none_or(|it| !it.is_open && !it.legal_hold && it.deleted_at.is_none())
                };
                let mut n_deleted = 0;
                for call_id in ids.into_iter().filter(is_due) {
                    draft.push(Event::CallDeleted(ByPerson::new(call_id, None)));
                    n_deleted += 1;
                }
                Ok(n_deleted)
            })
            .await
    }

    /// Says of all these calls at once that they are erased; the first of the records that say so.
    /// `caller`: all calls of that number have to be among them. `users`: whose runs they were.
    ///
    /// # Errors
    /// [`KeepingError::CallOpen`], [`KeepingError::OnLegalHold`], [`KeepingError::MoreCalls`],
    /// [`KeepingError::Journal`]
    pub async fn erase(
        &self,
        ids: Vec<CallId>,
        caller: Option<PhoneNumber>,
        by: Option<Label>,
        users: BTreeMap<CallId, Note>,
    ) -> Result<Committed<Seq>, KeepingError> {
        self.journal
            .submit(Need::Durable, move |state, draft| {
                if let Some(caller) = caller {
                    for call in state.calls().filter(|it| is_same(&it.caller, &caller)) {
                        may_go(state, call.id)?;
                        if !ids.contains(&call.id) {
                            return Err(KeepingError::MoreCalls);
                        }
                    }
                }
                for call_id in ids {
                    may_go(state, call_id)?;
                    let run_user_id = users.get(&call_id).cloned();
                    let erased = ByPerson { run_user_id, ..ByPerson::new(call_id, by.clone()) };
                    draft.push(Event::CallErased(erased));
                }
                Ok(state.seq() + 1)
            })
            .await
    }

    async fn change(
        &self,
        id: CallId,
        found: Option<Kept>,
        decide: impl FnOnce(&mut Draft<'_>, Kept) -> Result<Kept, KeepingError> + Send + 'static,
    ) -> Result<Committed<Kept>, KeepingError> {
        self.journal
            .submit(Need::Durable, move |state, draft| {
                let kept = state.call(id).map(|it| Kept::from(&**it)).or(found);
                let kept = kept.ok_or(KeepingError::NoSuchCall)?;
                if kept.is_open {
                    return Err(KeepingError::CallOpen(id));
                }
                decide(draft, kept)
            })
            .await
    }
}

fn may_go(state: &State, id: CallId) -> Result<(), KeepingError> {
    match state.call(id) {
        Some(call) if call.is_open() => Err(KeepingError::CallOpen(id)),
        Some(call) if call.legal_hold => Err(KeepingError::OnLegalHold(id)),
        Some(_) | None => Ok(()),
    }
}

/// Whether two numbers are one: a plus that somebody left out makes no other caller.
fn is_same(one: &PhoneNumber, other: &PhoneNumber) -> bool {
    let bare = |it: &'_ PhoneNumber| it.as_str().trim_start_matches('+').to_owned();
    bare(one) == bare(other)
}
