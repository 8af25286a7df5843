//! What was answered as durable survives `kill -9` at any moment, everywhere.

use std::fs;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::callers::{Caller, talk_until, transcripts};
use crate::fakes::rtdb::Rtdb;
use crate::harness::{Event, EventStream, TestApp, is_long};
use crate::mirroring::{mirrored, until_synced};

const SEED: u64 = 20_261_120;
/// One stop for so many kills.
const KILLS_TO_A_STOP: usize = 4;
const CALLERS: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_durable_word_is_lost_by_any_crash() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).env("AURORA_MAX_TURNS", "100000").spawn().await;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut callers = Caller::many(CALLERS);

    let n_kills = if is_long() { 100 } else { 12 };
    for round in 0..n_kills + n_kills / KILLS_TO_A_STOP {
        let (answers, moment) = (random.random_range(1..150), random.random_range(0..20_000));
        let moment = Duration::from_micros(moment);
        // Now and then a stop in between, so that a crash also meets a checkpoint and a rest.
        let is_stop = round % (KILLS_TO_A_STOP + 1) == 2;
        let end = |app: &mut TestApp| {
            if is_stop {
                assert!(app.stop_gracefully().0.success(), "{}", app.stderr());
            } else {
                app.kill();
            }
        };
        callers = talk_until(&mut app, callers, answers, moment, end).await;
        app.restart().await;
    }

    let n_durable: usize = callers.iter().map(Caller::n_durable).sum();
    assert!(n_durable > n_kills, "the load was none: {n_durable}");
    until_synced(&app).await;
    let answered = app.total().await;
    let (status, _) = app.stop_gracefully();
    assert!(status.success(), "{}", app.stderr());
    let total = fs::read(app.data_dir().join("total.json")).expect("a stop leaves total.json");
    let total: Value = serde_json::from_slice(&total).expect("total.json is JSON");
    let database = rtdb.value("");
    for (place, published) in
        [("the API", &answered), ("total.json", &total), ("the database", &database)]
    {
        let transcripts = transcripts(published);
        assert!(transcripts.len() <= CALLERS);
        for caller in &callers {
            let transcript = transcripts.get(&caller.number).cloned().unwrap_or_default();
            caller.check(&transcript, place);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_board_that_comes_back_after_each_crash_sees_every_event_once() {
    let mut app = TestApp::builder().env("AURORA_MAX_TURNS", "100000").spawn().await;
    let mut random = StdRng::seed_from_u64(SEED + 1);
    let mut callers = Caller::many(8);
    let mut stream = app.board().await;
    let mut seen = Vec::new();

    for _ in 0..5 {
        let watching = tokio::spawn(watch(stream, seen));
        let (answers, moment) = (random.random_range(10..60), random.random_range(0..10_000));
        let moment = Duration::from_micros(moment);
        callers = talk_until(&mut app, callers, answers, moment, TestApp::kill).await;
        (stream, seen) = watching.await.expect("watching does not fail");
        app.restart().await;
        stream = stream.resume(&app).await;
    }
    let last = app.say("+15559999999", "That was all of it").await;
    loop {
        let event = stream.next().await.expect("the stream goes on");
        let data = event.data.clone();
        seen.push(event);
        if data["conversation_id"] == last.conversation() && data["total_messages"] == 2 {
            break;
        }
    }

    let initials = seen.iter().filter(|it| it.name == "initial" || it.name == "gap");
    assert_eq!(initials.count(), 1, "a resumed stream does not begin anew");
    let seqs: Vec<u64> = seen.iter().filter_map(seq).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "in order, each once");
    let transcripts = transcripts(&app.total().await);
    for (number, transcript) in transcripts {
        let conversation = conversation_of(&seen, &number);
        let told = seen
            .iter()
            .filter(|it| it.name == "new_messages" && it.data["conversation_id"] == conversation);
        let told: Vec<_> = told.map(|it| it.data["messages"][0].clone()).collect();
        let told = told.iter().map(|it| json!([it["role"], it["content"]]));
        let said = transcript.iter().map(|it| json!([it.0, it.1]));
        assert_eq!(told.collect::<Vec<_>>(), said.collect::<Vec<_>>(), "{number}");
    }
}

/// Reads to the end of the stream.
async fn watch(mut stream: EventStream, mut seen: Vec<Event>) -> (EventStream, Vec<Event>) {
    while let Some(event) = stream.next().await {
        seen.push(event);
    }
    (stream, seen)
}

fn seq(event: &Event) -> Option<u64> {
    event.id.as_ref()?.rsplit_once('-')?.1.parse().ok()
}

fn conversation_of(seen: &[Event], number: &str) -> Value {
    let started =
        seen.iter().find(|it| it.name == "call_started" && it.data["mobile_no"] == number);
    started.expect("the board saw the call begin").data["conversation_id"].clone()
}
