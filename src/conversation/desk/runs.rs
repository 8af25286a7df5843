//! Finished work: every call that ends makes a run, and others tell of theirs.
//!
//! The one idea: a run's id says what it is, so telling of it twice is telling of it once. A few
//! thousand ids are remembered here; whoever follows the journal keeps one of each by its id.
//!
//! # What a call's run says
//! - Whose: the supervisor's who holds the call, else who ended it, else the server's own.
//! - `success` if the caller, the provider or a person ended it; `interrupted` if it only ceased.
//! - Duration: up to its end; of a call that fell silent, up to the last words.
//! - Automation: how long the caller waited for the assistant's answers, all together.
//! - Manual estimate: the assistant's share, by answers, of the duration. For so long a person would
//!   have been on the line.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashSet;
use tokio::sync::Mutex as Turn;

use super::Desk;
use super::answer::DeskError;
use super::late::DISK_PATIENCE;
use crate::domain::{
    Call, CallEnded, EndReason, Event, Label, Note, Role, Run, RunId, RunStatus, Seconds, Timestamp,
};
use crate::journal::{Draft, Need};

/// What kind of work a call is.
pub const SLUG: &str = "call";
/// Ids that are remembered.
const REMEMBERED: usize = 4_096;

/// Ends the call, and notes the work that it was.
pub(super) fn end(draft: &mut Draft<'_>, call: &Call, ended: CallEnded, user: &Note) {
    let (reason, by) = (ended.reason, ended.by.clone());
    draft.push(Event::CallEnded(ended));
    record(draft, call, reason, by.as_ref(), user);
}

/// Notes the work that an ended call was. `user`: whose it is if no person was in it.
pub(super) fn record(
    draft: &mut Draft<'_>,
    call: &Call,
    reason: EndReason,
    by: Option<&Label>,
    user: &Note,
) {
    if let Some(run) = run_of(call, reason, by, user, draft.now) {
        draft.push(Event::RunRecorded(run.into()));
    }
}

fn run_of(
    call: &Call,
    reason: EndReason,
    by: Option<&Label>,
    user: &Note,
    now: Timestamp,
) -> Option<Run> {
    let (status, until) = match reason {
        EndReason::CallerHungUp | EndReason::HangUp | EndReason::Supervisor => {
            (RunStatus::Success, now)
        }
        EndReason::Inactivity | EndReason::Silence => {
            (RunStatus::Interrupted, call.last_message_at)
        }
        EndReason::TurnLimit => (RunStatus::Interrupted, now),
    };
    let ms = until.as_millis().saturating_sub(call.started_at.as_millis()).max(0);
    let answers = |role| call.messages.iter().filter(|it| it.role == role).count() as f64;
    let (by_assistant, by_people) = (answers(Role::Assistant), answers(Role::Admin));
    let share = by_assistant / (by_assistant + by_people).max(1.0);
    let person = call.admin_id.as_ref().or(by).map(Note::from);
    Some(Run {
        run_id: Run::id_of(call.id),
        user_id: person.unwrap_or_else(|| user.clone()),
        timestamp: now,
        slug: Label::parse(SLUG).ok()?,
        command: Note::parse(SLUG).ok()?,
        status,
        duration_seconds: bounded(ms),
        automation_seconds: bounded(waited_ms(call)),
        lines_migrated: 0,
        manual_estimate_seconds: bounded((ms as f64 * share) as i64),
        report_path: None,
        call_id: Some(call.id),
    })
}

/// From the caller's words to the assistant's answer, all answers together.
fn waited_ms(call: &Call) -> i64 {
    let pairs = call.messages.windows(2);
    pairs
        .filter(|it| it[0].role == Role::User && it[1].role == Role::Assistant)
        .map(|it| it[1].timestamp.as_millis().saturating_sub(it[0].timestamp.as_millis()).max(0))
        .sum()
}

/// A clock that was set anew makes no run of a hundred years.
fn bounded(ms: i64) -> Seconds {
    Seconds::from_millis(ms).unwrap_or_default()
}

/// The latest runs that were recorded, and the right to record one.
#[derive(Debug, Default)]
pub(super) struct RecentRuns {
    ids: Mutex<(FxHashSet<RunId>, VecDeque<RunId>)>,
    /// One is recorded after the other, so that the same one told twice at once is one.
    turn: Turn<()>,
}

impl RecentRuns {
    fn has(&self, id: RunId) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).0.contains(&id)
    }

    fn add(&self, ids: impl Iterator<Item = RunId>) {
        let mut kept = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, order) = &mut *kept;
        for id in ids.filter(|it| known.insert(*it)) {
            order.push_back(id);
        }
        while order.len() > REMEMBERED {
            let oldest = order.pop_front();
            oldest.map(|it| known.remove(&it));
        }
    }
}

