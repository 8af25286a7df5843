//! What the archive must have of each call that the journal tells from its beginning.
//!
//! The one idea: a call's records are folded as they come, and the call is compared when it leaves
//! or at the end. Only calls that go on, and the latest that ended, are in memory.

use std::collections::VecDeque;
use std::mem;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::domain::{Call, CallId, Edits, Event, JournalId, Message, Notices, Record, Seq, State};
use crate::readers::archive::Look;

/// Ended calls that wait for what may still be said about them.
const WAITING: usize = 2_000;
/// Calls that are named; the others are counted.
const NAMED: usize = 1_000;

/// Calls that the archive tells otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differing {
    /// Why nothing was compared.
    pub not: Option<&'static str>,
    pub n_compared: u64,
    pub n_differing: u64,
    pub calls: Vec<(CallId, String)>,
}

pub struct Calls<'a> {
    look: Option<&'a Look>,
    /// Calls that are being erased: they are gone here already and there not yet.
    erasing: &'a FxHashSet<CallId>,
    /// What the archive has not read, or could not, is not compared.
    from: Seq,
    to: Seq,
    told: FxHashMap<CallId, Told>,
    ended: VecDeque<CallId>,
    /// Compared and found otherwise, by something that a later record may explain.
    doubtful: FxHashMap<CallId, (Doubt, Call)>,
    last_lost: Seq,
    found: Differing,
}

/// One call's records: a state of its own.
struct Told {
    began: Seq,
    state: State,
}

enum Doubt {
    Missing,
    Fields,
}

impl<'a> Calls<'a> {
    pub fn new(look: Option<&'a Look>, erasing: &'a FxHashSet<CallId>) -> Self {
        let to = look.and_then(|it| it.position).map_or(0, |it| it.seq);
        Self {
            from: look.map_or(0, |it| it.complete_from),
            look: look.filter(|it| it.position.is_some()),
            erasing,
            to,
            told: FxHashMap::default(),
            ended: VecDeque::new(),
            doubtful: FxHashMap::default(),
            last_lost: 0,
            found: Differing::default(),
        }
    }

    pub fn take(&mut self, record: &Record) {
        if self.look.is_none() || record.seq > self.to || record.seq < self.from {
            return;
        }
        if record.event == Event::RecordLost {
            self.last_lost = record.seq;
        }
        let Some(id) = record.event.call_id().filter(|it| !self.erasing.contains(it)) else {
            return;
        };
        match &record.event {
            Event::CallErased(_) => {
                self.told.remove(&id);
                self.doubtful.remove(&id);
            }
            Event::CallStarted(_) | Event::CallImported(_) => {
                let new = || Told { began: record.seq, state: State::default() };
                self.told.entry(id).or_insert_with(new).state.apply(record);
            }
            Event::CallArchived { .. } => self.leave(id),
            event => {
                if let Some(told) = self.told.get_mut(&id) {
                    told.state.apply(record);
                    if matches!(event, Event::CallEnded(_)) {
                        self.ended.push_back(id);
                    }
                } else if let Some((_, call)) = self.doubtful.get_mut(&id) {
                    let mut state =
                        State::restore(vec![call.clone()], Notices::default(), record.seq - 1);
                    state.apply(record);
                    if let Some(changed) = state.call(id) {
                        *call = Call::clone(changed);
                    }
                }
            }
        }
        while self.ended.len() > WAITING {
            if let Some(id) = self.ended.pop_front() {
                self.leave(id);
            }
        }
    }

    /// Compares a call of which no more is expected.
    fn leave(&mut self, id: CallId) {
        let Some(Told { began, state }) = self.told.remove(&id) else { return };
        let Some(call) = state.call(id) else { return };
        // What was lost may have been about it.
        if self.last_lost > began {
            self.compare_words(call);
            return;
        }
        self.found.n_compared += 1;
        let Some(look) = self.look else { return };
        match look.call(id) {
            Ok(Some(archived)) if is_same(call, &archived) => {}
            Ok(Some(archived)) if said(call).eq(said(&archived)) => {
                self.doubtful.insert(id, (Doubt::Fields, Call::clone(call)));
            }
            Ok(Some(_)) => self.found.add(id, "what was said in it is not the same"),
            Ok(None) => {
                let call = Call { messages: Vec::new(), ..Call::clone(call) };
                self.doubtful.insert(id, (Doubt::Missing, call));
            }
            Err(err) => self.found.add(id, &err.to_string()),
        }
    }

    /// The archive may know more of it; what is told here it must have.
    fn compare_words(&mut self, call: &Call) {
        let Some(look) = self.look else { return };
        self.found.n_compared += 1;
        match look.call(call.id) {
            Ok(Some(archived)) => {
                let has = |it: &Message| said(&archived).any(|own| own == it);
                if !said(call).all(has) {
                    self.found.add(call.id, "not all that was said is in it");
                }
            }
            // Its end or its erasure may be what was lost.
            Ok(None) => {}
            Err(err) => self.found.add(call.id, &err.to_string()),
        }
    }

    pub fn finish(mut self, id: Option<JournalId>, is_whole: bool) -> Differing {
        let Some(look) = self.look else {
            return Differing {
                not: Some("there is no archive that reads"),
                ..Differing::default()
            };
        };
        if !is_whole {
            return Differing { not: Some("the journal is damaged"), ..Differing::default() };
        }
        if look.position.map(|it| it.journal) != id {
            let not = Some("it has read another journal");
            return Differing { not, ..Differing::default() };
        }
        let mut left: Vec<CallId> = self.told.keys().copied().collect();
        left.sort_unstable();
        left.into_iter().for_each(|it| self.leave(it));
        let mut doubtful: Vec<_> = mem::take(&mut self.doubtful).into_iter().collect();
        doubtful.sort_unstable_by_key(|it| it.0);
        for (id, (doubt, call)) in doubtful {
            match (doubt, look.call(id)) {
                (_, Err(err)) => self.found.add(id, &err.to_string()),
                (_, Ok(None)) => self.found.add(id, "it is missing"),
                (Doubt::Missing, Ok(Some(_))) => {}
                (Doubt::Fields, Ok(Some(archived))) if is_same(&call, &archived) => {}
                (Doubt::Fields, Ok(Some(_))) => {
                    self.found.add(id, "its status or people are not the same")
                }
            }
        }
        self.found
    }
}

impl Differing {
    fn add(&mut self, id: CallId, why: &str) {
        self.n_differing += 1;
        if self.calls.len() < NAMED {
            self.calls.push((id, why.to_owned()));
        }
    }
}

fn said(call: &Call) -> impl Iterator<Item = &Message> {
    call.messages.iter().map(|it| &**it)
}

/// Whether two say the same, but for what the archive does not keep.
fn is_same(told: &Call, archived: &Call) -> bool {
    let plain = |call: &Call| {
        let mut call = call.clone();
        call.requests.clear();
        (call.heard, call.last_seq, call.edits) = (None, 0, Edits::default());
        call
    };
    plain(told) == plain(archived)
}
