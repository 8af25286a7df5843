//! One message to many boards: from the commit until the last subscriber has its bytes.
//!
//! In one process and without sockets, so that it shows what the live streams themselves cost;
//! `aurora load --viewers` measures them with sockets.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use aurora::domain::{
    CallId, CallStarted, Event, Message, MessageAdded, MessageId, Role, SyncStatus, Urgency,
};
use aurora::journal::{Journal, JournalError, Need, Settings};
use aurora::readers::live::{self, Live, Topic};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use futures_util::StreamExt;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use ulid::Ulid;

const CALL: CallId = CallId(Ulid(7));

fn message(id: u32) -> Event {
    Event::MessageAdded(MessageAdded {
        call_id: CALL,
        message: Arc::new(Message {
            id: MessageId(id),
            role: Role::User,
            content: "There is smoke in the corridor of building four".into(),
            timestamp: Default::default(),
            sources: "".into(),
            answered_by: None,
            card: None,
            by: None,
            remote_key: None,
        }),
        request: None,
    })
}

async fn commit(journal: &Journal, event: Event) {
    let committed = journal.submit(Need::Durable, move |_, draft| {
        draft.push(event);
        Ok::<_, JournalError>(())
    });
    committed.await.expect("the disk takes it");
}

fn to_boards(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("one");
    let mut group = c.benchmark_group("fan-out");
    group.sample_size(20);
    for boards in [1, 100, 1_000] {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let settings = Settings { data_dir: dir.path().to_owned(), ..Settings::default() };
        let journal = Journal::open(settings, None).expect("a journal").0;
        let live = Live::new(Arc::clone(&journal), 2_000, |_| SyncStatus::Synced);
        let thread = live::spawn(&live).expect("a thread");
        let local = LocalSet::new();
        let (arrived, is_there) = (Rc::new(Cell::new(0_usize)), Rc::new(Notify::new()));
        local.block_on(&runtime, async {
            let started = CallStarted {
                call_id: CALL,
                worker_id: "worker_15550100".into(),
                caller: "+15550100".parse().expect("a number"),
                call_sid: None,
                medium: Default::default(),
                language: None,
                urgency: Urgency::Normal,
            };
            commit(&journal, Event::CallStarted(started)).await;
            for _ in 0..boards {
                let mut board = live.subscribe(Topic::Board, None, false).expect("a place");
                let (arrived, is_there) = (Rc::clone(&arrived), Rc::clone(&is_there));
                tokio::task::spawn_local(async move {
                    while let Some(Ok(bytes)) = board.next().await {
                        if bytes.windows(12).any(|it| it == b"new_messages") {
                            arrived.set(arrived.get() + 1);
                            is_there.notify_one();
                        }
                    }
                });
            }
            tokio::task::yield_now().await;
        });
        let mut next = 0;
        group.bench_function(BenchmarkId::new("boards", boards), |b| {
            b.iter_custom(|rounds| {
                local.block_on(&runtime, async {
                    let began = Instant::now();
                    for _ in 0..rounds {
                        next += 1;
                        arrived.set(0);
                        commit(&journal, message(next)).await;
                        while arrived.get() < boards {
                            is_there.notified().await;
                        }
                    }
                    began.elapsed()
                })
            });
        });
        live.close();
        journal.close();
        thread.join().expect("it ends");
        runtime.block_on(local);
    }
    group.finish();
}

criterion_group!(benches, to_boards);
criterion_main!(benches);
