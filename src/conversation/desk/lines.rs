//! The line itself: a call opens, falls silent, is hung up, is forgotten by its provider.
//!
//! The one idea: ending a call twice, or one that is unknown, is no mistake of anybody's and
//! changes nothing. And nothing ends a critical call but its caller or a person.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustc_hash::{FxHashMap, FxHashSet};
use tracing::warn;

use super::answer::{Answer, Caller, DeskError, Next};
use super::decide::{self, alert, open_call, pass_on};
use super::runs::end;
use super::{Desk, fixed};
use crate::domain::{
    AlertKind, AnsweredBy, Call, CallEnded, CallId, CallStatus, EndReason, Label, PhoneNumber,
    Timestamp, Urgency,
};
use crate::journal::{JournalError, Need};

/// So many silences in a row end a call that is not critical.
const SILENCES: u8 = 3;

/// How a call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Greeting {
    pub text: &'static str,
    pub call_id: Option<CallId>,
    pub durable: bool,
}

/// Which callers were silent how often, and when they were last heard of. In memory only: a
/// restart begins to count anew, to the caller's good.
#[derive(Debug, Default)]
pub(super) struct Silences(Mutex<FxHashMap<Arc<str>, (u8, Timestamp)>>);

impl Silences {
    fn name(caller: &Caller) -> &str {
        caller.call_sid.as_ref().map_or(caller.number.as_str(), Label::as_str)
    }

    /// Counts one; how many in a row that makes.
    fn silent(&self, caller: &Caller) -> u8 {
        let mut silences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = silences.entry(Self::name(caller).into()).or_default();
        entry.0 = entry.0.saturating_add(1);
        entry.1 = Timestamp::from(SystemTime::now());
        entry.0
    }

    pub fn spoke(&self, caller: &Caller) {
        let mut silences = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !silences.is_empty() {
            silences.remove(Self::name(caller));
        }
    }

    fn last(&self, call: &Call) -> Option<Timestamp> {
        let name = call.call_sid.as_ref().map_or(call.caller.as_str(), Label::as_str);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).map(|it| it.1)
    }

    /// Forgets whom nobody has heard of since `before`.
    fn forget(&self, before: Timestamp) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, it| it.1 >= before);
    }
}

/// Which call is meant by somebody who is not a supervisor.
#[derive(Debug, Clone)]
pub enum Line {
    Sid(Label),
    Number(PhoneNumber),
}

impl Desk {
    /// A call comes in: it is opened, or found open. There is a greeting in any case.
    ///
    /// # Errors
    /// [`DeskError::TooManyCalls`]
    pub async fn incoming(&self, caller: Caller) -> Result<Greeting, DeskError> {
        let limits = self.limits;
        let opened = self
            .in_time(move |state, draft| {
                decide::start(state, draft, &caller, Urgency::Normal, limits)
            })
            .await;
        let (call_id, durable) = match opened {
            Ok(committed) => (Some(committed.value), committed.durable),
            Err(DeskError::Journal(_)) => (None, false),
            Err(err) => return Err(err),
        };
        Ok(Greeting { text: fixed::GREETING, call_id, durable })
    }

