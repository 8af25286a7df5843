//! What a question about the past costs over 100,000 calls and 2,000,000 messages.
//!
//! The archive is filled once, in a temporary folder; every kind of question is asked often, each
//! time a little differently, and the middle and the slowest twentieth are printed.
//! `cargo bench --bench history -- 10000` asks over fewer calls.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora::domain::{
    CallEnded, CallId, CallStarted, CallStatus, CallUpdated, EndReason, Event, JournalId, Label,
    Medium, Message, MessageAdded, MessageId, PhoneNumber, Position, Record, Role, Timestamp,
    Urgency,
};
use aurora::journal::line::write_record;
use aurora::readers::archive::{
    AskError, CallerFilter, Filters, HistoryQuestion, Query, Reads, SearchQuestion, StatusFilter,
    Store,
};
use hdrhistogram::Histogram;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ulid::Ulid;

const CALLS: u64 = 100_000;
const MESSAGES: u32 = 20;
const CALLERS: u64 = 20_000;
const BEGAN_MS: u64 = 1_700_000_000_000;
const CALL_EVERY_MS: u64 = 60_000;
const ASKED: u64 = 200;

/// Words that are said all the time come first.
const COMMON: &str = "the is i there a fire in gate it please help and water smoke near to you of \
    hall somebody valve what can see gas my on we are stuck leak floor door he she hurt bleeding \
    pump alarm tank worker warehouse stairs exit smell hot ladder machine north south east west";

struct Language {
    words: Vec<String>,
}

impl Language {
    fn new(rng: &mut StdRng) -> Self {
        let mut words: Vec<String> = COMMON.split_whitespace().map(str::to_owned).collect();
        for _ in 0..30_000 {
            let length = rng.random_range(2..5);
            let syllables = (0..length).map(|_| {
                let c = b"bcdfghklmnprstvw"[rng.random_range(0..16)] as char;
                let v = b"aeiou"[rng.random_range(0..5)] as char;
                [c, v]
            });
            words.push(syllables.flatten().collect());
        }
        Self { words }
    }

    /// Words as they are: the second is said half as often as the first, the third a third.
    fn word(&self, rng: &mut StdRng) -> &str {
        let share: f64 = rng.random();
        let rank = ((self.words.len() as f64).powf(share) - 1.0) as usize;
        &self.words[rank.min(self.words.len() - 1)]
    }

    fn sentence(&self, rng: &mut StdRng) -> String {
        let length = rng.random_range(4..22);
        let words: Vec<_> = (0..length).map(|_| self.word(rng)).collect();
        words.join(" ")
    }
}

fn label(text: &str) -> Label {
    Label::parse(text).expect("it is short")
}

/// A call's events, each with the milliseconds since it began.
fn call(n: u64, is_open: bool, language: &Language, rng: &mut StdRng) -> Vec<(u64, Event)> {
    let call_id = CallId(Ulid::from_parts(BEGAN_MS + n * CALL_EVERY_MS, n.into()));
    let caller = PhoneNumber::parse(&format!("+1555{:07}", rng.random_range(0..CALLERS)));
    let caller = caller.expect("it is a number");
    let urgency = match rng.random_range(0..100) {
        0..2 => Urgency::Critical,
        2..15 => Urgency::Urgent,
        _ => Urgency::Normal,
    };
    let started = CallStarted {
        call_id,
        worker_id: caller.worker_id().into(),
        caller,
        call_sid: Some(label(&format!("CA{n:032x}"))),
        medium: Medium::Voice,
        language: None,
        urgency,
    };
    let mut events = vec![(0, Event::CallStarted(started))];
    if urgency == Urgency::Critical {
        let name = label(["Kim", "Lee", "Ada"][rng.random_range(0..3)]);
        events.push((
            500,
            Event::CallUpdated(CallUpdated {
                status: Some(CallStatus::Takeover),
                admin_id: Some(name.clone()),
                ..CallUpdated::of(call_id, Some(name))
            }),
        ));
    }
    for id in 1..=MESSAGES {
        let at = u64::from(id) * 1_500;
        let (role, sources) =
            if id % 2 == 1 { (Role::User, "") } else { (Role::Assistant, "Fire card") };
        let message = Arc::new(Message {
            id: MessageId(id),
            role,
            content: language.sentence(rng).into(),
            timestamp: time(n, at),
            sources: sources.into(),
            answered_by: None,
            card: None,
            by: None,
            remote_key: None,
        });
        events.push((at, Event::MessageAdded(MessageAdded { call_id, message, request: None })));
    }
    if !is_open {
        let ended = CallEnded::new(call_id, EndReason::CallerHungUp, None);
        events.push((35_000, Event::CallEnded(ended)));
    }
    events
}

fn time(n: u64, after_ms: u64) -> Timestamp {
    let ms = BEGAN_MS + n * CALL_EVERY_MS + after_ms;
    Timestamp::from_millis(i64::try_from(ms).unwrap_or(0))
}