impl Desk {
    /// Takes finished work down; how many of the runs are new. `known`: which of them were found
    /// elsewhere. All are on disk when this returns.
    ///
    /// # Errors
    /// [`DeskError::Journal`]
    pub async fn record_runs(
        &self,
        runs: Vec<Run>,
        known: &FxHashSet<RunId>,
    ) -> Result<usize, DeskError> {
        let _turn = self.recent_runs.turn.lock().await;
        let mut new: Vec<Run> = Vec::with_capacity(runs.len());
        for run in runs {
            let id = run.run_id;
            let is_known = known.contains(&id) || self.recent_runs.has(id);
            if !is_known && new.iter().all(|it| it.run_id != id) {
                new.push(run);
            }
        }
        let ids: Vec<RunId> = new.iter().map(|it| it.run_id).collect();
        if !new.is_empty() {
            self.journal
                .submit(Need::Durable, move |_, draft| {
                    for run in new {
                        draft.push(Event::RunRecorded(run.into()));
                    }
                    Ok::<_, DeskError>(())
                })
                .within(DISK_PATIENCE)
                .await?;
        }
        let n_new = ids.len();
        self.recent_runs.add(ids.into_iter());
        Ok(n_new)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use ulid::Ulid;

    use super::*;
    use crate::domain::{
        CallId, CallStatus, Edits, Medium, Message, MessageId, PhoneNumber, Urgency,
    };

    fn said(at_ms: i64, role: Role) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId(1),
            role,
            content: "x".into(),
            timestamp: Timestamp::from_millis(at_ms),
            sources: "".into(),
            answered_by: None,
            card: None,
            by: None,
            remote_key: None,
        })
    }

    fn call(messages: Vec<Arc<Message>>) -> Call {
        let started_at = Timestamp::from_millis(0);
        let last_message_at = messages.last().map_or(started_at, |it| it.timestamp);
        Call {
            id: CallId(Ulid::from_parts(1, 2)),
            worker_id: "w".into(),
            caller: PhoneNumber::parse("+15550100").unwrap(),
            call_sid: None,
            medium: Medium::Voice,
            language: None,
            urgency: Urgency::Normal,
            status: CallStatus::Active,
            started_at,
            last_message_at,
            ended_at: None,
            end_reason: None,
            admin_id: None,
            deleted_at: None,
            legal_hold: false,
            admin_notes: None,
            final_action: None,
            edits: Edits::default(),
            messages,
            turns: 0,
            last_admin: None,
            heard: None,
            requests: VecDeque::new(),
            last_seq: 1,
        }
    }

    fn ended(call: &Call, reason: EndReason) -> Run {
        let user = Note::parse("server").unwrap();
        run_of(call, reason, None, &user, Timestamp::from_millis(60_000)).unwrap()
    }

    #[test]
    fn a_call_that_the_assistant_led_saved_a_person_the_time_on_the_line() {
        let call = call(vec![
            said(1_000, Role::User),
            said(2_500, Role::Assistant),
            said(9_000, Role::User),
            said(9_250, Role::Assistant),
        ]);

        let run = ended(&call, EndReason::HangUp);

        assert_eq!((run.status, run.user_id.as_str()), (RunStatus::Success, "server"));
        assert_eq!(run.duration_seconds.get(), 60.0);
        assert_eq!(run.automation_seconds.get(), 1.75);
        assert_eq!(run.manual_estimate_seconds.get(), 60.0);
        assert_eq!(run.run_id.0, call.id.0);
    }

    #[test]
    fn what_a_person_answered_was_not_saved() {
        let holder = Label::parse("ada").unwrap();
        let call = Call {
            admin_id: Some(holder),
            ..call(vec![said(1, Role::User), said(1, Role::Assistant), said(2, Role::Admin)])
        };

        let run = ended(&call, EndReason::Supervisor);

        assert_eq!(run.user_id.as_str(), "ada");
        assert_eq!(run.manual_estimate_seconds.get(), 30.0);
    }

    #[test]
    fn a_call_that_ceased_lasted_up_to_its_last_words() {
        let call = call(vec![said(1_000, Role::User), said(4_000, Role::Assistant)]);

        let run = ended(&call, EndReason::Inactivity);

        assert_eq!(run.status, RunStatus::Interrupted);
        assert_eq!(run.duration_seconds.get(), 4.0);
    }

    #[test]
    fn ids_are_remembered_and_bounded() {
        let recent = RecentRuns::default();
        let id = |it: usize| RunId(Ulid::from_parts(it as u64, 0));

        recent.add((0..REMEMBERED + 10).map(id));

        assert!(!recent.has(id(9)) && recent.has(id(10)) && recent.has(id(REMEMBERED + 9)));
        assert_eq!(recent.ids.lock().unwrap().0.len(), REMEMBERED);
    }
}
