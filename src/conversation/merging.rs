//! Which of two values stays, where both sides of the mirror changed it.
//!
//! The one idea: the later one stays, by the database's clock, unless that is less safe: urgency
//! never falls and a person is never taken off the line because two did something at once. The
//! ruling needs nothing but what both sides know, so both come to the same end.

use std::time::Duration;

use crate::domain::{Call, Field, Note, RemoteEdit, Seq, Timestamp, Urgency, Why};

/// What becomes of a value that was set in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// We have it, or have seen to it before.
    Nothing,
    /// It counts. `buries`: a change made here goes under.
    Take { buries: bool },
    /// Ours stays, and theirs goes under.
    Keep(Why),
}

/// Rules on one value. `acked_seq`: up to where the database is known to have what we wrote.
/// `offset_ms`: by how much the database's clock is ahead of ours.
pub fn rule(call: &Call, edit: &RemoteEdit, acked_seq: Seq, offset_ms: i64) -> Ruling {
    let field = edit.field;
    // What was sent and not acknowledged may be sent again.
    let written_seq = edit.written_seq.min(acked_seq);
    let own = call.value_of(field);
    // Who holds a call that is over, and how urgent it is, matters to nobody any more.
    let is_late = !call.is_open() && matches!(field, Field::AdminId | Field::Urgency);
    if is_late || own == edit.value || is_known(call, edit) {
        return Ruling::Nothing;
    }
    if !may_be(call, edit, own.as_ref()) {
        return Ruling::Keep(Why::Refused);
    }
    let last = call.edits.last(field).filter(|it| it.source.is_here() && it.seq > written_seq);
    let Some(last) = last else {
        // Whoever set it there knew what we have.
        return Ruling::Take { buries: false };
    };
    let is_later = (edit.at, &edit.value) > (server_time(last.at, offset_ms), &own);
    let is_safer = match field {
        Field::Urgency => urgency(edit.value.as_ref()) > urgency(own.as_ref()),
        // A person who takes the call is not undone by one who leaves it.
        Field::AdminId if own.is_none() != edit.value.is_none() => own.is_none(),
        _ => is_later,
    };
    match (is_safer, is_later) {
        (true, _) => Ruling::Take { buries: true },
        (false, true) => Ruling::Keep(Why::Safety),
        (false, false) => Ruling::Keep(Why::Older),
    }
}

/// A value that goes under so often in a row is ruled on at once.
const AT_ONCE: u32 = 3;
/// Longest time between two rulings on a value that somebody keeps setting.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How long a value that would go under is not ruled on, as it just was, again and again: each ruling
/// is written down, and a program that never gives in is not to fill the disk.
pub fn rests(call: &Call, edit: &RemoteEdit, now: Timestamp) -> Option<Duration> {
    let lost = call.edits.lost(edit.field, edit.value.as_ref())?;
    let doublings = lost.times.checked_sub(AT_ONCE)?;
    let rest = LONGEST_REST.min(Duration::from_secs(1 << doublings.min(6)));
    // A clock that was set back is no reason to wait for it.
    let passed = u64::try_from(now.as_millis() - lost.at.as_millis()).ok()?;
    rest.checked_sub(Duration::from_millis(passed)).filter(|it| !it.is_zero())
}

/// A time of our clock by the database's.
pub fn server_time(at: Timestamp, offset_ms: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(offset_ms))
}

/// Whether that value was seen to already, and only our note of it is not there yet.
fn is_known(call: &Call, edit: &RemoteEdit) -> bool {
    let taken = call.edits.taken(edit.field);
    taken.is_some_and(|it| it.seq > edit.written_seq && it.value == edit.value)
}

/// Whether anybody may set that, whatever happened here.
fn may_be(call: &Call, edit: &RemoteEdit, own: Option<&Note>) -> bool {
    match edit.field {
        // Lowering takes a named person.
        Field::Urgency => urgency(edit.value.as_ref())
            .is_some_and(|it| Some(it) >= urgency(own) || edit.by.is_some()),
        Field::AdminId | Field::AdminNotes | Field::FinalAction => true,
        // One that goes on is not deleted; a hold is lifted here, by a person.
        Field::DeletedAt => !call.is_open() && (!call.legal_hold || edit.value.is_none()),
    }
}

fn urgency(value: Option<&Note>) -> Option<Urgency> {
    Urgency::parse(value?.as_str())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{
        CallId, CallStarted, Conflict, ConflictId, Event, Medium, PhoneNumber, Record, Side,
        Source, State,
    };

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_763_640_000_000 + ms)
    }

    #[test]
    fn a_value_that_is_set_without_end_is_ruled_on_ever_more_slowly_and_no_other_waits() {
        let (mut state, mut seq) = (State::default(), 0);
        let mut happens = |state: &mut State, at, event| {
            seq += 1;
            state.apply(&Record { seq, at, node: "node-1".into(), event });
        };
        let call_id = CallId(ulid::Ulid::from_parts(1_763_640_000_000, 1));
        let started = CallStarted {
            call_id,
            worker_id: "worker".into(),
            caller: PhoneNumber::parse("+15550101").expect("a number"),
            call_sid: None,
            medium: Medium::Voice,
            language: None,
            urgency: Urgency::Critical,
        };
        happens(&mut state, ms(0), Event::CallStarted(started));
        let lower = |to: Urgency, at| RemoteEdit {
            field: Field::Urgency,
            value: Note::parse(to.as_str()).ok(),
            by: None,
            at,
            written_seq: Seq::MAX,
        };
        let conflict = |edit: &RemoteEdit| {
            let source = Source::Firebase;
            let lost = Side { value: edit.value.clone(), by: None, at: edit.at, source };
            let conflict_id = ConflictId(ulid::Ulid::nil());
            let (field, why, kept) = (edit.field, Why::Refused, lost.clone());
            Event::ConflictFound(Arc::new(Conflict {
                conflict_id,
                call_id,
                field,
                why,
                kept,
                lost,
            }))
        };
        let mut rulings = Vec::new();
        for now_ms in (0..3_600_000).step_by(10) {
            let edit = lower(Urgency::Normal, ms(now_ms));
            let call = state.call(call_id).expect("it goes on");
            assert_eq!(rule(call, &edit, Seq::MAX, 0), Ruling::Keep(Why::Refused));
            if rests(call, &edit, ms(now_ms)).is_none() {
                rulings.push(now_ms);
                happens(&mut state, ms(now_ms), conflict(&edit));
            }
        }

        assert_eq!(rulings[..5], [0, 10, 20, 1_020, 3_020]);
        assert!((60..75).contains(&rulings.len()), "{}", rulings.len());
        let call = state.call(call_id).expect("it goes on");
        let late = ms(3_600_000);
        assert!(rests(call, &lower(Urgency::Normal, late), late).is_some());
        assert_eq!(rests(call, &lower(Urgency::Urgent, late), late), None, "another value");
        assert_eq!(rests(call, &lower(Urgency::Normal, late), ms(-1)), None, "the clock was set");
    }
}
