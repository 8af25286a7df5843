//! A stored state and the records after it are as good as all records: no event sequence and no
//! place to store it makes a difference.

use std::collections::VecDeque;
use std::sync::Arc;

use aurora::domain::{
    Alert, AlertAcknowledged, AlertId, AlertKind, AnsweredBy, ByPerson, Call, CallEnded, CallId,
    CallStatus, CallUpdated, CardStep, Conflict, ConflictId, ConflictSettled, ENDED_KEPT, Edits,
    EndReason, Event, Field, Label, Medium, Message, MessageAdded, MessageId, Note, PhoneNumber,
    Record, Role, Run, RunId, RunStatus, Seconds, Seq, Side, Source, State, Timestamp, Urgency,
    Why,
};
use aurora::journal::Journal;
use aurora::journal::line::{read_record, write_record};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use ulid::Ulid;

use crate::support::{call, copy, folder, open, records, say_words, settings, started};

/// A time to pass and an event that may happen then.
#[derive(Debug, Clone)]
pub struct Step {
    wait_ms: i64,
    event: Event,
}

fn label() -> impl Strategy<Value = Label> {
    "\\PC{1,20}".prop_filter_map("a label", |it| Label::parse(&it).ok())
}

fn event() -> impl Strategy<Value = Event> {
    let id = || (0..24_u64).prop_map(call);
    let urgency = || select(vec![Urgency::Normal, Urgency::Urgent, Urgency::Critical]);
    let role = select(vec![Role::User, Role::Assistant, Role::Admin, Role::System]);
    let status = select(vec![CallStatus::Active, CallStatus::Takeover, CallStatus::Ended]);
    let reason = select(vec![EndReason::CallerHungUp, EndReason::HangUp, EndReason::TurnLimit]);
    let alert = || (0..6_u128).prop_map(|it| AlertId(Ulid(it)));
    let kind = select(vec![AlertKind::CriticalCall, AlertKind::StorageFailed]);
    let card = (".{0,9}", any::<u16>())
        .prop_map(|(card, step)| CardStep { card: card.as_str().into(), step });
    // A few callers, with more calls than callers, so that they call again.
    let start = (0..24_u64, of(label()), of("[ +]?[0-9]{1,64}"), urgency()).prop_map(
        |(n, sid, caller, urgency)| {
            let Event::CallStarted(mut it) = started(n) else { unreachable!() };
            it.caller = PhoneNumber::parse(&caller.unwrap_or(format!("+1555{}", n % 3)))
                .unwrap_or(it.caller);
            Event::CallStarted(aurora::domain::CallStarted { call_sid: sid, urgency, ..it })
        },
    );
    let message = (
        id(),
        role,
        any::<String>(),
        of(select(AnsweredBy::ALL.to_vec())),
        of(card),
        of(label()),
        of(label()),
        of(label()),
    )
        .prop_map(|(call_id, role, content, answered_by, card, request, remote_key, by)| {
            let message = Message {
                id: MessageId(1),
                role,
                sources: content.chars().rev().collect::<String>().into(),
                content: content.into(),
                timestamp: Timestamp::default(),
                answered_by,
                card,
                by,
                remote_key,
            };
            Event::MessageAdded(MessageAdded { call_id, message: Arc::new(message), request })
        });
    let values =
        (of(urgency()), of(status), of(label()), of(any::<bool>()), of(note()), of(note()));
    let update = (id(), values, of(label()), source(), of(0..9_000_i64)).prop_map(
        |(call_id, values, by, source, edited_at)| {
            let (urgency, status, admin_id, legal_hold, admin_notes, final_action) = values;
            let edited_at = edited_at.map(Timestamp::from_millis);
            Event::CallUpdated(CallUpdated {
                call_id,
                urgency,
                status,
                admin_id,
                legal_hold,
                admin_notes,
                final_action,
                by,
                source,
                edited_at,
            })
        },
    );
    let by_person = || {
        (id(), of(label()), source())
            .prop_map(|(call_id, by, source)| ByPerson { source, ..ByPerson::new(call_id, by) })
    };
    let conflict = || (0..6_u128).prop_map(|it| ConflictId(Ulid(it)));
    prop_oneof![
        4 => start,
        6 => message,
        2 => update,
        1 => (id(), 1..9_u32).prop_map(|(call_id, it)| Event::WordsHeard {
            call_id,
            message_id: MessageId(it)
        }),
        4 => (id(), reason, of(label()), source()).prop_map(|(call_id, reason, by, source)| {
            Event::CallEnded(CallEnded { call_id, reason, by, source })
        }),
        1 => (conflict(), id(), select(Field::ALL.to_vec()), why(), side(), side()).prop_map(
            |(conflict_id, call_id, field, why, kept, lost)| {
                let conflict = Conflict { conflict_id, call_id, field, why, kept, lost };
                Event::ConflictFound(Arc::new(conflict))
            }
        ),
        1 => (conflict(), id(), any::<bool>(), label()).prop_map(
            |(conflict_id, call_id, is_restored, by)| {
                Event::ConflictSettled(ConflictSettled { conflict_id, call_id, is_restored, by })
            }
        ),
        1 => run(of(id()).boxed()),
        1 => (alert(), kind, of(id()), ".{0,9}").prop_map(|(alert_id, kind, call_id, detail)| {
            let at = Timestamp::default();
            Event::AlertRaised(Alert { alert_id, kind, call_id, detail: detail.into(), at })
        }),
        1 => id().prop_map(|call_id| Event::CallArchived { call_id }),
        1 => by_person().prop_map(Event::CallDeleted),
        1 => by_person().prop_map(Event::CallRestored),
        1 => by_person().prop_map(Event::CallErased),
        2 => imported(),
        1 => Just(Event::RecordLost),
        1 => (alert(), label())
            .prop_map(|(alert_id, by)| Event::AlertAcknowledged(AlertAcknowledged { alert_id, by })),
    ]
}

