//! What the archive answers is what a look at every call would: each filter, any page, whatever
//! comes in meanwhile.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use aurora::domain::{
    Call, CallEnded, CallId, CallStarted, CallStatus, EndReason, Event, JournalId, Label, Medium,
    Message, MessageAdded, MessageId, PhoneNumber, Position, Record, Role, Seq, Timestamp, Urgency,
};
use aurora::readers::archive::{
    AskError, CallerFilter, Deleted, Filters, Find, HistoryQuestion, PastCall, Query, Reads,
    SearchQuestion, StatusFilter, Store,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use tempfile::TempDir;
use ulid::Ulid;

const BEGAN_MS: i64 = 1_700_000_000_000;
const WORDS: [&str; 8] = ["gas", "leak", "fire", "hall", "pump", "valve", "smoke", "gate"];

/// An archive, and all calls that are in it.
struct Archive {
    _folder: TempDir,
    store: Store,
    reads: Arc<Reads>,
    calls: Vec<Call>,
    seq: Seq,
    rng: StdRng,
}

impl Archive {
    fn new(n_calls: usize) -> Self {
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
    fn any_call(&mut self) -> Call {
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
            turns: 0,
            last_admin: None,
            heard: None,
            requests: VecDeque::new(),
            last_seq: 0,
            messages,
        }
    }

    fn import(&mut self, calls: Vec<Call>) {
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
    fn call_comes_in(&mut self) -> CallId {
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
            (at, Event::CallEnded(CallEnded { call_id, reason: EndReason::HangUp, by: None })),
        ]);
        call_id
    }

    /// All pages; `between` them something happens.
    async fn pages(
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

    async fn finds(
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

    fn any_filters(&mut self) -> Filters {
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

fn message(id: u32, began_ms: i64, rng: &mut StdRng) -> Message {
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
    }
}

type Says = Box<dyn Fn(&str) -> bool>;

/// A query, and what it means.
fn any_query(rng: &mut StdRng) -> (Query, Says) {
    let mut word = || WORDS[rng.random_range(0..WORDS.len())];
    let (a, b, c) = (word(), word(), word());
    let has = |text: &str, word: &str| text.split(' ').any(|it| it == word);
    let (text, says): (String, Says) = match rng.random_range(0..6) {
        0 => (a.to_owned(), Box::new(move |it| has(it, a))),
        1 => (format!("{a} {b}"), Box::new(move |it| has(it, a) && has(it, b))),
        2 => {
            (format!("{a} OR {b} {c}"), Box::new(move |it| has(it, a) || has(it, b) && has(it, c)))
        }
        3 => (
            format!("{a} NOT ({b} OR {c})"),
            Box::new(move |it| has(it, a) && !has(it, b) && !has(it, c)),
        ),
        4 => (
            format!("\"{a} {b}\""),
            Box::new(move |it| format!(" {it} ").contains(&format!(" {a} {b} "))),
        ),
        _ => (
            format!("{}*", &a[..3]),
            Box::new(move |it| it.split(' ').any(|it| it.starts_with(&a[..3]))),
        ),
    };
    (Query::parse(&text).unwrap(), says)
}

/// All words of all calls in an index of their own, to be asked one thing at a time.
struct Words(Connection);

impl Words {
    fn of(calls: &[Call]) -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE VIRTUAL TABLE words USING fts5(content, call UNINDEXED)").unwrap();
        let mut add = db.prepare("INSERT INTO words VALUES (?1, ?2)").unwrap();
        for call in calls {
            for message in &call.messages {
                add.execute([&*message.content, &call.id.to_string()]).unwrap();
            }
        }
        drop(add);
        Self(db)
    }

    /// Whether it is said in the call, for any call.
    fn calls_with(&self, query: Option<&Query>) -> impl Fn(&Call) -> bool + use<> {
        let found: Option<BTreeSet<String>> = query.map(|query| {
            let mut asked = self.0.prepare("SELECT call FROM words WHERE words MATCH ?1").unwrap();
            let found = asked.query_map([query.to_fts()], |row| row.get(0)).unwrap();
            found.collect::<Result<_, _>>().unwrap()
        });
        move |call| found.as_ref().is_none_or(|it| it.contains(&call.id.to_string()))
    }
}

fn fits(filters: &Filters, call: &Call) -> bool {
    let is_status = match filters.status {
        StatusFilter::Any => true,
        StatusFilter::Open => call.is_open(),
        StatusFilter::Only(status) => call.status == status,
    };
    let is_caller = filters.caller.as_ref().is_none_or(|it| match it {
        CallerFilter::Is(number) => call.caller == *number,
        CallerFilter::StartsWith(text) => call.caller.as_str().starts_with(text.as_str()),
    });
    let is_deleted = match filters.deleted {
        Deleted::With => true,
        Deleted::Without => call.deleted_at.is_none(),
        Deleted::Only => call.deleted_at.is_some(),
    };
    is_status
        && is_caller
        && is_deleted
        && (filters.urgencies.is_empty() || filters.urgencies.contains(&call.urgency))
        && filters.worker.as_ref().is_none_or(|it| **it == *call.worker_id)
        && filters.supervisor.as_ref().is_none_or(|it| call.admin_id.as_ref() == Some(it))
}

fn is_within(filters: &Filters, time: Timestamp) -> bool {
    filters.from.is_none_or(|it| time >= it) && filters.to.is_none_or(|it| time < it)
}

fn expected(calls: &[Call], words: &Words, filters: &Filters) -> Vec<CallId> {
    let says_text = words.calls_with(filters.text.as_ref());
    let names_zone = words.calls_with(filters.zone.as_ref());
    let by_end = filters.status == StatusFilter::Only(CallStatus::Ended);
    let key = |it: &Call| if by_end { it.ended_at } else { Some(it.started_at) };
    let mut found: Vec<_> = calls
        .iter()
        .filter(|it| fits(filters, it) && key(it).is_some_and(|it| is_within(filters, it)))
        .filter(|it| says_text(it) && names_zone(it))
        .map(|it| (key(it), it.id))
        .collect();
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.into_iter().map(|it| it.1).collect()
}

#[tokio::test]
async fn every_mix_of_filters_finds_what_a_look_at_every_call_finds() {
    let mut archive = Archive::new(400);
    let words = Words::of(&archive.calls);
    let mut n_found = 0;

    for _ in 0..120 {
        let filters = archive.any_filters();
        let limit = archive.rng.random_range(1..60);
        let found = archive.pages(&filters, limit, |_| {}).await;

        let ids: Vec<_> = found.iter().map(|it| it.call.id).collect();
        assert_eq!(ids, expected(&archive.calls, &words, &filters), "{filters:?}");
        for past in &found {
            let call = archive.calls.iter().find(|it| it.id == past.call.id).unwrap();
            assert_eq!(past.total_messages, call.messages.len() as u64);
            let known = Call { messages: vec![], last_seq: past.call.last_seq, ..call.clone() };
            assert_eq!(past.call, known);
        }
        n_found += found.len();
    }

    assert!(n_found > 2_000, "the filters found {n_found} calls: they prove nothing");
}

#[tokio::test]
async fn every_search_finds_what_a_look_at_every_message_finds() {
    let mut archive = Archive::new(400);
    let words = Words::of(&archive.calls);
    let mut n_found = 0;

    for _ in 0..60 {
        let filters = Filters { text: None, ..archive.any_filters() };
        let (query, says) = any_query(&mut archive.rng);
        let names_zone = words.calls_with(filters.zone.as_ref());
        let limit = archive.rng.random_range(1..60);
        let found = archive.finds(&query, &filters, limit, |_| {}).await;

        let ids: Vec<_> = found.iter().map(|it| (it.call_id, it.message_id)).collect();
        let once: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(once.len(), ids.len(), "a find came twice: {query:?} {filters:?}");
        let expected: BTreeSet<_> = archive
            .calls
            .iter()
            .filter(|it| fits(&filters, it) && names_zone(it))
            .flat_map(|call| call.messages.iter().map(move |it| (call.id, it)))
            .filter(|it| says(&it.1.content) && is_within(&filters, it.1.timestamp))
            .map(|it| (it.0, it.1.id))
            .collect();
        assert_eq!(once, expected, "{query:?} {filters:?}");
        n_found += found.len();
    }

    assert!(n_found > 1_000, "the searches found {n_found} messages: they prove nothing");
}

#[tokio::test]
async fn beginnings_of_which_tens_of_thousands_were_said_find_them_all() {
    const MANY: [&str; 8] =
        ["gas", "gasket", "gasoline", "gâs", "leak", "leaking", "fire", "fireman"];
    let mut archive = Archive::new(60);
    let mut calls: Vec<_> = (0..25).map(|_| archive.any_call()).collect();
    for call in &mut calls {
        let began = call.started_at.as_millis();
        let long = |id, rng: &mut StdRng| {
            let words: Vec<_> = (0..300).map(|_| MANY[rng.random_range(0..8)]).collect();
            Arc::new(Message { content: words.join(" ").into(), ..message(id, began, rng) })
        };
        call.messages = (1..=10).map(|id| long(id, &mut archive.rng)).collect();
    }
    archive.import(calls);

    let of = |text: &str| text.replace('â', "a");
    let begins = move |text: &str, with: &str| of(text).split(' ').any(|it| it.starts_with(with));
    let follows = move |text: &str, what: &str| format!(" {}", of(text)).contains(what);
    let says: [(&str, Says); 5] = [
        ("gas*", Box::new(move |it| begins(it, "gas"))),
        ("GÁS*", Box::new(move |it| begins(it, "gas"))),
        ("lea* NOT \"fire gask\"*", {
            Box::new(move |it| begins(it, "lea") && !follows(it, " fire gask"))
        }),
        ("\"leaking fireman ga\"*", Box::new(move |it| follows(it, " leaking fireman ga"))),
        ("pump OR (fir* ga* hall)", {
            Box::new(move |it| {
                let has = |word| it.split(' ').any(|it| it == word);
                has("pump") || begins(it, "fir") && begins(it, "ga") && has("hall")
            })
        }),
    ];
    for (text, says) in says {
        let query = Query::parse(text).unwrap();
        for with_filters in [false, true] {
            let any = Filters { deleted: Deleted::With, ..Filters::new(StatusFilter::Any) };
            let filters = if with_filters {
                let caller = Some(CallerFilter::StartsWith("+15551".to_owned()));
                Filters { caller, urgencies: vec![Urgency::Normal, Urgency::Urgent], ..any }
            } else {
                any
            };
            let found = archive.finds(&query, &filters, 70, |_| {}).await;
            let once: BTreeSet<_> = found.iter().map(|it| (it.call_id, it.message_id)).collect();
            let fitting: Vec<_> = archive.calls.iter().filter(|it| fits(&filters, it)).collect();
            let expected: BTreeSet<_> = fitting
                .iter()
                .flat_map(|call| call.messages.iter().map(move |it| (call.id, it)))
                .filter(|it| says(&it.1.content))
                .map(|it| (it.0, it.1.id))
                .collect();
            assert_eq!((&once, once.len()), (&expected, found.len()), "{text} {filters:?}");
            assert!(found.iter().all(|it| it.snippet.contains('\u{1}')), "{text}");

            let filters = Filters { text: Some(query.clone()), ..filters };
            let listed = archive.pages(&filters, 20, |_| {}).await;
            let listed: BTreeSet<_> = listed.iter().map(|it| it.call.id).collect();
            let expected: BTreeSet<_> = expected.into_iter().map(|it| it.0).collect();
            assert_eq!(listed, expected, "{text} {filters:?}");
        }
    }
}

#[tokio::test]
async fn a_beginning_of_too_many_words_is_refused_and_longer_ones_are_not() {
    let mut archive = Archive::new(0);
    let mut call = archive.any_call();
    let words: Vec<_> = (0..1_600).map(|it| format!("word{it:04}")).collect();
    let content: Arc<str> = words.join(" ").into();
    let began = call.started_at.as_millis();
    call.messages = (1..=13)
        .map(|id| {
            let message = message(id, began, &mut archive.rng);
            Arc::new(Message { content: Arc::clone(&content), ..message })
        })
        .collect();
    archive.import(vec![call]);
    let filters = Filters { deleted: Deleted::With, ..Filters::new(StatusFilter::Any) };
    let ask = |text: &str| SearchQuestion {
        query: Query::parse(text).unwrap(),
        filters: filters.clone(),
        limit: 50,
        cursor: None,
    };

    let refused = archive.reads.search(ask("word1000 NOT wo*")).await;
    let listed = Filters { text: Some(ask("w*").query), ..filters.clone() };
    let listed = HistoryQuestion { filters: listed, limit: 50, cursor: None };
    let listed = archive.reads.history(listed).await;

    assert!(matches!(&refused, Err(AskError::TooManyWords { beginning }) if beginning == "wo"));
    assert!(matches!(&listed, Err(AskError::TooManyWords { beginning }) if beginning == "w"));
    assert_eq!(archive.reads.search(ask("word10*")).await.unwrap().items.len(), 13);
}

#[tokio::test]
async fn thousands_are_paged_without_loss_or_repetition_while_calls_come_in() {
    let mut archive = Archive::new(4_000);
    let filters = Filters::new(StatusFilter::Only(CallStatus::Ended));
    let before = expected(&archive.calls, &Words::of(&[]), &filters);
    assert!(before.len() > 3_000);

    let listed = archive
        .pages(&filters, 37, |it| {
            it.call_comes_in();
        })
        .await;

    let listed: Vec<_> = listed.into_iter().map(|it| it.call.id).collect();
    assert_eq!(listed, before, "what came in later is newer than all that was shown");

    let any = Filters::new(StatusFilter::Any);
    let query = Query::parse("gas OR (leak NOT fire) OR pum*").unwrap();
    let said: Vec<_> = archive
        .finds(&query, &any, 200, |_| {})
        .await
        .into_iter()
        .map(|it| (it.call_id, it.message_id))
        .collect();
    assert!(said.len() > 4_000, "several windows: {}", said.len());
    let again = archive
        .finds(&query, &any, 97, |it| {
            it.call_comes_in();
        })
        .await;

    let again: Vec<_> = again.into_iter().map(|it| (it.call_id, it.message_id)).collect();
    let once: BTreeSet<_> = again.iter().copied().collect();
    assert_eq!(once.len(), again.len(), "nothing comes twice");
    assert!(said.iter().all(|it| once.contains(it)), "nothing is lost");
}

#[tokio::test]
async fn the_better_find_comes_first_and_among_equals_the_newer() {
    let mut archive = Archive::new(0);
    let mut said = Vec::new();
    for (minute, text) in [
        "the valve is hot",
        "gas at the gate",
        "the gate is open and somebody stands there and waits for the bus to the town",
        "valve and gas and gas again",
        "the gate",
        "the gate",
    ]
    .iter()
    .enumerate()
    {
        let mut call = archive.any_call();
        let at = Timestamp::from_millis(BEGAN_MS + minute as i64 * 60_000);
        call.deleted_at = None;
        call.messages = vec![Arc::new(Message {
            id: MessageId(1),
            role: Role::User,
            content: (*text).into(),
            timestamp: at,
            sources: "".into(),
            answered_by: None,
            card: None,
        })];
        said.push(call.id);
        archive.import(vec![call]);
    }
    let any = Filters::new(StatusFilter::Any);

    let mut found = async |text| {
        let query = Query::parse(text).unwrap();
        let finds = archive.finds(&query, &any, 50, |_| {}).await;
        finds.iter().map(|it| said.iter().position(|id| *id == it.call_id)).collect::<Vec<_>>()
    };

    assert_eq!(found("gas").await, [Some(3), Some(1)]);
    assert_eq!(found("gate").await, [Some(5), Some(4), Some(1), Some(2)]);
    assert_eq!(found("gas OR valve").await[0], Some(3));
    assert_eq!(found("town OR gate").await[0], Some(2), "a rare word is worth more");
}

#[tokio::test]
async fn nothing_said_can_look_like_a_mark() {
    let mut archive = Archive::new(0);
    let mut call = archive.any_call();
    call.deleted_at = None;
    call.messages = vec![Arc::new(Message {
        id: MessageId(1),
        role: Role::User,
        content: "a \u{1}false\u{2} mark, <b>gas</b> & [smoke] \u{1} in the hall".into(),
        timestamp: call.started_at,
        sources: "".into(),
        answered_by: None,
        card: None,
    })];
    archive.import(vec![call]);
    let any = Filters::new(StatusFilter::Any);

    for (text, snippet) in [
        ("gas", "a  false  mark, <b>\u{1}gas\u{2}</b> & [smoke]   in the hall"),
        ("smo*", "a  false  mark, <b>gas</b> & [\u{1}smoke\u{2}]   in the hall"),
        ("false mark", "a  \u{1}false\u{2}  \u{1}mark\u{2}, <b>gas</b> & [smoke]   in the hall"),
    ] {
        let query = Query::parse(text).unwrap();
        let finds = archive.finds(&query, &any, 50, |_| {}).await;
        assert_eq!(finds.iter().map(|it| &*it.snippet).collect::<Vec<_>>(), [snippet]);
    }
}

#[tokio::test]
async fn a_cursor_serves_the_question_that_it_came_from_and_no_other() {
    let mut archive = Archive::new(300);
    let any = Filters::new(StatusFilter::Any);
    let ask =
        |filters: &Filters, cursor| HistoryQuestion { filters: filters.clone(), limit: 5, cursor };
    let seek = |text, cursor| {
        let query = Query::parse(text).unwrap();
        SearchQuestion { query, filters: Filters::new(StatusFilter::Any), limit: 5, cursor }
    };
    let listed = archive.reads.history(ask(&any, None)).await.unwrap().next_cursor;
    let found = archive.reads.search(seek("gas OR leak", None)).await.unwrap().next_cursor;
    assert!(listed.is_some() && found.is_some());

    let other = Filters { urgencies: vec![Urgency::Normal], ..any.clone() };
    for (filters, cursor) in [(&other, &listed), (&any, &found)] {
        let refused = archive.reads.history(ask(filters, cursor.clone())).await;
        assert!(matches!(refused, Err(AskError::Cursor(_))), "{refused:?}");
    }
    for (text, cursor) in [("gas", &found), ("gas OR pump", &found), ("gas OR leak", &listed)] {
        let refused = archive.reads.search(seek(text, cursor.clone())).await;
        assert!(matches!(refused, Err(AskError::Cursor(_))), "{refused:?}");
    }

    // With other calls in it, the same question goes on where it was.
    archive.call_comes_in();
    assert!(archive.reads.history(ask(&any, listed)).await.is_ok());
    assert!(archive.reads.search(seek("gas OR leak", found)).await.is_ok());
}

#[tokio::test]
async fn an_archive_that_is_not_there_yet_is_an_error_and_then_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.db");
    let reads = Reads::new(path.clone());
    let filters = Filters::new(StatusFilter::Any);
    let ask = || HistoryQuestion { filters: filters.clone(), limit: 5, cursor: None };

    assert!(matches!(reads.history(ask()).await, Err(AskError::Archive(_))));
    assert!(!path.exists(), "reading makes no file");
    let _store = Store::open(&path).unwrap();
    assert_eq!(reads.history(ask()).await.unwrap().items, []);
}
