//! A reader that is far behind: what it has not read stays on disk for it, although everybody else
//! is past it, and goes when it has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::fakes::rtdb::Rtdb;
use crate::harness::{TestApp, wait_until};
use crate::mirroring::{mirrored, until_state, until_synced};

const TURNS: usize = 16;

/// A call in which much is said, and that ends; its conversation.
async fn whole_call(app: &TestApp, number: &str) -> String {
    let mut conversation = String::new();
    for turn in 0..TURNS {
        let words = format!("This is {turn}. {}", "The door does not close. ".repeat(150));
        conversation = app.say(number, &words).await.conversation().to_owned();
    }
    let got = app.post_json("/api/hang-up", &json!({ "ph_no": number })).await;
    assert_eq!(got.status, 204, "{}", got.text());
    conversation
}

/// Some calls at once, until `is_enough`.
async fn talk_until(
    app: &TestApp,
    spoken: &mut Vec<String>,
    what: &str,
    mut is_enough: impl AsyncFnMut() -> bool,
) {
    wait_until(what, async || {
        let numbers: Vec<String> = (0..8).map(|it| format!("+1555010{it}")).collect();
        spoken.extend(join_all(numbers.iter().map(|it| whole_call(app, it))).await);
        is_enough().await
    })
    .await;
}

/// Where each segment begins, oldest first, as their headers say.
fn begins(app: &TestApp) -> Vec<u64> {
    let files = fs::read_dir(app.data_dir().join("journal")).expect("the folder is there");
    let segments = files.map(|it| it.expect("it can be listed").path()).filter(|it| {
        let name = it.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        name.ends_with(".jsonl") && name != "chain.jsonl"
    });
    // One that is just going away is none.
    let first_seq = |path: PathBuf| {
        let header = BufReader::new(File::open(path).ok()?).lines().next()?.ok()?;
        serde_json::from_str::<Value>(&header).ok()?["first_seq"].as_u64()
    };
    let mut begins: Vec<u64> = segments.filter_map(first_seq).collect();
    begins.sort_unstable();
    begins
}

/// How many segments the keeper has looked at.
fn n_chained(app: &TestApp) -> usize {
    let chain = fs::read_to_string(app.data_dir().join("journal/chain.jsonl")).unwrap_or_default();
    chain.matches("\"first_seq\"").count()
}

/// A part of `/status`, which tells up to where somebody will not read again.
async fn is_past(app: &TestApp, part: &str, name: &str, seq: u64) -> bool {
    app.get("/status").await.json()[part][name].as_u64().is_some_and(|it| it >= seq)
}

/// The messages that the database was ever told of, by conversation.
fn told(rtdb: &Rtdb) -> BTreeMap<String, BTreeSet<String>> {
    let mut told: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (path, value) in rtdb.history().into_iter().flat_map(|it| it.changes) {
        let keys: Vec<_> = path.split('/').collect();
        if let ["active_conversations", conversation, "messages", message] = keys[..]
            && !value.is_null()
        {
            told.entry(conversation.to_owned()).or_default().insert(message.to_owned());
        }
    }
    told
}

#[tokio::test]
async fn what_a_mirror_that_is_far_behind_has_not_read_stays_until_it_has() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb)
        .env("AURORA_SEGMENT_MIB", "1")
        .env("AURORA_CHECKPOINT_MIB", "1")
        .env("AURORA_ARCHIVE_AFTER_SECONDS", "0")
        .spawn()
        .await;
    let mut spoken = vec![whole_call(&app, "+15550100").await];
    until_synced(&app).await;
    rtdb.go_down();

    talk_until(&app, &mut spoken, "`total.json` is past the first segment", async || {
        let second = begins(&app).get(1).copied().unwrap_or(u64::MAX);
        is_past(&app, "checkpoint", "saved_seq", second).await
    })
    .await;
    let second = begins(&app)[1];
    wait_until("so is the archive", async || is_past(&app, "archive", "durable_seq", second).await)
        .await;
    // What is sealed from now on, the keeper sees with floors that are past the first segment.
    let n_segments = begins(&app).len();
    talk_until(&app, &mut spoken, "another is sealed", async || begins(&app).len() > n_segments)
        .await;
    wait_until("the keeper has seen it", async || n_chained(&app) >= n_segments).await;
    assert_eq!(app.metric("journal_first_held_seq").await, 1);
    assert_eq!(begins(&app)[0], 1);
    app.restart().await;
    until_state(&app, "unreachable").await;
    assert_eq!(app.metric("journal_first_held_seq").await, 1);
    assert_eq!(app.metric("journal_segments").await as usize, begins(&app).len());

    rtdb.come_back();
    until_synced(&app).await;

    let told = told(&rtdb);
    for conversation in &spoken {
        assert_eq!(told.get(conversation).map_or(0, BTreeSet::len), 2 * TURNS, "{conversation}");
        // Their calls were over for long, and in the archive.
        let there = rtdb.value(&format!("active_conversations/{conversation}"));
        assert_eq!(there, Value::Null, "{conversation}");
    }
    // The keeper looks when something is said.
    wait_until("what all have read is gone", async || {
        app.say("+15550199", "Hello").await;
        app.metric("journal_first_held_seq").await > 1
    })
    .await;
}
