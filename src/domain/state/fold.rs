//! What each event does to the state.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{ALERTS_KEPT, CONFLICTS_KEPT, ENDED_KEPT, ENDED_KEPT_FOR, State, ended_key};
use crate::domain::{
    ByPerson, Call, CallEnded, CallId, CallStarted, CallStatus, CallUpdated, Edited, Edits, Event,
    Field, MessageAdded, REQUESTS_KEPT, Record, Role, Timestamp,
};

impl State {
    /// Takes one record in. What speaks of a call that is not here changes nothing: the call has
    /// ended and left.
    pub fn apply(&mut self, record: &Record) {
        self.seq = record.seq;
        match &record.event {
            Event::CallStarted(it) => self.start(it, record),
            Event::MessageAdded(it) => self.add_message(it, record),
            Event::CallUpdated(it) => self.update(it, record),
            Event::WordsHeard { call_id, message_id } => {
                self.change(*call_id, record, |call| {
                    call.heard = call.heard.max(Some(*message_id))
                });
            }
            Event::CallEnded(it) => self.end(it, record),
            Event::AlertRaised(it) => {
                self.alerts.push_back(Arc::new(it.clone()));
                if self.alerts.len() > ALERTS_KEPT {
                    self.alerts.pop_front();
                }
            }
            Event::AlertAcknowledged(it) => self.alerts.retain(|own| own.alert_id != it.alert_id),
            Event::CallArchived { call_id } => {
                if self.calls.get(call_id).is_some_and(|it| !it.is_open()) {
                    self.forget(*call_id);
                }
            }
            Event::CallDeleted(it) => {
                self.delete(it, record, Some(record.at));
            }
            Event::CallRestored(it) => self.delete(it, record, None),
            Event::CallErased(it) => {
                self.forget(it.call_id);
                self.alerts.retain(|own| own.call_id != Some(it.call_id));
                self.conflicts.retain(|own| own.call_id != it.call_id);
            }
            Event::ConflictFound(it) => {
                if !it.lost.source.is_here() {
                    let (value, seq) = (it.lost.value.clone(), record.seq);
                    self.change(it.call_id, record, |call| {
                        call.edits.lose(it.field, value, seq, record.at);
                    });
                }
                self.conflicts.push_back(Arc::clone(it));
                if self.conflicts.len() > CONFLICTS_KEPT {
                    self.conflicts.pop_front();
                }
            }
            Event::ConflictSettled(it) => {
                self.conflicts.retain(|own| own.conflict_id != it.conflict_id);
            }
            Event::CallImported(it) => self.import(it, record),
            Event::RunRecorded(_) | Event::RecordLost => {}
        }
    }

    fn start(&mut self, event: &CallStarted, record: &Record) {
        if self.calls.contains_key(&event.call_id) {
            return;
        }
        let call = Call {
            id: event.call_id,
            worker_id: Arc::clone(&event.worker_id),
            caller: event.caller.clone(),
            call_sid: event.call_sid.clone(),
            medium: event.medium,
            language: event.language.clone(),
            urgency: event.urgency,
            status: CallStatus::Active,
            started_at: record.at,
            last_message_at: record.at,
            ended_at: None,
            end_reason: None,
            admin_id: None,
            deleted_at: None,
            legal_hold: false,
            admin_notes: None,
            final_action: None,
            edits: Edits::default(),
            messages: Vec::new(),
            turns: 0,
            last_admin: None,
            heard: None,
            requests: VecDeque::new(),
            last_seq: record.seq,
        };
        self.index(&call);
        self.calls.insert(call.id, Arc::new(call));
    }

    fn add_message(&mut self, event: &MessageAdded, record: &Record) {
        self.change(event.call_id, record, |call| {
            call.messages.push(Arc::clone(&event.message));
            call.turns += u32::from(event.message.role == Role::User);
            if event.message.role == Role::Admin {
                call.last_admin = Some(event.message.id);
            }
            call.last_message_at = record.at;
            if let Some(token) = event.request.as_ref().filter(|_| event.message.role == Role::User)
            {
                if call.requests.len() == REQUESTS_KEPT {
                    call.requests.pop_front();
                }
                call.requests.push_back((token.clone(), event.message.id));
            }
        });
    }