/// Fills it; the bytes of the journal's lines.
fn fill(store: &mut Store, n_calls: u64, language: &Language, rng: &mut StdRng) -> u64 {
    let journal = JournalId::from_bits(7);
    store.begin_at(Position { journal, seq: 0 }, false).expect("a new archive");
    let (mut seq, mut n_bytes, mut line) = (0, 0, Vec::new());
    let mut batch = Vec::new();
    for n in 0..n_calls {
        for (after_ms, event) in call(n, n + 50 >= n_calls, language, rng) {
            seq += 1;
            let record = Record { seq, at: time(n, after_ms), node: "aurora-1".into(), event };
            line.clear();
            write_record(&record, &mut line);
            n_bytes += line.len() as u64;
            batch.push(record);
        }
        if batch.len() > 2_000 || n + 1 == n_calls {
            store.apply(journal, &batch).expect("a disk that takes it");
            batch.clear();
        }
    }
    n_bytes
}

/// Asks often; the answers' sizes prove that there is something to find.
async fn measure<T: Future<Output = Result<usize, AskError>>>(
    name: &str,
    mut ask: impl FnMut(u64) -> T,
) {
    let mut times = Histogram::<u64>::new(3).expect("three digits are valid");
    let mut n_found = 0;
    for n in 0..ASKED {
        let began = Instant::now();
        n_found += ask(n).await.expect("the question is good");
        let micros = began.elapsed().as_micros();
        times.record(u64::try_from(micros).unwrap_or(u64::MAX)).expect("the range grows");
    }
    let ms = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
    let found = n_found as f64 / ASKED as f64;
    let (p50, p95, max) = (ms(0.5), ms(0.95), ms(1.0));
    println!("{name:<44} {p50:>8.2} {p95:>8.2} {max:>8.2}   {found:>5.1}");
}

fn main() {
    let n_calls = std::env::args().filter_map(|it| it.parse().ok()).next().unwrap_or(CALLS);
    let mut rng = StdRng::seed_from_u64(7);
    let language = Language::new(&mut rng);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("archive.db");
    let mut store = Store::open(&path).expect("a new archive");
    let began = Instant::now();
    let n_bytes = fill(&mut store, n_calls, &language, &mut rng);
    let took = began.elapsed();
    store.checkpoint().expect("a disk that takes it");
    let size = std::fs::metadata(&path).expect("it is there").len();
    println!(
        "{n_calls} calls, {} messages: filled in {:.1} s; journal lines {:.0} MB, archive {:.0} MB, ratio {:.2}",
        n_calls * u64::from(MESSAGES),
        took.as_secs_f64(),
        n_bytes as f64 / 1e6,
        size as f64 / 1e6,
        size as f64 / n_bytes as f64,
    );
    println!("{:<44} {:>8} {:>8} {:>8}   {:>5}", "question", "p50 ms", "p95 ms", "max ms", "found");
    let reads = Reads::new(path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(ask_all(&reads, n_calls, &language));
}

fn common_beginning(n: u64) -> &'static str {
    ["the*", "fir*", "pum*", "war*", "smo*", "fire*", "ther*", "somebod*"][n as usize % 8]
}