    /// Nothing was said. A held call passes on what its supervisor has said meanwhile; else the
    /// caller is asked to repeat. `may_end`: a line that stays silent is hung up.
    pub async fn silence(&self, caller: Caller, may_end: bool) -> Answer {
        let number = caller.number.clone();
        let n_silent = if may_end { self.silences.silent(&caller) } else { 0 };
        let user = self.user.clone();
        let heard = self
            .in_time(move |state, draft| {
                let Some(call) = open_call(state, &caller) else { return Ok(None) };
                // Words said just before handing back are still passed on.
                let words = pass_on(draft, call);
                let is_held = call.status == CallStatus::Takeover || words.is_some();
                let ends = !is_held && n_silent >= SILENCES && call.urgency < Urgency::Critical;
                if ends {
                    end(draft, call, CallEnded::new(call.id, EndReason::Silence, None), &user);
                }
                Ok(Some((call.id, call.urgency, is_held, words, ends)))
            })
            .await;
        let durable = heard.as_ref().is_ok_and(|it| it.durable);
        let found = heard.ok().and_then(|it| it.value);
        let mut answer = Answer {
            call_id: found.as_ref().map(|it| it.0),
            caller: number,
            text: fixed::REPEAT.into(),
            urgency: found.as_ref().map_or(Urgency::Normal, |it| it.1),
            sources: "".into(),
            answered_by: AnsweredBy::Fallback,
            durable,
            next: Next::Listen,
        };
        match found {
            Some((.., true)) => {
                answer.text = fixed::GOODBYE_SILENCE.into();
                answer.next = Next::HangUp;
            }
            Some((_, _, true, words, _)) => {
                answer.text = words.unwrap_or_default();
                answer.answered_by = AnsweredBy::Supervisor;
                answer.next = Next::Poll;
            }
            _ => {}
        }
        answer
    }

    /// The caller or the provider ended the call. Unknown and ended ones are left as they are.
    ///
    /// # Errors
    /// [`DeskError::Journal`]
    pub async fn hang_up(&self, line: Line, reason: EndReason) -> Result<(), DeskError> {
        let user = self.user.clone();
        self.journal
            .submit(Need::Answer, move |state, draft| {
                let call = match &line {
                    Line::Sid(sid) => state.open_by_sid(sid.as_str()),
                    Line::Number(number) => state.open_by_caller(number.as_str()),
                };
                if let Some(call) = call {
                    end(draft, call, CallEnded::new(call.id, reason, None), &user);
                }
                Ok::<_, DeskError>(())
            })
            .await
            .map(|_| ())
    }

    /// The disk takes writes again: supervisors are to know that it did not.
    pub async fn storage_came_back(&self) {
        let raised = self.journal.submit(Need::Durable, |_, draft| {
            alert(draft, AlertKind::StorageFailed, None);
            Ok::<_, JournalError>(())
        });
        if let Err(err) = raised.await {
            warn!(error = %err, "The disk came back and failed again.");
        }
    }

    /// Ends calls of which nothing was heard for `limit`; a critical one raises an alert instead,
    /// once, and a held one is its supervisor's. `alerted` is the caller's memory of that.
    ///
    /// # Errors
    /// [`DeskError::Journal`]; the rest is tried the next time.
    pub async fn end_inactive(
        &self,
        limit: Duration,
        alerted: &mut FxHashSet<CallId>,
    ) -> Result<(), DeskError> {
        let now = Timestamp::from(SystemTime::now());
        let snapshot = self.journal.snapshot();
        alerted.retain(|id| snapshot.call(*id).is_some_and(|it| it.is_open()));
        let ms = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
        self.silences.forget(Timestamp::from_millis(now.as_millis().saturating_sub(ms)));
        for call in snapshot.calls().filter(|it| it.status == CallStatus::Active) {
            let last = self.silences.last(call).unwrap_or_default().max(call.last_message_at);
            if now.since(last) < limit {
                continue;
            }
            let is_critical = call.urgency == Urgency::Critical;
            if is_critical && !alerted.insert(call.id) {
                continue;
            }
            let (id, seen, user) = (call.id, call.last_seq, self.user.clone());
            self.journal
                .submit(Need::Durable, move |state, draft| {
                    // Something came in meanwhile: it lives.
                    let same = state.call(id).filter(|it| it.is_open() && it.last_seq == seen);
                    match (same, is_critical) {
                        (None, _) => {}
                        (Some(_), true) => alert(draft, AlertKind::CriticalSilence, Some(id)),
                        (Some(call), false) => {
                            end(
                                draft,
                                call,
                                CallEnded::new(id, EndReason::Inactivity, None),
                                &user,
                            );
                        }
                    }
                    Ok::<_, DeskError>(())
                })
                .await?;
        }
        Ok(())
    }
}
