//! Killed at every point of the work on its files, the server loses nothing that it called durable.

use std::fs;
use std::io::Write;
use std::ops::RangeInclusive;
use std::path::Path;

use aurora::domain::{CallId, StoredMessages};
use aurora::readers::archive;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use ulid::Ulid;

use crate::callers::{Caller, talk_while, transcripts};
use crate::harness::{Builder, TestApp, is_long, wait_until};
use crate::trap::{Moment, Trap, paths, segments};

const SEED: u64 = 20_261_121;
const CALLERS: usize = 24;
/// Passes over the table.
const LONG_PASSES: usize = 30;

/// A system call on a file of the data folder, and which of them it may be: those that surely come
/// under load, and not those of a thread that starts the server.
struct Point {
    call: &'static str,
    file: &'static str,
    nth: RangeInclusive<usize>,
}

const fn point(call: &'static str, file: &'static str, nth: RangeInclusive<usize>) -> Point {
    Point { call, file, nth }
}

/// While calls are taken. A folder for each group: a checkpoint that is done puts off the next one
/// until the journal has grown by three times as much.
const AT_WORK: [&[Point]; 3] = [
    &[
        // A batch.
        point("write", "journal/*.jsonl", 1..=30),
        point("fdatasync", "journal/*.jsonl", 1..=30),
        // The next segment.
        point("write", "journal/next.part", 1..=2),
        point("fsync", "journal/next.part", 1..=2),
        point("rename", "journal/next.part", 1..=2),
        point("fsync", "journal", 2..=3),
    ],
    // The checkpoint. Its last step, the sync of the data folder, leaves what a done rename leaves.
    &[
        point("write", "total.json.new", 1..=1),
        point("fsync", "total.json.new", 1..=1),
        point("rename", "total.json.new", 1..=1),
    ],
    &[
        // A batch of the archive, and its checkpoint.
        point("pwrite64", "archive.db-wal", 1..=40),
        point("fsync", "archive.db-wal", 1..=1),
        point("pwrite64", "archive.db", 1..=9),
        point("fsync", "archive.db", 1..=1),
        // The hash chain, and the segments that go.
        point("write", "journal/chain.jsonl", 1..=1),
        point("fdatasync", "journal/chain.jsonl", 1..=1),
        point("unlink", "journal/*.jsonl", 1..=2),
    ],
];

/// During a start that finds a torn last line.
const AT_START: [Point; 2] =
    [point("ftruncate", "journal/*.jsonl", 1..=1), point("fsync", "journal/*.jsonl", 1..=2)];

/// Small files, so that all of it happens often; a segment still holds a few batches.
fn server() -> Builder {
    TestApp::builder()
        .env("AURORA_MAX_TURNS", "100000")
        .env("AURORA_SEGMENT_MIB", "1")
        .env("AURORA_CHECKPOINT_MIB", "1")
}

