//! Everything active: the fold of the events.
//!
//! The one idea: [`State::apply`] is the only way in, total and without a clock, so that the
//! state that decides, the state that readers see and the one rebuilt at start are the same.
//! Calls are shared (`Arc`) and copied only when changed while somebody looks, so that a snapshot
//! costs a pointer per call and never holds up a turn.

mod fold;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::{
    Alert, AlertId, Call, CallId, Conflict, ConflictId, ConversationId, PhoneNumber, Seq, Timestamp,
};

/// How many ended calls stay to be looked at, and for how long. Their words stay in the journal.
pub const ENDED_KEPT: usize = 1_000;
pub const ENDED_KEPT_FOR: Duration = Duration::from_secs(60 * 60);
/// How many unacknowledged alerts stay; the oldest go first.
pub const ALERTS_KEPT: usize = 1_000;
/// How many conflicts that nobody settled stay; the oldest go first.
pub const CONFLICTS_KEPT: usize = 1_000;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    calls: FxHashMap<CallId, Arc<Call>>,
    /// Open calls by the provider's name.
    by_sid: FxHashMap<Arc<str>, CallId>,
    /// Open calls without one, by the caller's number.
    by_caller: FxHashMap<PhoneNumber, CallId>,
    /// Ended calls that still stay, by [`ended_key`]: an order that [`State::restore`] finds
    /// again, also among calls that ended in the same millisecond.
    ended: VecDeque<CallId>,
    alerts: VecDeque<Arc<Alert>>,
    conflicts: VecDeque<Arc<Conflict>>,
    seq: Seq,
}

/// What waits for somebody to look at it, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notices {
    pub alerts: Vec<Alert>,
    pub conflicts: Vec<Conflict>,
}

impl State {
    /// Puts a stored state together again: calls as they were at `seq`.
    pub fn restore(calls: Vec<Call>, notices: Notices, seq: Seq) -> Self {
        let mut state = Self { seq, ..Self::default() };
        let mut ended: Vec<_> = calls.iter().filter(|it| !it.is_open()).map(ended_key).collect();
        ended.sort_unstable();
        state.ended = ended.into_iter().map(|it| it.1).collect();
        for call in calls {
            if call.is_open() {
                state.index(&call);
            }
            state.calls.insert(call.id, Arc::new(call));
        }
        state.alerts = notices.alerts.into_iter().map(Arc::new).collect();
        state.conflicts = notices.conflicts.into_iter().map(Arc::new).collect();
        state
    }

    /// The last record applied.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    pub fn call(&self, id: CallId) -> Option<&Arc<Call>> {
        self.calls.get(&id)
    }

    pub fn conversation(&self, id: ConversationId) -> Option<&Arc<Call>> {
        self.calls.get(&id.call())
    }

    /// The open call of that `CallSid`.
    pub fn open_by_sid(&self, sid: &str) -> Option<&Arc<Call>> {
        self.by_sid.get(sid).and_then(|id| self.calls.get(id))
    }

    /// The open call of that number among those without a `CallSid`.
    pub fn open_by_caller(&self, caller: &str) -> Option<&Arc<Call>> {
        self.by_caller.get(caller).and_then(|id| self.calls.get(id))
    }

    /// The latest call of that `CallSid` if it has ended and still stays. Rare, so it searches.
    pub fn ended_by_sid(&self, sid: &str) -> Option<&Arc<Call>> {
        let ended = self.ended.iter().rev().filter_map(|id| self.calls.get(id));
        ended.into_iter().find(|it| it.call_sid.as_ref().is_some_and(|own| own.as_str() == sid))
    }

    /// All calls that stay, open and ended, in no order.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = &Arc<Call>> {
        self.calls.values()
    }

    pub fn n_open(&self) -> usize {
        self.calls.len() - self.ended.len()
    }

    /// Unacknowledged, oldest first.
    pub fn alerts(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.alerts.iter()
    }

    pub fn alert(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.alerts.iter().find(|it| it.alert_id == id)
    }

    pub fn notices(&self) -> Notices {
        Notices {
            alerts: self.alerts.iter().map(|it| Alert::clone(it)).collect(),
            conflicts: self.conflicts.iter().map(|it| Conflict::clone(it)).collect(),
        }
    }

    /// Unsettled, oldest first.
    pub fn conflicts(&self) -> impl Iterator<Item = &Arc<Conflict>> {
        self.conflicts.iter()
    }

    pub fn conflict(&self, id: ConflictId) -> Option<&Arc<Conflict>> {
        self.conflicts.iter().find(|it| it.conflict_id == id)
    }

    fn index(&mut self, call: &Call) {
        match &call.call_sid {
            Some(sid) => self.by_sid.entry(sid.as_str().into()).or_insert(call.id),
            None => self.by_caller.entry(call.caller.clone()).or_insert(call.id),
        };
    }

    fn unindex(&mut self, call: &Call) {
        // An imported call may bear the name of one that is open here.
        match &call.call_sid {
            Some(sid) if self.by_sid.get(sid.as_str()) == Some(&call.id) => {
                self.by_sid.remove(sid.as_str());
            }
            None if self.by_caller.get(&call.caller) == Some(&call.id) => {
                self.by_caller.remove(&call.caller);
            }
            _ => {}
        }
    }
}

/// When it ended, then its id: neither changes any more, whatever is still said in the call.
fn ended_key(call: &Call) -> (Option<Timestamp>, CallId) {
    (call.ended_at, call.id)
}