async fn ask_all(reads: &Arc<Reads>, n_calls: u64, language: &Language) {
    let ended = || Filters::new(StatusFilter::Only(CallStatus::Ended));
    let span = Duration::from_millis(n_calls * CALL_EVERY_MS / 100);
    let from = |n: u64| time(n * n_calls / ASKED, 0);
    let history = |filters: Filters| async {
        let asked = HistoryQuestion { filters, limit: 50, cursor: None };
        reads.history(asked).await.map(|it| it.items.len())
    };
    let rare = |n: u64| language.words[500 + n as usize * 100].as_str();
    let common = |n: u64| language.words[n as usize % 20].as_str();
    let query = |text: &str| Query::parse(text).expect("it is well formed");

    measure("history", |_| history(ended())).await;
    measure("history, one hundredth of the time", |n| {
        let to = Timestamp::from_millis(
            from(n).as_millis() + i64::try_from(span.as_millis()).unwrap_or(0),
        );
        history(Filters { from: Some(from(n)), to: Some(to), ..ended() })
    })
    .await;
    measure("history, critical", |_| {
        history(Filters { urgencies: vec![Urgency::Critical], ..ended() })
    })
    .await;
    measure("history, open calls", |_| history(Filters::new(StatusFilter::Open))).await;
    measure("history, a caller", |n| {
        let caller = PhoneNumber::parse(&format!("+1555{n:07}")).expect("it is a number");
        history(Filters { caller: Some(CallerFilter::Is(caller)), ..ended() })
    })
    .await;
    measure("history, callers that begin so", |n| {
        let caller = Some(CallerFilter::StartsWith(format!("+15550{:03}", n % 20)));
        history(Filters { caller, ..ended() })
    })
    .await;
    measure("history, a supervisor", |n| {
        let name = label(["Kim", "Lee", "Ada", "Nobody"][n as usize % 4]);
        history(Filters { supervisor: Some(name), ..ended() })
    })
    .await;
    measure("history, a common word", |n| {
        history(Filters { text: Some(query(common(n))), ..ended() })
    })
    .await;
    measure("history, a rare word", |n| history(Filters { text: Some(query(rare(n))), ..ended() }))
        .await;
    measure("history, a zone, a common word, urgent", |n| {
        let zone = Query::phrase(&format!("{} {}", common(n), common(n + 7))).ok();
        let urgencies = vec![Urgency::Urgent];
        history(Filters { zone, text: Some(query(common(n + 3))), urgencies, ..ended() })
    })
    .await;
    measure("history, the beginning of common words", |n| {
        history(Filters { text: Some(query(common_beginning(n))), ..ended() })
    })
    .await;

    let search = |text: String, filters: Filters| async move {
        let query = Query::parse(&text).expect("it is well formed");
        let asked = SearchQuestion { query, filters, limit: 50, cursor: None };
        reads.search(asked).await.map(|it| it.items.len())
    };
    let any = || Filters::new(StatusFilter::Any);
    measure("search, the commonest word", |_| search("the".to_owned(), any())).await;
    measure("search, a common word", |n| search(common(n).to_owned(), any())).await;
    measure("search, a rare word", |n| search(rare(n).to_owned(), any())).await;
    measure("search, three common words", |n| {
        search(format!("{} {} {}", common(n), common(n + 1), common(n + 5)), any())
    })
    .await;
    measure("search, common OR rare", |n| search(format!("{} OR {}", common(n), rare(n)), any()))
        .await;
    measure("search, a phrase", |n| search(format!("\"{} {}\"", common(n), common(n + 1)), any()))
        .await;
    measure("search, a word NOT another", |n| {
        search(format!("{} NOT ({} OR {})", common(n), common(n + 1), common(n + 2)), any())
    })
    .await;
    measure("search, the beginning of a rare word", |n| {
        search(format!("{}*", &rare(n)[..4]), any())
    })
    .await;
    measure("search, the beginning of common words", |n| {
        search(common_beginning(n).to_owned(), any())
    })
    .await;
    measure("search, the beginning of a common phrase", |n| {
        search(format!("\"{} {}\"*", common(n), &common_beginning(n)[..3]), any())
    })
    .await;
    measure("search, beginnings joined and left out", |n| {
        let (a, b) = (common_beginning(n), common_beginning(n + 1));
        search(format!("{a} NOT {b} OR {a} {}*", &rare(n)[..3]), any())
    })
    .await;
    measure("search, two letters of many words", |n| {
        search(["ba*", "wa*", "he*", "no*", "th*"][n as usize % 5].to_owned(), any())
    })
    .await;
    measure("search, a common beginning, critical", |n| {
        let urgencies = vec![Urgency::Critical];
        search(common_beginning(n).to_owned(), Filters { urgencies, ..any() })
    })
    .await;
    measure("search, a zone, a common word, urgent", |n| {
        let zone = Query::phrase(&format!("{} {}", common(n), common(n + 7))).ok();
        let urgencies = vec![Urgency::Urgent];
        search(common(n + 3).to_owned(), Filters { zone, urgencies, ..any() })
    })
    .await;
    measure("search, a common word, callers that begin so", |n| {
        let caller = Some(CallerFilter::StartsWith(format!("+15550{:03}", n % 20)));
        search(common(n).to_owned(), Filters { caller, ..any() })
    })
    .await;
    measure("search, a common word of one caller", |n| {
        let caller = PhoneNumber::parse(&format!("+1555{n:07}")).expect("it is a number");
        search(common(n).to_owned(), Filters { caller: Some(CallerFilter::Is(caller)), ..any() })
    })
    .await;
    measure("search, a common word, critical", |n| {
        search(common(n).to_owned(), Filters { urgencies: vec![Urgency::Critical], ..any() })
    })
    .await;
    measure("search, a common word, long ago", |n| {
        search(common(n).to_owned(), Filters { to: Some(from(n % 20 + 1)), ..any() })
    })
    .await;
    measure("search, words that were never said", |n| {
        search(format!("xylophon{n} OR {} NOT {}", common(n), common(n)), any())
    })
    .await;
    let few = || Filters { from: Some(from(ASKED - 2)), ..any() };
    measure("search, a common word, lately", |n| search(common(n).to_owned(), few())).await;
    let mut ids = Vec::new();
    for n in 0..ASKED {
        let n = n * n_calls / ASKED;
        ids.push(CallId(Ulid::from_parts(BEGAN_MS + n * CALL_EVERY_MS, n.into())));
    }
    measure("one conversation", |n| {
        let id = ids[n as usize];
        async move { reads.transcript(id).await.map(|it| it.map_or(0, |it| it.call.messages.len())) }
    })
    .await;
}
