//! A server with a long past against one without, as ratios in one run: 1,000,000 messages in
//! 50,000 calls, of which 2,000 are open.
//!
//! The past is written with the library's own writers, as a server would have left it. Both
//! servers run in processes of their own with two threads; the load comes from this one. They are
//! measured in turn, several rounds. `cargo bench --bench growth`

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora::domain::{
    AnsweredBy, CallEnded, CallId, CallStarted, EndReason, Event, JournalId, Medium, Message,
    MessageAdded, MessageId, PhoneNumber, Position, Record, Role, Seq, State, SyncStatus,
    Timestamp, Urgency,
};
use aurora::journal::line::{Header, write_header, write_record};
use aurora::load::{self, Options, Report};
use aurora::readers::archive::Store;
use aurora::readers::snapshot;
use rusqlite::Connection;
use ulid::Ulid;

const CALLS: u64 = 50_000;
/// Calls that go on at the same time; the last so many are still open.
const OPEN: u64 = 2_000;
const MESSAGES: u32 = 20;
const SEGMENT_BYTES: usize = 64 * 1024 * 1024;
const ROUNDS: usize = 6;
const SECONDS: u64 = 3;

/// What people say at work, to be put together to sentences.
const WORDS: &str = "the gate press line four valve smoke water is hot cold open closed near office \
    hall forklift pallet somebody hand cut floor wet light out pump noise strange smell gas oil \
    leak stairs lift stuck door alarm fire extinguisher box needs help now please can you send a \
    person from maintenance to building seven second shift leader knows number called again later";

struct History {
    journal: JournalId,
    seq: Seq,
    at: i64,
    state: State,
    store: Store,
    batch: Vec<Record>,
    folder: PathBuf,
    segment: BufWriter<File>,
    n_segments: u32,
    in_segment: usize,
    bytes: u64,
    random: u64,
}

impl History {
    fn begin(dir: &Path) -> Self {
        let folder = dir.join("journal");
        fs::create_dir_all(&folder).expect("a folder");
        let journal = JournalId::from_bits(7);
        let mut store = Store::open(&dir.join("archive.db")).expect("a new archive");
        store.begin_at(Position { journal, seq: 0 }, false).expect("it begins");
        let segment = segment(&folder, journal, 1, 1);
        let now = std::time::SystemTime::now();
        // Two days before now, so that nothing lies in the future.
        let at = Timestamp::from(now).as_millis() - 2 * 86_400_000;
        Self {
            journal,
            seq: 0,
            at,
            state: State::default(),
            store,
            batch: Vec::new(),
            folder,
            segment,
            n_segments: 1,
            in_segment: 0,
            bytes: 0,
            random: 0x9E37_79B9_7F4A_7C15,
        }
    }

    fn happen(&mut self, event: Event) {
        self.seq += 1;
        self.at += 80;
        let mut event = event;
        if let Event::MessageAdded(it) = &mut event {
            Arc::make_mut(&mut it.message).timestamp = Timestamp::from_millis(self.at);
        }
        let at = Timestamp::from_millis(self.at);
        let record = Record { seq: self.seq, at, node: "local".into(), event };
        let mut line = Vec::with_capacity(512);
        write_record(&record, &mut line);
        if self.in_segment > SEGMENT_BYTES {
            self.n_segments += 1;
            self.segment = segment(&self.folder, self.journal, self.n_segments, self.seq);
            self.in_segment = 0;
        }
        self.segment.write_all(&line).expect("room on the disk");
        self.in_segment += line.len();
        self.bytes += line.len() as u64;
        self.state.apply(&record);
        self.batch.push(record);
        if self.batch.len() == 5_000 {
            self.archive();
        }
    }

    fn archive(&mut self) {
        self.store.apply(self.journal, &self.batch).expect("the archive takes it");
        self.batch.clear();
    }

    fn words(&mut self) -> String {
        let words: Vec<&str> = WORDS.split_whitespace().collect();
        let n = 6 + self.next() % 14;
        let said: Vec<&str> = (0..n).map(|_| words[self.next() as usize % words.len()]).collect();
        said.join(" ")
    }

    fn next(&mut self) -> u64 {
        // xorshift64: the same past in every run.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 16
    }
}

fn segment(folder: &Path, journal: JournalId, n: u32, first_seq: Seq) -> BufWriter<File> {
    let mut header = Vec::new();
    write_header(&Header::new(journal, first_seq), &mut header);
    let file = File::create(folder.join(format!("{n:08}.jsonl"))).expect("a new segment");
    let mut file = BufWriter::with_capacity(1024 * 1024, file);
    file.write_all(&header).expect("room on the disk");
    file
}

fn call(n: u64) -> CallId {
    CallId(Ulid::from_parts(1_763_640_000_000 + n, n.into()))
}

fn started(n: u64) -> Event {
    let caller = format!("+1555{n:07}");
    Event::CallStarted(CallStarted {
        call_id: call(n),
        worker_id: format!("worker_1555{n:07}").into(),
        caller: PhoneNumber::parse(&caller).expect("a number"),
        call_sid: None,
        medium: Medium::Voice,
        language: None,
        urgency: if n.is_multiple_of(9) { Urgency::Critical } else { Urgency::Normal },
    })
}

fn said(n: u64, id: u32, content: &str) -> Event {
    let is_caller = id % 2 == 1;
    let message = Message {
        id: MessageId(id),
        role: if is_caller { Role::User } else { Role::Assistant },
        content: content.into(),
        timestamp: Timestamp::default(),
        sources: if is_caller { "".into() } else { "Help card".into() },
        answered_by: (!is_caller).then_some(AnsweredBy::Card),
        card: None,
        remote_key: None,
    };
    Event::MessageAdded(MessageAdded {
        call_id: call(n),
        message: Arc::new(message),
        request: None,
    })
}

