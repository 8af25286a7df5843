//! A server with a long past: a start reads what is new and no more, memory and `total.json` hold
//! what is open, and the disk holds everything about once. What is claimed is counted, not timed.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{TestApp, wait_until};
use crate::past::{self, Past, Size, call, caller, words};
use crate::support::until_archived;

const MIB: u64 = 1024 * 1024;
const SIZE: Size =
    Size { n_calls: 2_000, n_open: 100, n_messages: 20, segment_bytes: MIB as usize, n_left: 700 };
const N_ENDED: u64 = SIZE.n_calls - SIZE.n_open;

/// Memory, where there is such a place: what is claimed does not depend on the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    TempDir::new_in(place).unwrap()
}

async fn spawn(dir: &Path) -> TestApp {
    TestApp::builder()
        .data_dir(dir)
        .env("AURORA_SEGMENT_MIB", "1")
        // The open calls have been silent for two days.
        .env("AURORA_INACTIVITY_MINUTES", "100000")
        .spawn()
        .await
}

/// What a folder takes on the disk.
fn disk_bytes(path: &Path) -> u64 {
    let own = fs::symlink_metadata(path).unwrap();
    let entries = own.is_dir().then(|| fs::read_dir(path).unwrap());
    let below = entries.into_iter().flatten().map(|it| disk_bytes(&it.unwrap().path()));
    own.blocks() * 512 + below.sum::<u64>()
}

fn total(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("total.json")).unwrap()).unwrap()
}

/// The names of the calls in `total.json`.
fn active(dir: &Path) -> BTreeSet<String> {
    total(dir)["active_calls"].as_object().unwrap().keys().cloned().collect()
}

/// Every ended call of the history, newest first, page by page.
async fn history(app: &TestApp) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get_json(&format!("/api/calls/history?limit=200{cursor}")).await;
        let calls = page["calls"].as_array().unwrap();
        assert!(calls.iter().all(|it| it["total_messages"] == SIZE.n_messages), "{calls:?}");
        found.extend(calls.iter().map(|it| it["call_id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// The history has all of it, each once, and every word of the first call is found.
async fn answers_for_the_past(app: &TestApp) {
    let ended = history(app).await;
    assert_eq!(ended.len() as u64, N_ENDED);
    assert_eq!(ended.iter().collect::<BTreeSet<_>>().len() as u64, N_ENDED);
    assert!((0..N_ENDED).all(|n| ended.contains(&call(n).to_string())));

    let first = app.get_json(&format!("/api/calls/{}/conversation", call(0))).await;
    let said = first["messages"].as_array().unwrap();
    let expected: Vec<String> = (1..=SIZE.n_messages).map(|id| words(0, id)).collect();
    let said: Vec<&str> = said.iter().map(|it| it["content"].as_str().unwrap()).collect();
    assert_eq!(said, expected);

    let phrase = words(0, 3).replace(' ', "+");
    let found = app.get_json(&format!("/api/search?q=%22{phrase}%22")).await;
    let results = found["results"].as_array().unwrap();
    assert!(results.iter().any(|it| it["call_id"] == call(0).to_string()), "{found}");
}

/// As a process left it that died before archive and `total.json` had the last records.
async fn takes_in_exactly_what_was_left(dir: &Path, past: &Past) -> TestApp {
    let app = spawn(dir).await;
    until_archived(&app).await;
    assert_eq!(app.metric("journal_replayed_records").await, SIZE.n_left);
    assert_eq!(app.metric("archive_records_total").await, SIZE.n_left);
    assert_eq!(app.metric("archive_calls").await, SIZE.n_calls);
    assert_eq!(app.metric("open_calls").await, SIZE.n_open);
    assert_eq!(app.get("/status").await.json()["journal"]["head_seq"], past.head);
    app
}

#[tokio::test]
async fn a_long_past_costs_a_start_nothing_and_the_disk_little() {
    let folder = folder();
    let dir = folder.path();
    let past = {
        let dir = dir.to_owned();
        tokio::task::spawn_blocking(move || {
            let past = past::fill(&dir, SIZE);
            past.save_total(&dir);
            past
        })
    };
    let past = past.await.unwrap();
    assert!(past.json_bytes > 10 * MIB && past.n_segments > 10, "{past:?}");

    let mut app = takes_in_exactly_what_was_left(dir, &past).await;
    answers_for_the_past(&app).await;

    // Segments go as soon as archive and `total.json` have them; the rest waits for the next one.
    let back = app.say(&caller(N_ENDED), "The smoke gets worse").await;
    assert_eq!(back.call_id, Some(call(N_ENDED).to_string()), "the call goes on");
    wait_until("old segments are gone", async || app.metric("journal_segments").await <= 2).await;
    assert!(app.metric("journal_first_held_seq").await > past.head / 2);
    assert!(app.metric("journal_held_bytes").await <= 2 * MIB);
    let ratio = disk_bytes(dir) as f64 / past.json_bytes as f64;
    assert!(ratio <= 1.5, "{ratio:.2} times what was written");
    answers_for_the_past(&app).await;

    let (exit, _) = app.stop_gracefully();
    assert!(exit.success(), "{}", app.stderr());
    let open: BTreeSet<String> = (N_ENDED..SIZE.n_calls).map(|n| call(n).to_string()).collect();
    assert_eq!(active(dir), open);
    app.restart().await;
    holds_and_has_read_next_to_nothing(&app, &past).await;

    // A crash costs what came after the checkpoint, and no more.
    for n in 0..3 {
        assert!(app.say(&caller(N_ENDED + n), "We are outside now").await.durable);
    }
    let head = app.get("/status").await.json()["journal"]["head_seq"].as_u64().unwrap();
    app.kill();
    let saved = total(dir)["journal_seq"].as_u64().unwrap();
    app.restart().await;
    assert_eq!(app.metric("journal_replayed_records").await, head - saved);
    assert!(head - saved < 20);
    answers_for_the_past(&app).await;
}

/// Nothing was read again, and in memory is what an empty server has, and the open calls.
async fn holds_and_has_read_next_to_nothing(app: &TestApp, past: &Past) {
    until_archived(app).await;
    assert_eq!(app.metric("journal_replayed_records").await, 0);
    assert_eq!(app.metric("archive_records_total").await, 0);
    let (read, resident) = (app.read_bytes(), app.rss_bytes());
    assert!(read < past.json_bytes / 4, "{read} bytes read at the start");

    let empty = TestApp::spawn().await;
    until_archived(&empty).await;
    let more = resident.saturating_sub(empty.rss_bytes());
    assert!(more < 5 * MIB, "{more} bytes more than without a past");
    answers_for_the_past(app).await;
}
