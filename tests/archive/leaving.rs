//! Ended calls leave the active ones when the archive has them, and stay to be found.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{TestApp, wait_until};
use crate::support::{
    assert_index_is_whole, contents, find, hang_up, open, path, status, until_archived, until_left,
    words,
};

fn total(app: &TestApp) -> Value {
    let bytes = fs::read(app.data_dir().join("total.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn an_ended_call_leaves_the_active_ones_and_stays_in_the_archive() {
    let mut app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let ended = app.say("+15550100", "The conveyor is jammed").await;
    let goes_on = app.say("+15550101", "There is a fire in the warehouse").await;
    let said = app.messages(ended.conversation()).await;

    hang_up(&app, "+15550100").await;
    until_left(&app, &[ended.call()]).await;

    assert_eq!(app.call(ended.call()).await["call"]["status"], "ENDED");
    assert_eq!(app.call(goes_on.call()).await["call"]["status"], "ACTIVE");
    until_archived(&app).await;
    let db = open(&path(&app));
    let found = find(&db, ended.call()).expect("the archive has it");
    assert_eq!(words(&found), said);
    assert_eq!(found.end_reason.map(|it| it.as_str()), Some("caller_hung_up"));
    let lives = find(&db, goes_on.call()).expect("calls that go on are in it, too");
    assert_eq!(words(&lives), app.messages(goes_on.conversation()).await);
    drop(db);

    app.stop_gracefully();
    let total = total(&app);
    assert!(total["active_calls"].get(ended.call()).is_none());
    assert!(total["active_calls"].get(goes_on.call()).is_some());
    let before = contents(&path(&app));
    app.restart().await;
    assert!(app.total().await["active_calls"].get(ended.call()).is_none());
    until_archived(&app).await;
    assert_eq!(contents(&path(&app)), before, "a restart changes nothing");
    assert_index_is_whole(&path(&app));
}

#[tokio::test]
async fn an_ended_call_stays_for_the_time_that_is_set() {
    let mut app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "3600").spawn().await;
    let ended = app.say("+15550100", "The conveyor is jammed").await;
    hang_up(&app, "+15550100").await;
    until_archived(&app).await;

    assert_eq!(app.call(ended.call()).await["call"]["status"], "ENDED");
    assert!(find(&open(&path(&app)), ended.call()).is_some());

    app.set_env("AURORA_ARCHIVE_AFTER_SECONDS", "0");
    app.restart().await;
    until_left(&app, &[ended.call()]).await;
}

#[tokio::test]
async fn many_ended_calls_leave_once_each() {
    let app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let mut calls = Vec::new();
    for n in 0..300 {
        let number = format!("+1555{n:04}");
        calls.push(app.say(&number, "The conveyor is jammed").await.call().to_owned());
        hang_up(&app, &number).await;
    }

    until_left(&app, &calls.iter().map(String::as_str).collect::<Vec<_>>()).await;
    until_archived(&app).await;

    let mut left = Vec::new();
    for file in fs::read_dir(app.data_dir().join("journal")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let records = text.lines().filter(|it| it.contains(r#""type":"call_archived""#));
        left.extend(records.map(|it| {
            let record: Value = serde_json::from_str(it).unwrap();
            record["call_id"].as_str().unwrap().to_owned()
        }));
    }
    left.sort();
    calls.sort();
    assert_eq!(left, calls);
    let stay = "SELECT count(*) FROM calls WHERE has_left = 0";
    let stay: i64 = open(&path(&app)).query_row(stay, [], |row| row.get(0)).unwrap();
    assert_eq!(stay, 0);
}

#[tokio::test]
async fn a_stop_takes_the_last_words_along() {
    let mut app = TestApp::spawn().await;
    let mut last = app.say("+15550100", "The conveyor is jammed").await;
    for n in 0..200 {
        last = app.say("+15550100", &format!("This is message {n}")).await;
    }
    let said = app.messages(last.conversation()).await;

    assert!(app.stop_gracefully().0.success(), "{}", app.stderr());

    assert_eq!(words(&find(&open(&path(&app)), last.call()).unwrap()), said);
}

#[tokio::test]
async fn the_archive_says_how_far_it_is() {
    let app = TestApp::spawn().await;
    app.say("+15550100", "The conveyor is jammed").await;

    let head = app.get("/status").await.json()["journal"]["head_seq"].clone();
    wait_until("all of it is on disk", async || status(&app).await["durable_seq"] == head).await;

    let told = status(&app).await;
    assert_eq!(told["healthy"], true, "{told}");
    assert_eq!((&told["cursor_seq"], &told["behind"]), (&head, &json!(0)));
    assert_eq!((&told["calls"], &told["complete_from"]), (&json!(1), &json!(1)));
    assert!(told["size_bytes"].as_u64().is_some_and(|it| it > 10_000), "{told}");
    let metrics = app.get("/metrics").await;
    for line in ["archive_healthy 1", "archive_calls 1", "archive_lag_records 0"] {
        assert!(metrics.text().contains(&format!("aurora_{line}\n")), "{line}");
    }
    assert_eq!(app.get("/status").await.json()["status"], "ok");
}