/// Writes the past; how many bytes of JSON it is, and the state at its end.
fn fill(dir: &Path) -> (u64, State, Position) {
    let began = Instant::now();
    let mut history = History::begin(dir);
    for block in 0..CALLS / OPEN {
        let calls = block * OPEN..(block + 1) * OPEN;
        calls.clone().for_each(|n| history.happen(started(n)));
        for id in 1..=MESSAGES {
            for n in calls.clone() {
                let words = history.words();
                history.happen(said(n, id, &words));
            }
        }
        if block + 1 < CALLS / OPEN {
            for n in calls.clone() {
                let reason = EndReason::CallerHungUp;
                history.happen(Event::CallEnded(CallEnded::new(call(n), reason, None)));
            }
            for call_id in calls.map(call) {
                history.happen(Event::CallArchived { call_id });
            }
        }
    }
    history.archive();
    history.segment.flush().expect("room on the disk");
    history.store.checkpoint().expect("the archive is on disk");
    let position = Position { journal: history.journal, seq: history.seq };
    println!(
        "{} messages, {} records, {} MB of JSON in {} segments, written in {:.0} s",
        CALLS * u64::from(MESSAGES),
        history.seq,
        history.bytes / 1_000_000,
        history.n_segments,
        began.elapsed().as_secs_f64()
    );
    (history.bytes, history.state, position)
}

struct Server {
    process: Child,
    url: url::Url,
    took: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start(data: &Path) -> Self {
        let began = Instant::now();
        let mut process = Command::new(env!("CARGO_BIN_EXE_aurora"))
            .env("AURORA_DATA_DIR", data)
            .env("AURORA_BIND", "127.0.0.1:0")
            .env("AURORA_WORKERS", "2")
            .env("AURORA_INACTIVITY_MINUTES", "100000")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let out = process.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("a line");
        let took = began.elapsed();
        let url = line.split_whitespace().find_map(|it| url::Url::parse(it).ok());
        Self { process, url: url.expect("an address"), took }
    }

    fn rss_mb(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    fn measure(&self, rate: Option<f64>) -> Report {
        let options = Options {
            rate,
            duration: Duration::from_secs(SECONDS),
            ..Options::new(self.url.clone())
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let report =
            tokio::task::LocalSet::new().block_on(&runtime, load::run(options)).expect("answers");
        assert_eq!(report.durable, report.turns, "every turn is durable");
        report
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else {
        return fs::metadata(path).map_or(0, |it| it.len());
    };
    entries.flatten().map(|it| size(&it.path())).sum()
}

/// Waits until the keeper has removed what everybody has read, at most half a minute. It looks
/// when something is said.
fn settle(past: &Server, dir: &Path) {
    past.measure(Some(100.0));
    let until = Instant::now() + Duration::from_secs(30);
    while size(&dir.join("journal")) > 2 * SEGMENT_BYTES as u64 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn compare(what: &str, past: &Server, empty: &Server, rate: Option<f64>) {
    let (mut p50, mut p99, mut throughput) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // In turn, so that neither always comes first.
        let (old, new) = if round % 2 == 0 {
            let old = past.measure(rate);
            (old, empty.measure(rate))
        } else {
            let new = empty.measure(rate);
            (past.measure(rate), new)
        };
        println!("past   {old}empty  {new}");
        p50.push(old.latencies.at_ms(0.5) / new.latencies.at_ms(0.5));
        p99.push(old.latencies.at_ms(0.99) / new.latencies.at_ms(0.99));
        throughput.push(old.per_second() / new.per_second());
    }
    println!(
        "{what}: with the past p50 {:.2} x, p99 {:.2} x, turns a second {:.2} x",
        median(p50),
        median(p99),
        median(throughput)
    );
}

fn main() {
    if std::env::args().any(|it| it == "--test") {
        return;
    }
    let folder = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (past_dir, empty_dir) = (folder(), folder());
    let (json_bytes, state, position) = fill(past_dir.path());

    // Killed at once, so that it leaves no checkpoint.
    let replayed = Server::start(past_dir.path());
    println!(
        "start without total.json: {:.2} s, {} MB resident",
        replayed.took.as_secs_f64(),
        replayed.rss_mb()
    );
    drop(replayed);
    let sync = |_: &_| SyncStatus::PendingSync;
    snapshot::save(past_dir.path(), &state, position, &sync).expect("room on the disk");
    drop(state);

    let past = Server::start(past_dir.path());
    println!("start: {:.2} s, {} MB resident", past.took.as_secs_f64(), past.rss_mb());
    let empty = Server::start(empty_dir.path());
    settle(&past, past_dir.path());
    let kept = size(past_dir.path());
    println!(
        "data folder: {} MB, {:.2} x the JSON written; {} MB of it in journal/",
        kept / 1_000_000,
        kept as f64 / json_bytes as f64,
        size(&past_dir.path().join("journal")) / 1_000_000
    );

    compare("at 1,000 turns a second", &past, &empty, Some(1_000.0));
    println!("resident then: {} MB, {} MB without the past", past.rss_mb(), empty.rss_mb());
    compare("as fast as can be", &past, &empty, None);

    // While somebody else holds the archive it takes nothing in: the same server without it.
    let archive = Connection::open(past_dir.path().join("archive.db")).expect("it is there");
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let with = past.measure(None);
        archive.execute_batch("BEGIN IMMEDIATE").expect("the archive is free in between");
        let without = past.measure(None);
        archive.execute_batch("ROLLBACK").expect("it was begun");
        ratios.push(with.per_second() / without.per_second());
    }
    println!("with archiving: {:.2} x the turns a second without", median(ratios));
}
