//! A reader that is far behind: what it has not read stays on disk for it, although everybody else
//! is past it, and goes when it has.

use std::fs;

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
    let first_seq = |text: String| {
        let header = text.lines().next().map(serde_json::from_str::<Value>);
        header.and_then(Result::ok).and_then(|it| it["first_seq"].as_u64())
    };
    let mut begins: Vec<u64> =
        segments.filter_map(|it| fs::read_to_string(it).ok()).filter_map(first_seq).collect();
    begins.sort_unstable();
    begins
}

/// How many segments the keeper has looked at.
fn n_chained(app: &TestApp) -> usize {
    let chain = fs::read_to_string(app.data_dir().join("journal/chain.jsonl")).unwrap_or_default();
    chain.matches("\"first_seq\"").count()
}

/// Up to where archive and `total.json` will not read again.
async fn others_are_past(app: &TestApp) -> u64 {
    let status = app.get("/status").await.json();
    let seq = |it: &Value| it.as_u64().unwrap_or_default();
    seq(&status["archive"]["durable_seq"]).min(seq(&status["checkpoint"]["saved_seq"]))
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

    talk_until(&app, &mut spoken, "all others are past the first segment", async || {
        let begins = begins(&app);
        begins.len() > 2 && others_are_past(&app).await >= begins[1]
    })
    .await;
    // Whatever is sealed from now on, the keeper sees with these floors.
    let n_segments = begins(&app).len();
    talk_until(&app, &mut spoken, "the keeper has been there since", async || {
        n_chained(&app) > n_segments
    })
    .await;
    assert_eq!(app.metric("journal_first_held_seq").await, 1);
    assert_eq!(begins(&app)[0], 1);
    app.restart().await;
    until_state(&app, "unreachable").await;
    assert_eq!(app.metric("journal_first_held_seq").await, 1);
    assert_eq!(app.metric("journal_segments").await as usize, begins(&app).len());

    rtdb.come_back();
    until_synced(&app).await;

    for conversation in &spoken {
        let there = rtdb.value(&format!("active_conversations/{conversation}/messages"));
        let said = there.as_object().map_or(0, serde_json::Map::len);
        assert_eq!(said, 2 * TURNS, "{conversation}");
    }
    talk_until(&app, &mut spoken, "what all have read is gone", async || {
        app.metric("journal_first_held_seq").await > 1
    })
    .await;
}
