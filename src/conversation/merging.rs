//! Which of two values stays, where both sides of the mirror changed it.
//!
//! The one idea: the later one stays, by the database's clock, unless that is less safe: urgency
//! never falls and a person is never taken off the line because two did something at once. The
//! ruling needs nothing but what both sides know, so both come to the same end.

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
