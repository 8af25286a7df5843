//! Two sides that change the same call while they are apart come to the same state, whatever the
//! network does and however wrong a clock is; what goes under is written down, urgency never falls
//! by a conflict, and nobody is taken off the line by one.

use std::collections::VecDeque;
use std::sync::Arc;

use aurora::conversation::desk::take_in;
use aurora::domain::{
    CallId, CallStarted, CallStatus, CallUpdated, Event, Field, Label, Medium, Note, PhoneNumber,
    Record, RemoteClock, Source, State, Timestamp, Urgency,
};
use aurora::journal::Draft;
use aurora::readers::firebase::{Writes, entry, put};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use ulid::Ulid;

/// Something that happens on either side or between them.
#[derive(Debug, Clone)]
enum Step {
    Here(Change),
    There {
        change: Change,
        is_signed: bool,
    },
    /// A request leaves with the next records.
    Send {
        n_records: usize,
    },
    /// The request comes there, or not; and its answer comes back, or not.
    Arrive {
        is_applied: bool,
        is_answered: bool,
    },
    /// The stream tells of the next changes.
    Tell {
        n_changes: usize,
    },
    /// The stream breaks, and begins anew with what is there.
    Break,
    Pass {
        ms: i64,
    },
}

#[derive(Debug, Clone)]
enum Change {
    Urgency(Urgency),
    Holder(Option<usize>),
    Notes(usize),
    Action(usize),
}

const NAMES: [&str; 3] = ["Kim", "Lee", "Ada"];

fn id() -> CallId {
    CallId(Ulid::from_parts(1_763_640_000_000, 1))
}

fn path(rest: &str) -> String {
    format!("active_calls/{}{rest}", id())
}

/// The database, with one call in it.
struct There {
    call: Value,
    now: i64,
    /// What the stream has not told yet.
    untold: VecDeque<Value>,
}

impl There {
    fn write(&mut self, writes: &Writes) {
        for (at, _, value) in writes.iter() {
            let Some(rest) = at.strip_prefix(&path("")) else { continue };
            let value = self.settled(value);
            put_at(&mut self.call, rest.trim_start_matches('/'), value);
        }
        self.untold.push_back(self.call.clone());
    }

    fn settled(&self, value: &Value) -> Value {
        match value {
            Value::Object(it) if it.contains_key(".sv") => json!(self.now),
            Value::Object(it) => {
                let it = it.iter().filter(|it| !it.1.is_null());
                Value::Object(it.map(|(key, it)| (key.clone(), self.settled(it))).collect())
            }
            plain => plain.clone(),
        }
    }

    fn set(&mut self, name: &str, value: Value) {
        put_at(&mut self.call, name, value);
    }
}

fn put_at(whole: &mut Value, path: &str, value: Value) {
    if path.is_empty() {
        *whole = value;
        return;
    }
    if !whole.is_object() {
        *whole = Value::Object(Map::new());
    }
    let (key, rest) = path.split_once('/').unwrap_or((path, ""));
    let children = whole.as_object_mut().unwrap();
    if rest.is_empty() && value.is_null() {
        children.remove(key);
    } else {
        put_at(children.entry(key).or_insert(Value::Null), rest, value);
    }
}

/// A request on its way.
struct Request {
    writes: Writes,
    /// The records that are in it.
    up_to: usize,
    /// What has to be there still, if it looks.
    expected: Option<Value>,
}

struct Sides {
    there: There,
    state: State,
    records: Vec<Record>,
    /// How many the database is known to have.
    n_acked: usize,
    /// How many it may have.
    n_doubted: usize,
    /// What our clock lacks.
    offset_ms: i64,
    request: Option<Request>,
    /// Looks before it writes; else it relies on a stream that never breaks.
    looks: bool,
    /// Notes that were written there, in order.
    notes_there: Vec<Note>,
}

impl Sides {
    fn new(offset_ms: i64, looks: bool) -> Self {
        let now = 1_763_640_000_000;
        let there = There { call: Value::Null, now, untold: VecDeque::new() };
        let mut sides = Self {
            there,
            state: State::default(),
            records: Vec::new(),
            n_acked: 0,
            n_doubted: 0,
            offset_ms,
            request: None,
            looks,
            notes_there: Vec::new(),
        };
        sides.happens(vec![Event::CallStarted(CallStarted {
            call_id: id(),
            worker_id: "worker_15550100".into(),
            caller: PhoneNumber::parse("+15550100").unwrap(),
            call_sid: None,
            medium: Medium::Voice,
            language: None,
            urgency: Urgency::Urgent,
        })]);
        sides
    }