fn note() -> impl Strategy<Value = Note> {
    "(?s).{0,20}".prop_filter_map("a note", |it| Note::parse(&it).ok())
}

fn source() -> impl Strategy<Value = Source> {
    select(vec![Source::Aurora, Source::Firebase])
}

fn why() -> impl Strategy<Value = Why> {
    select(vec![Why::Older, Why::Safety, Why::Refused])
}

fn side() -> impl Strategy<Value = Side> {
    (of(note()), of(label()), 0..9_000_i64, source()).prop_map(|(value, by, at, source)| Side {
        value,
        by,
        at: Timestamp::from_millis(at),
        source,
    })
}

fn run(call_id: BoxedStrategy<Option<CallId>>) -> impl Strategy<Value = Event> {
    let seconds = || (0.0..9e6_f64).prop_map(|it| Seconds::new(it).unwrap());
    let times = (seconds(), seconds(), seconds());
    let status = select(RunStatus::ALL.to_vec());
    (0..9_u128, label(), note(), status, times, any::<u32>(), of(note()), call_id).prop_map(
        |(id, slug, command, status, times, lines_migrated, report_path, call_id)| {
            Event::RunRecorded(Arc::new(Run {
                run_id: RunId(Ulid(id)),
                user_id: command.clone(),
                timestamp: Timestamp::from_millis(9_000),
                slug,
                command,
                status,
                duration_seconds: times.0,
                automation_seconds: times.1,
                lines_migrated,
                manual_estimate_seconds: times.2,
                report_path,
                call_id,
            }))
        },
    )
}

/// A call from elsewhere: open or ended, held or not, with words of its own times.
fn imported() -> impl Strategy<Value = Event> {
    let words = proptest::collection::vec((any::<String>(), any::<bool>(), 0..90_000_i64), 0..5);
    let status = select(vec![CallStatus::Active, CallStatus::Takeover, CallStatus::Ended]);
    (0..24_u64, of(label()), status, words, any::<bool>()).prop_map(
        |(n, call_sid, status, words, legal_hold)| {
            let began = 1_763_600_000_000;
            let at = Timestamp::from_millis(began + 100_000);
            let ended_at = (status == CallStatus::Ended).then_some(at);
            let messages: Vec<_> =
                (1..).zip(&words).map(|(id, it)| message(id, it, began)).collect();
            let last_admin = messages.iter().rev().find(|it| it.role == Role::Admin);
            Event::CallImported(Arc::new(Call {
                id: call(n),
                worker_id: "worker_9".into(),
                caller: PhoneNumber::parse(&format!("+1555{}", n % 3)).unwrap(),
                call_sid,
                medium: Medium::Voice,
                language: None,
                urgency: Urgency::Urgent,
                status,
                started_at: Timestamp::from_millis(began),
                last_message_at: at,
                ended_at,
                end_reason: ended_at.map(|_| EndReason::HangUp),
                admin_id: None,
                deleted_at: None,
                legal_hold,
                admin_notes: None,
                final_action: None,
                edits: Edits::default(),
                turns: messages.iter().map(|it| u32::from(it.role == Role::User)).sum(),
                last_admin: last_admin.map(|it| it.id),
                messages,
                heard: None,
                requests: VecDeque::new(),
                last_seq: 0,
            }))
        },
    )
}

fn message(id: u32, (text, is_admin, after): &(String, bool, i64), began: i64) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId(id),
        role: if *is_admin { Role::Admin } else { Role::User },
        content: text.as_str().into(),
        timestamp: Timestamp::from_millis(began + after),
        sources: "".into(),
        answered_by: None,
        card: None,
        by: None,
        remote_key: None,
    })
}