fn check(callers: &[Caller], published: &Value, place: &str) {
    let transcripts = transcripts(published);
    for caller in callers {
        let transcript = transcripts.get(&caller.number).cloned().unwrap_or_default();
        caller.check(&transcript, place);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_durable_word_is_lost_wherever_the_server_is_killed() {
    let mut random = StdRng::seed_from_u64(SEED);
    let mut n_kills = 0;
    for _ in 0..if is_long() { LONG_PASSES } else { 1 } {
        for points in AT_WORK {
            let folder = TempDir::new().expect("there is a place for temporary files");
            let (mut app, callers) = kill_at_work(folder.path(), points, &mut random).await;
            n_kills += points.len();
            if points.len() == 3 {
                kill_starts(&mut app, &callers, &mut random).await;
                n_kills += AT_START.len();
            }
            let answered = app.total().await;
            app.until_archived().await;
            assert!(app.stop_gracefully().0.success(), "{}", app.stderr());
            let total = fs::read(app.data_dir().join("total.json")).expect("a stop leaves it");
            let total: Value = serde_json::from_slice(&total).expect("total.json is JSON");
            check(&callers, &total, "total.json");
            check(&callers, &archived(folder.path()), "the archive");
            assert_eq!(transcripts(&total), transcripts(&answered));
        }
    }
    println!("killed {n_kills} times");
}

/// What the archive holds, in the published form, as far as it concerns words.
fn archived(data_dir: &Path) -> Value {
    let db = Connection::open(data_dir.join("archive.db")).expect("there is an archive");
    let (mut calls, mut conversations) = (Map::new(), Map::new());
    let mut ids = db.prepare("SELECT call_id FROM calls").expect("the table is there");
    let ids = ids.query_map([], |row| row.get::<_, [u8; 16]>(0)).expect("it can be read");
    for id in ids {
        let id = CallId(Ulid::from_bytes(id.expect("it can be read")));
        let call = archive::call(&db, id).expect("it can be read").expect("it is there");
        let conversation = id.conversation().to_string();
        let said = json!({ "conversation_id": conversation, "mobile_no": call.caller });
        calls.insert(id.to_string(), said);
        let messages = json!({ "messages": StoredMessages(&call.messages) });
        conversations.insert(conversation, messages);
    }
    json!({ "active_calls": calls, "active_conversations": conversations })
}

/// Kills it at each point; every start but the last runs into the next trap, some of them at once.
async fn kill_at_work(
    folder: &Path,
    points: &[Point],
    random: &mut StdRng,
) -> (TestApp, Vec<Caller>) {
    let mut callers = Caller::many(CALLERS);
    let mut app = server().data_dir(folder).spawn().await;
    for point in points {
        let (trap, place) = set_trap(folder, point, random);
        app.kill();
        app.set_under(trap.command());
        if let Err(exit) = app.try_restart().await {
            assert!(exit.status.code().is_none(), "{place}: {}", exit.stderr);
            continue;
        }
        let Some(total) = total_unless_killed(&mut app, &place).await else { continue };
        check(&callers, &total, &format!("the API before {place}"));
        callers = talk_while(&mut app, callers, async |app, _| {
            wait_until(&place, async || !app.is_running()).await;
        })
        .await;
    }
    app.set_under(Vec::new());
    app.restart().await;
    check(&callers, &app.total().await, "the API after the last kill");
    (app, callers)
}

/// All that is active; `None` if the trap struck before it was told, as it may when the archive
/// catches up at once.
async fn total_unless_killed(app: &mut TestApp, place: &str) -> Option<Value> {
    let request = app.request(Method::GET, "/api/active-calls-json").bearer_auth(&app.token);
    let whole = async { request.send().await?.json::<Value>().await };
    match whole.await {
        Ok(total) => Some(total),
        Err(err) => {
            wait_until(&format!("{place} ended it: {err}"), async || !app.is_running()).await;
            None
        }
    }
}

fn set_trap(folder: &Path, point: &Point, random: &mut StdRng) -> (Trap, String) {
    let nth = random.random_range(point.nth.clone());
    let moment = if random.random() { Moment::Before } else { Moment::After };
    let place = format!("the kill {moment:?} {} {nth} of `{}`", point.call, point.file);
    (Trap::new(point.call, paths(folder, point.file), moment, nth), place)
}

/// The start itself is killed, and the next one has to do with what it left.
async fn kill_starts(app: &mut TestApp, callers: &[Caller], random: &mut StdRng) {
    for point in &AT_START {
        app.kill();
        let last = segments(app.data_dir()).pop().expect("there are segments");
        let file = fs::OpenOptions::new().append(true).open(last);
        file.and_then(|mut it| it.write_all(b"{\"seq\":")).expect("it can be torn");
        let (trap, place) = set_trap(app.data_dir(), point, random);
        app.set_under(trap.command());

        let exit = app.try_restart().await.expect_err(&place);

        assert!(exit.status.code().is_none(), "{place}: {}", exit.stderr);
        app.set_under(Vec::new());
        app.restart().await;
        check(callers, &app.total().await, &format!("the API after {place}"));
    }
}