    fn here_now(&self) -> Timestamp {
        Timestamp::from_millis(self.there.now - self.offset_ms)
    }

    fn happens(&mut self, events: Vec<Event>) {
        for event in events {
            let (seq, at) = (self.state.seq() + 1, self.here_now());
            let record = Record { seq, at, node: "node-1".into(), event };
            self.state.apply(&record);
            self.records.push(record);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Here(change) => self.here(change),
            Step::There { change, is_signed } => self.there(change, is_signed),
            Step::Send { n_records } => self.send(n_records),
            Step::Arrive { is_applied, is_answered } => self.arrive(is_applied, is_answered),
            Step::Tell { n_changes } => {
                for _ in 0..n_changes {
                    self.tell();
                }
            }
            Step::Break if self.looks => {
                self.there.untold = VecDeque::from([self.there.call.clone()]);
            }
            Step::Break => {}
            Step::Pass { ms } => self.there.now += ms,
        }
    }

    fn here(&mut self, change: Change) {
        let by = Label::parse("Kim").unwrap();
        let update = CallUpdated::of(id(), Some(by));
        let update = match change {
            Change::Urgency(it) => CallUpdated { urgency: Some(it), ..update },
            Change::Holder(who) => {
                let status = if who.is_some() { CallStatus::Takeover } else { CallStatus::Active };
                let admin_id = who.map(|it| Label::parse(NAMES[it]).unwrap());
                CallUpdated { status: Some(status), admin_id, ..update }
            }
            Change::Notes(n) => CallUpdated { admin_notes: Some(text("here", n)), ..update },
            Change::Action(n) => CallUpdated { final_action: Some(text("here", n)), ..update },
        };
        self.happens(vec![Event::CallUpdated(update)]);
    }

    fn there(&mut self, change: Change, is_signed: bool) {
        let there = &mut self.there;
        if there.call.is_null() {
            return;
        }
        match change {
            Change::Urgency(it) => there.set("urgency", json!(it)),
            Change::Holder(who) => {
                there.set("admin_id", who.map_or(Value::Null, |it| json!(NAMES[it])));
            }
            Change::Notes(n) => {
                let note = text("there", self.notes_there.len() * 10 + n);
                there.set("admin_notes", json!(note));
                self.notes_there.push(note);
            }
            Change::Action(n) => there.set("final_action", json!(text("there", n))),
        }
        if is_signed {
            there.set("updated_at", json!(there.now));
            there.set("updated_by", json!("Ada at the phone"));
        }
        there.untold.push_back(there.call.clone());
    }

    fn take_in(&mut self, call: &Value) {
        let now = Timestamp::from_millis(self.there.now);
        let Some((remote, problems)) = entry::look(id(), call, now) else { return };
        assert_eq!(problems, []);
        let mut events = Vec::new();
        let mut draft = Draft::new(self.here_now(), &mut events);
        let clock = RemoteClock {
            acked_seq: self.n_acked as u64,
            offset_ms: self.offset_ms,
            puts_back: false,
        };
        take_in(&self.state, &mut draft, &remote, clock).unwrap();
        self.happens(events);
    }

    fn send(&mut self, n_records: usize) {
        if self.request.is_some() {
            return;
        }
        let (mut writes, mut up_to) = self.batch(n_records);
        let mut expected = None;
        // A whole entry is a call that begins: nothing is there yet.
        if self.looks && !writes.iter().any(|it| it.0 == path("")) {
            let call = self.there.call.clone();
            self.take_in(&call);
            expected = Some(call);
            (writes, up_to) = self.batch(n_records);
        }
        self.request = Some(Request { writes, up_to, expected });
    }

    fn batch(&self, n_records: usize) -> (Writes, usize) {
        let up_to = (self.n_acked + n_records).min(self.records.len());
        let mut writes = Writes::new();
        let last = |id, field| self.state.call(id)?.edits.last(field).map(|it| it.seq);
        for record in &self.records[self.n_acked..up_to] {
            put(&mut writes, record, &last);
        }
        if self.looks {
            writes.contest_beginnings(self.n_doubted as u64);
        }
        (writes, up_to)
    }

    fn arrive(&mut self, is_applied: bool, is_answered: bool) {
        let Some(request) = self.request.take() else { return };
        if !is_answered {
            self.n_doubted = self.n_doubted.max(request.up_to);
        }
        if !is_applied || request.expected.is_some_and(|it| it != self.there.call) {
            return;
        }
        if self.looks {
            let note = self.there.call.get("admin_notes").and_then(Value::as_str);
            let theirs = note.filter(|it| it.starts_with("there"));
            let is_seen = |it: &str| self.notes_seen().iter().any(|own| own.as_str() == it);
            assert!(theirs.is_none_or(is_seen), "{theirs:?} is buried unseen");
        }
        self.there.write(&request.writes);
        if is_answered {
            self.n_acked = request.up_to;
        }
    }