/// Minutes pass in which nothing is said, and milliseconds in which everything happens at once.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![6 => Just(0), 2 => 1..50_i64, 1 => Just(25 * 60 * 1_000)];
    let step = (wait, event()).prop_map(|(wait_ms, event)| Step { wait_ms, event });
    proptest::collection::vec(step, 1..80)
}

/// The records of those that the desk would let happen: a caller has one open call.
pub fn happen(steps: Vec<Step>) -> Vec<Record> {
    let mut state = State::default();
    let mut now_ms = 1_763_640_000_000;
    let mut records = Vec::new();
    for mut step in steps {
        now_ms += step.wait_ms;
        let at = Timestamp::from_millis(now_ms);
        match &mut step.event {
            Event::CallStarted(it) => {
                let open = match &it.call_sid {
                    Some(sid) => state.open_by_sid(sid.as_str()),
                    None => state.open_by_caller(it.caller.as_str()),
                };
                if open.is_some() {
                    continue;
                }
            }
            Event::MessageAdded(it) => {
                let message = Arc::make_mut(&mut it.message);
                message.timestamp = at;
                message.id = state.call(it.call_id).map_or(message.id, |it| it.next_message_id());
            }
            Event::AlertRaised(it) => it.at = at,
            // The import refuses an open call where the caller has one.
            Event::CallImported(it) if it.is_open() => {
                let open = match &it.call_sid {
                    Some(sid) => state.open_by_sid(sid.as_str()),
                    None => state.open_by_caller(it.caller.as_str()),
                };
                if open.is_some() {
                    continue;
                }
            }
            _ => {}
        }
        let record = Record { seq: state.seq() + 1, at, node: "test".into(), event: step.event };
        state.apply(&record);
        records.push(record);
    }
    records
}

fn store_and_restore(state: &State) -> State {
    let calls = state.calls().map(|it| it.as_ref().clone()).collect();
    State::restore(calls, state.notices(), state.seq())
}

proptest! {
    #[test]
    fn a_restored_state_goes_on_like_one_that_never_stopped(
        steps in steps(),
        place in any::<prop::sample::Index>(),
    ) {
        let records = happen(steps);
        let place = if records.is_empty() { 0 } else { place.index(records.len()) };
        let (before, after) = records.split_at(place);
        let mut never_stopped = State::default();
        before.iter().for_each(|it| never_stopped.apply(it));

        let mut restored = store_and_restore(&never_stopped);

        prop_assert_eq!(&restored, &never_stopped);
        for record in after {
            restored.apply(record);
            never_stopped.apply(record);
            prop_assert_eq!(&restored, &never_stopped);
        }
        prop_assert_eq!(never_stopped.n_open(), never_stopped.calls().filter(|it| it.is_open()).count());
    }

    #[test]
    fn every_record_reads_back_and_is_written_again_as_it_was(steps in steps()) {
        for record in happen(steps) {
            let (mut once, mut again) = (Vec::new(), Vec::new());
            write_record(&record, &mut once);
            let read = read_record(once.trim_ascii_end());
            prop_assert_eq!(read.as_ref(), Ok(&record));
            write_record(&read.expect("it was read"), &mut again);
            prop_assert_eq!(again, once);
        }
    }
}

#[test]
fn calls_that_ended_in_one_instant_leave_in_the_same_order_after_a_restart() {
    let at = Timestamp::from_millis(1_763_640_000_000);
    let mut seq: Seq = 0;
    let mut next = |event| {
        seq += 1;
        Record { seq, at, node: "test".into(), event }
    };
    let n_calls = ENDED_KEPT as u64 + 5;
    let mut state = State::default();
    for n in (1..=n_calls).rev() {
        state.apply(&next(started(n)));
    }
    let end = |n| Event::CallEnded(CallEnded::new(call(n), EndReason::HangUp, None));
    for n in (6..=n_calls).rev() {
        state.apply(&next(end(n)));
    }
    state.apply(&next(crate::support::said(&state.clone(), 6, "a late answer")));

    let mut restored = store_and_restore(&state);
    for n in 1..=5 {
        let record = next(end(n));
        state.apply(&record);
        restored.apply(&record);
    }

    assert_eq!(restored, state);
    assert_eq!((state.n_open(), state.calls().len()), (0, ENDED_KEPT));
}

#[test]
fn a_start_from_any_stored_place_equals_a_full_replay() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..40);
    let (all, full) = (records(&journal), journal.snapshot());
    let mut stored = State::default();

    for place in 0..=all.len() {
        let dir = copy(dir.path());
        let start = (store_and_restore(&stored), journal.position(stored.seq()));

        let (started, opened) = Journal::open(settings(dir.path()), Some(start)).unwrap();

        assert_eq!(started.snapshot(), full);
        assert_eq!(opened.n_replayed as usize, all.len() - place);
        assert_eq!(records(&started), all);
        all.get(place).into_iter().for_each(|it| stored.apply(it));
    }
}
