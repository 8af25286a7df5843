//! An archive without a server, filled with calls made up by chance, and questions made up likewise.

use std::collections::VecDeque;
use std::sync::Arc;

use aurora::domain::{
    Call, CallEnded, CallId, CallStarted, CallStatus, Edits, EndReason, Event, JournalId, Label,
    Medium, Message, MessageAdded, MessageId, PhoneNumber, Position, Record, Role, Seq, Timestamp,
    Urgency,
};
use aurora::readers::archive::{
    CallerFilter, Deleted, Filters, Find, HistoryQuestion, PastCall, Query, Reads, SearchQuestion,
    StatusFilter, Store,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;
use ulid::Ulid;

use crate::oracle::any_query;

pub const BEGAN_MS: i64 = 1_700_000_000_000;
pub const WORDS: [&str; 8] = ["gas", "leak", "fire", "hall", "pump", "valve", "smoke", "gate"];

/// An archive, and all calls that are in it.
pub struct Archive {
    _folder: TempDir,
    store: Store,
    pub reads: Arc<Reads>,
    pub calls: Vec<Call>,
    seq: Seq,
    pub rng: StdRng,
}

impl Archive {
    pub fn new(n_calls: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.db");
        let mut store = Store::open(&path).unwrap();
        store.begin_at(Position { journal: JournalId::from_bits(7), seq: 0 }, false).unwrap();
        let reads = Reads::new(path);
        let rng = StdRng::seed_from_u64(7);
        let mut own = Self { _folder: folder, store, reads, calls: Vec::new(), seq: 0, rng };
        let calls: Vec<_> = (0..n_calls).map(|_| own.any_call()).collect();
        own.import(calls);
        own
    }

    /// Of any age, so that rows are in another order than times.
    pub fn any_call(&mut self) -> Call {
        let rng = &mut self.rng;
        // Few enough for ties.
        let started = BEGAN_MS + rng.random_range(0..400) * 60_000;
        let id = CallId(Ulid::from_parts(started.unsigned_abs(), rng.random()));
        let is_open = rng.random_range(0..10) == 0;
        let is_held = is_open && rng.random();
        let n_messages = rng.random_range(0..6);
        let ended = (!is_open).then(|| Timestamp::from_millis(started + 30_000));
        let caller = PhoneNumber::parse(&format!("+1555{:02}", rng.random_range(0..20))).unwrap();
        let named = is_held || rng.random_range(0..3) == 0;
        let messages = (1..=n_messages).map(|it| Arc::new(message(it, started, rng)));
        let messages: Vec<_> = messages.collect();
        Call {
            id,
            worker_id: caller.worker_id().into(),
            caller,
            call_sid: None,
            medium: Medium::Voice,
            language: None,
            urgency: [Urgency::Normal, Urgency::Urgent, Urgency::Critical][rng.random_range(0..3)],
            status: match (is_open, is_held) {
                (true, true) => CallStatus::Takeover,
                (true, false) => CallStatus::Active,
                _ => CallStatus::Ended,
            },
            started_at: Timestamp::from_millis(started),
            last_message_at: messages
                .last()
                .map_or(Timestamp::from_millis(started), |it| it.timestamp),
            ended_at: ended,
            end_reason: ended.map(|_| EndReason::CallerHungUp),
            admin_id: named.then(|| Label::parse(["Kim", "Lee"][rng.random_range(0..2)]).unwrap()),
            deleted_at: (!is_open && rng.random_range(0..8) == 0)
                .then(|| Timestamp::from_millis(started + 60_000)),
            legal_hold: false,
            admin_notes: None,
            final_action: None,
            edits: Edits::default(),
            turns: 0,
            last_admin: None,
            heard: None,
            requests: VecDeque::new(),
            last_seq: 0,
            messages,
        }
    }

    pub fn import(&mut self, calls: Vec<Call>) {
        let at = Timestamp::from_millis(BEGAN_MS);
        self.apply(
            calls.iter().map(|it| (at, Event::CallImported(Arc::new(it.clone())))).collect(),
        );
        self.calls.extend(calls);
    }

    fn apply(&mut self, events: Vec<(Timestamp, Event)>) {
        let records: Vec<_> = events
            .into_iter()
            .map(|(at, event)| {
                self.seq += 1;
                Record { seq: self.seq, at, node: "aurora-1".into(), event }
            })
            .collect();
        self.store.apply(JournalId::from_bits(7), &records).unwrap();
    }

    /// A call that begins, is spoken in, and ends later than all others.
    pub fn call_comes_in(&mut self) -> CallId {
        let ms = BEGAN_MS + 1_000_000_000 + i64::try_from(self.seq).unwrap() * 1_000;
        let at = Timestamp::from_millis(ms);
        let call_id = CallId(Ulid::from_parts(ms.unsigned_abs(), self.rng.random()));
        let message = Arc::new(message(1, ms, &mut self.rng));
        self.apply(vec![
            (
                at,
                Event::CallStarted(CallStarted {
                    call_id,
                    worker_id: "worker_1".into(),
                    caller: PhoneNumber::parse("+155501").unwrap(),
                    call_sid: None,
                    medium: Medium::Voice,
                    language: None,
                    urgency: Urgency::Normal,
                }),
            ),
            (at, Event::MessageAdded(MessageAdded { call_id, message, request: None })),
            (at, Event::CallEnded(CallEnded::new(call_id, EndReason::HangUp, None))),
        ]);
        call_id
    }

    /// All pages; `between` them something happens.
    pub async fn pages(
        &mut self,
        filters: &Filters,
        limit: usize,
        mut between: impl FnMut(&mut Self),
    ) -> Vec<PastCall> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let asked = HistoryQuestion { filters: filters.clone(), limit, cursor };
            let page = self.reads.history(asked).await.unwrap();
            assert!(page.items.len() <= limit);
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return all;
            }
            between(self);
        }
    }

    pub async fn finds(
        &mut self,
        query: &Query,
        filters: &Filters,
        limit: usize,
        mut between: impl FnMut(&mut Self),
    ) -> Vec<Find> {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let (query, filters) = (query.clone(), filters.clone());
            let asked = SearchQuestion { query, filters, limit, cursor };
            let page = self.reads.search(asked).await.unwrap();
            assert!(page.items.len() <= limit);
            all.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return all;
            }
            between(self);
        }
    }

    pub fn any_filters(&mut self) -> Filters {
        let rng = &mut self.rng;
        let status = [
            StatusFilter::Only(CallStatus::Ended),
            StatusFilter::Only(CallStatus::Takeover),
            StatusFilter::Open,
            StatusFilter::Any,
        ][rng.random_range(0..4)];
        let mut rarely = |share: u32| rng.random_range(0..share) == 0;
        let (timed, urgent, called, worked, named, zoned, said) =
            (rarely(3), rarely(3), rarely(4), rarely(8), rarely(4), rarely(6), rarely(3));
        let time = |minute: i64| Timestamp::from_millis(BEGAN_MS + minute * 60_000);
        let from = rng.random_range(0..300);
        let word = |rng: &mut StdRng| WORDS[rng.random_range(0..WORDS.len())];
        Filters {
            from: timed.then(|| time(from)),
            to: (timed && rng.random()).then(|| time(from + rng.random_range(1..200))),
            urgencies: if urgent { vec![Urgency::Urgent, Urgency::Critical] } else { vec![] },
            caller: called.then(|| match rng.random() {
                true => CallerFilter::Is(PhoneNumber::parse("+155507").unwrap()),
                false => CallerFilter::StartsWith("+15551".to_owned()),
            }),
            worker: worked.then(|| "worker_155512".to_owned()),
            supervisor: named.then(|| Label::parse("Kim").unwrap()),
            zone: zoned.then(|| Query::phrase(&format!("{} {}", word(rng), word(rng))).unwrap()),
            text: said.then(|| any_query(rng).0),
            deleted: [Deleted::Without, Deleted::With, Deleted::Only][rng.random_range(0..3)],
            ..Filters::new(status)
        }
    }
}

pub fn message(id: u32, began_ms: i64, rng: &mut StdRng) -> Message {
    let n_words = rng.random_range(1..5);
    let words: Vec<_> = (0..n_words).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect();
    Message {
        id: MessageId(id),
        role: Role::User,
        content: words.join(" ").into(),
        timestamp: Timestamp::from_millis(began_ms + i64::from(id) * 1_000),
        sources: "".into(),
        answered_by: None,
        card: None,
        by: None,
        remote_key: None,
    }
}