    fn tell(&mut self) {
        if let Some(call) = self.there.untold.pop_front() {
            self.take_in(&call);
        }
    }

    /// Lets everything arrive; whether it comes to rest.
    fn settle(&mut self) -> bool {
        for _ in 0..20 {
            self.arrive(true, true);
            while !self.there.untold.is_empty() {
                self.tell();
            }
            if self.n_acked == self.records.len() {
                return true;
            }
            self.send(usize::MAX / 2);
        }
        false
    }

    fn conflicts(&self) -> impl Iterator<Item = &Arc<aurora::domain::Conflict>> {
        self.records.iter().filter_map(|it| match &it.event {
            Event::ConflictFound(it) => Some(it),
            _ => None,
        })
    }

    /// What the journal says of notes that came from there.
    fn notes_seen(&self) -> Vec<&Note> {
        let seen = self.records.iter().filter_map(|it| match &it.event {
            Event::CallUpdated(it) if it.source == Source::Firebase => it.admin_notes.as_ref(),
            Event::ConflictFound(it) if it.field == Field::AdminNotes => {
                let lost = Some(&it.lost).filter(|it| it.source == Source::Firebase);
                lost.and_then(|it| it.value.as_ref())
            }
            _ => None,
        });
        seen.collect()
    }
}

fn text(side: &str, n: usize) -> Note {
    Note::parse(&format!("{side} {n}")).unwrap()
}

fn urgency_of(note: Option<&Note>) -> Option<Urgency> {
    note.and_then(|it| Urgency::parse(it.as_str()))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        select(vec![Urgency::Normal, Urgency::Urgent, Urgency::Critical]).prop_map(Change::Urgency),
        proptest::option::of(0..NAMES.len()).prop_map(Change::Holder),
        (0..9_usize).prop_map(Change::Notes),
        (0..9_usize).prop_map(Change::Action),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => change().prop_map(Step::Here),
        4 => (change(), any::<bool>())
            .prop_map(|(change, is_signed)| Step::There { change, is_signed }),
        3 => (1..4_usize).prop_map(|n_records| Step::Send { n_records }),
        3 => (prop::bool::weighted(0.8), prop::bool::weighted(0.7))
            .prop_map(|(is_applied, is_answered)| Step::Arrive { is_applied, is_answered }),
        3 => (1..4_usize).prop_map(|n_changes| Step::Tell { n_changes }),
        1 => Just(Step::Break),
        2 => (0..9_000_i64).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// With `./test --long` many more: minutes.
fn cases() -> u32 {
    let is_long = std::env::var_os("AURORA_TEST_LONG").is_some_and(|it| it == "1");
    if is_long { 100_000 } else { 3_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn both_sides_come_to_the_same_state(
        steps in proptest::collection::vec(step(), 1..40),
        offset_ms in -300_000..300_000_i64,
        looks in any::<bool>(),
    ) {
        let mut sides = Sides::new(offset_ms, looks);
        for step in steps {
            sides.step(step);
        }

        prop_assert!(sides.settle(), "they never come to rest");

        let call = sides.state.call(id()).unwrap();
        let there = &sides.there.call;
        let of = |name: &str| there.get(name).and_then(Value::as_str).map(str::to_owned);
        for field in [Field::Urgency, Field::AdminId, Field::AdminNotes, Field::FinalAction] {
            let here = call.value_of(field).map(|it| it.to_string());
            prop_assert_eq!(here, of(field.as_str()), "{:?}", field);
        }
        prop_assert_eq!(of("status"), Some(call.status.as_str().to_owned()));
        for conflict in sides.conflicts() {
            let (kept, lost) = (conflict.kept.value.as_ref(), conflict.lost.value.as_ref());
            match conflict.field {
                Field::Urgency => prop_assert!(urgency_of(kept) >= urgency_of(lost)),
                Field::AdminId => prop_assert!(kept.is_some() || lost.is_none()),
                _ => prop_assert!(conflict.kept.at >= conflict.lost.at),
            }
        }
        // Nothing that the stream told of is forgotten, and nothing counts twice: what was written
        // here by somebody who knew of it is not undone by it.
        if !looks {
            let mut seen = sides.notes_seen();
            seen.sort_unstable();
            let mut told: Vec<_> = sides.notes_there.iter().collect();
            told.sort_unstable();
            prop_assert_eq!(seen, told, "{:#?}", sides.records);
        }
    }
}
