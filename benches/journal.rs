//! What a durable commit costs, alone and in company, and how fast a start replays.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora::domain::{
    CallId, CallStarted, Event, JournalId, Medium, Message, MessageAdded, MessageId, PhoneNumber,
    Record, Role, Timestamp, Urgency,
};
use aurora::journal::line::{Header, LineReader, write_header, write_record};
use aurora::journal::{Journal, JournalError, Need, Settings};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use serde::de::IgnoredAny;
use tempfile::TempDir;
use ulid::Ulid;

const N_REPLAYED: u64 = 100_000;
const N_CALLS: u64 = 1_000;

fn call(n: u64) -> CallId {
    CallId(Ulid::from_parts(1_763_640_000_000, n.into()))
}

fn start(n: u64) -> Event {
    Event::CallStarted(CallStarted {
        call_id: call(n),
        worker_id: format!("worker_1555{n:04}").into(),
        caller: PhoneNumber::parse(&format!("+1555{n:04}")).expect("it is a number"),
        call_sid: None,
        medium: Medium::Voice,
        language: None,
        urgency: Urgency::Normal,
    })
}

fn message(n: u64, id: u32, timestamp: Timestamp) -> Event {
    Event::MessageAdded(MessageAdded {
        call_id: call(n),
        message: Arc::new(Message {
            id: MessageId(id),
            role: Role::User,
            content: "I smell gas near valve 3 and somebody is lying on the floor".into(),
            timestamp,
            sources: "".into(),
            answered_by: None,
            card: None,
            by: None,
            remote_key: None,
        }),
        request: None,
    })
}

fn settings(dir: &Path) -> Settings {
    Settings { data_dir: dir.to_owned(), ..Settings::default() }
}

/// One message a commit, in turn to the calls that are open.
fn commits(c: &mut Criterion) {
    let mut group = c.benchmark_group("commit");
    for n_in_flight in [1_u64, 16, 64] {
        let dir = TempDir::new().expect("there is a place for temporary files");
        let journal = Journal::open(settings(dir.path()), None).expect("a new journal opens").0;
        let opened = journal.submit::<_, JournalError>(Need::Durable, |_, draft| {
            (0..N_CALLS).for_each(|n| draft.push(start(n)));
            Ok(())
        });
        opened.wait().expect("the disk takes writes");
        let mut next = 0;
        group.throughput(Throughput::Elements(n_in_flight));
        group.bench_function(format!("{n_in_flight} in flight"), |b| {
            b.iter(|| {
                let pending: Vec<_> = (next..next + n_in_flight)
                    .map(|n| {
                        let n = n % N_CALLS;
                        journal.submit::<_, JournalError>(Need::Durable, move |state, draft| {
                            let id = state.call(call(n)).map_or(1, |it| it.next_message_id().0);
                            draft.push(message(n, id, draft.now));
                            Ok(())
                        })
                    })
                    .collect();
                next += n_in_flight;
                for it in pending {
                    black_box(it.wait().expect("the disk takes writes"));
                }
            });
        });
    }
    group.finish();
}

/// A folder with the history of `N_CALLS` calls in one segment, and its path.
fn history(dir: &Path) -> PathBuf {
    let mut lines = Vec::new();
    write_header(&Header::new(JournalId::from_bits(7), 1), &mut lines);
    for seq in 1..=N_REPLAYED {
        let at = Timestamp::from_millis(1_763_640_000_000 + seq as i64);
        let n = (seq - 1) % N_CALLS;
        let event = match (seq - 1) / N_CALLS {
            0 => start(n),
            id => message(n, id as u32, at),
        };
        write_record(&Record { seq, at, node: "local".into(), event }, &mut lines);
    }
    let path = dir.join("journal").join("00000001.jsonl");
    fs::create_dir(dir.join("journal")).expect("the folder is new");
    fs::write(&path, lines).expect("there is room");
    path
}

fn replay(c: &mut Criterion) {
    let dir = TempDir::new().expect("there is a place for temporary files");
    let text = fs::read(history(dir.path())).expect("it was written");
    let lines = || text.split(|it| *it == b'\n').skip(1).filter(|it| !it.is_empty());
    let mut group = c.benchmark_group("replay");
    group.sample_size(10).throughput(Throughput::Elements(N_REPLAYED));
    group.bench_function("open", |b| {
        b.iter_batched(
            || settings(dir.path()),
            |settings| Journal::open(settings, None).expect("it reads"),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("check and parse the lines", |b| {
        let mut reader = LineReader::default();
        b.iter(|| lines().for_each(|it| drop(black_box(reader.read_record(it)))));
    });
    group.bench_function("serde_json alone, nothing kept", |b| {
        b.iter(|| lines().for_each(|it| drop(black_box(serde_json::from_slice::<IgnoredAny>(it)))));
    });
    group.bench_function("serde_json alone, into a Value", |b| {
        b.iter(|| {
            lines().for_each(|it| drop(black_box(serde_json::from_slice::<serde_json::Value>(it))));
        });
    });
    group.finish();
}

criterion_group!(benches, commits, replay);
criterion_main!(benches);
