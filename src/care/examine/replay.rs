//! What `total.json` must be at its place in the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::domain::{Alert, Call, CallId, Event, JournalId, Position, Record, State};

/// How the stored state compares with the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// It was not: why.
    Not(&'static str),
    Equal,
    /// These calls are told otherwise.
    Calls(Vec<CallId>),
    Alerts,
}

/// The journal's beginning, up to where `total.json` stands.
pub struct Replay<'a> {
    stored: Option<&'a (State, Position)>,
    /// Calls that are being erased: they are gone here already and there not yet.
    erasing: &'a FxHashSet<CallId>,
    state: Option<State>,
    has_begun: bool,
    has_lost: bool,
    compared: Option<Compared>,
}

impl<'a> Replay<'a> {
    pub fn new(stored: Option<&'a (State, Position)>, erasing: &'a FxHashSet<CallId>) -> Self {
        let state = stored.filter(|it| it.1.seq > 0).map(|_| State::default());
        Self { stored, erasing, state, has_begun: false, has_lost: false, compared: None }
    }

    pub fn take(&mut self, record: &Record) {
        let (Some((stored, position)), Some(state)) = (self.stored, &mut self.state) else {
            return;
        };
        if record.seq == 1 {
            self.has_begun = true;
        }
        if !self.has_begun {
            self.state = None;
            return;
        }
        self.has_lost |= record.event == Event::RecordLost;
        state.apply(record);
        if state.seq() == position.seq {
            self.compared = Some(compare(stored, state, self.erasing));
            self.state = None;
        }
    }

    pub fn compared(self, id: Option<JournalId>, is_whole: bool) -> Compared {
        match (self.stored, self.compared) {
            (None, _) => Compared::Not("there is none"),
            _ if !is_whole => Compared::Not("the journal is damaged"),
            (Some((_, it)), _) if Some(it.journal) != id => {
                Compared::Not("it is of another journal")
            }
            _ if self.has_lost => Compared::Not("it may know of records that were lost"),
            (Some((_, it)), None) if it.seq == 0 => Compared::Equal,
            (_, None) => Compared::Not("the journal is not held from its beginning"),
            (_, Some(compared)) => compared,
        }
    }
}

fn compare(stored: &State, told: &State, erasing: &FxHashSet<CallId>) -> Compared {
    let by_id = |state: &State| -> BTreeMap<CallId, Arc<Call>> {
        let calls = state.calls().filter(|it| !erasing.contains(&it.id));
        calls.map(|it| (it.id, Arc::clone(it))).collect()
    };
    let (stored_calls, told_calls) = (by_id(stored), by_id(told));
    let ids: std::collections::BTreeSet<_> = stored_calls.keys().chain(told_calls.keys()).collect();
    let differing: Vec<CallId> =
        ids.into_iter().filter(|id| stored_calls.get(id) != told_calls.get(id)).copied().collect();
    if !differing.is_empty() {
        return Compared::Calls(differing);
    }
    let stays = |it: &&Arc<Alert>| it.call_id.is_none_or(|id| !erasing.contains(&id));
    let is_same = stored.alerts().filter(stays).eq(told.alerts().filter(stays));
    if is_same { Compared::Equal } else { Compared::Alerts }
}