    fn update(&mut self, event: &CallUpdated, record: &Record) {
        self.change(event.call_id, record, |call| {
            let edited = Edited {
                at: event.edited_at.unwrap_or(record.at),
                by: event.by.clone(),
                source: event.source,
                seq: record.seq,
            };
            if let Some(urgency) = event.urgency {
                call.urgency = urgency;
                call.edits.set(Field::Urgency, edited.clone(), call.value_of(Field::Urgency));
            }
            if let Some(notes) = &event.admin_notes {
                call.admin_notes = notes.clone().if_any();
                let value = call.admin_notes.clone();
                call.edits.set(Field::AdminNotes, edited.clone(), value);
            }
            if let Some(action) = &event.final_action {
                call.final_action = action.clone().if_any();
                let value = call.final_action.clone();
                call.edits.set(Field::FinalAction, edited.clone(), value);
            }
            // Only `CallEnded` ends a call: it has a reason and a time.
            let is_switch = call.is_open() && event.status != Some(CallStatus::Ended);
            if let Some(status) = event.status.filter(|_| is_switch) {
                call.status = status;
                call.admin_id = event.admin_id.clone();
                call.edits.set(Field::AdminId, edited, call.value_of(Field::AdminId));
            }
            call.legal_hold = event.legal_hold.unwrap_or(call.legal_hold);
        });
    }

    fn delete(&mut self, event: &ByPerson, record: &Record, deleted_at: Option<Timestamp>) {
        self.change(event.call_id, record, |call| {
            call.deleted_at = deleted_at;
            let (at, by, source, seq) = (record.at, event.by.clone(), event.source, record.seq);
            let value = call.value_of(Field::DeletedAt);
            call.edits.set(Field::DeletedAt, Edited { at, by, source, seq }, value);
        });
    }

    fn end(&mut self, event: &CallEnded, record: &Record) {
        let Some(call) = self.calls.get(&event.call_id).filter(|it| it.is_open()) else { return };
        let call = Arc::clone(call);
        self.unindex(&call);
        self.change(event.call_id, record, |call| {
            call.status = CallStatus::Ended;
            call.ended_at = Some(record.at);
            call.end_reason = Some(event.reason);
        });
        self.alerts.retain(|it| it.call_id != Some(event.call_id));
        self.add_ended(event.call_id);
        self.let_old_ones_go(record.at);
    }

    /// Takes its place among the ended calls, by when it ended.
    fn add_ended(&mut self, id: CallId) {
        let Some(key) = self.calls.get(&id).map(|it| ended_key(it)) else { return };
        self.ended.insert(self.place_among_ended(key), id);
    }

    /// The first place of one that did not end before `key`.
    fn place_among_ended(&self, key: (Option<Timestamp>, CallId)) -> usize {
        self.ended.partition_point(|id| self.calls.get(id).is_some_and(|it| ended_key(it) < key))
    }

    fn import(&mut self, call: &Arc<Call>, record: &Record) {
        if self.calls.contains_key(&call.id) {
            return;
        }
        let mut call = Call::clone(call);
        call.last_seq = record.seq;
        let (id, is_open) = (call.id, call.is_open());
        if is_open {
            self.index(&call);
        }
        self.calls.insert(id, Arc::new(call));
        if !is_open {
            self.add_ended(id);
            self.let_old_ones_go(record.at);
        }
    }

    fn forget(&mut self, id: CallId) {
        let Some(call) = self.calls.get(&id).map(Arc::clone) else { return };
        if call.is_open() {
            self.unindex(&call);
        } else {
            // They leave in the order in which they ended: its place is near the front.
            let place = self.place_among_ended(ended_key(&call));
            self.ended.remove(place);
        }
        self.calls.remove(&id);
    }

    fn let_old_ones_go(&mut self, now: Timestamp) {
        while let Some(&oldest) = self.ended.front() {
            let is_old = self
                .calls
                .get(&oldest)
                .and_then(|it| it.ended_at)
                .is_none_or(|it| now.since(it) > ENDED_KEPT_FOR);
            if self.ended.len() <= ENDED_KEPT && !is_old {
                break;
            }
            self.calls.remove(&oldest);
            self.ended.pop_front();
        }
    }

    fn change(&mut self, id: CallId, record: &Record, change: impl FnOnce(&mut Call)) {
        if let Some(call) = self.calls.get_mut(&id) {
            let call = Arc::make_mut(call);
            change(call);
            call.last_seq = record.seq;
        }
    }
}
