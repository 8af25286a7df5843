//! Every call that ends is a piece of work.

use std::fs;

use rusqlite::Connection;
use serde_json::json;
use tempfile::tempdir;

use crate::fakes::rtdb::Rtdb;
use crate::harness::{TestApp, wait_until};
use crate::support::{mirrored, recorded};

const SERVER: &str = "front desk";

async fn ended(app: &TestApp, number: &str) -> String {
    let call = app.say(number, "There is a fire in the warehouse").await.call().to_owned();
    let got = app.post_json("/api/hang-up", &json!({ "ph_no": number })).await;
    assert_eq!(got.status, 204, "{}", got.text());
    call
}

#[tokio::test]
async fn a_call_that_ends_is_a_run_and_the_board_is_told() {
    let app = TestApp::builder().env("AURORA_USER", SERVER).spawn().await;
    let mut board = app.board().await;

    let call = ended(&app, "+15550100").await;

    let told = board.until("run").await;
    let id = call.replace("call_", "run_");
    assert_eq!((&told.data["run_id"], &told.data["call_id"]), (&json!(id), &json!(call)));
    let found = recorded(&app, 1).await;
    let run = &found[0];
    assert_eq!((&run["user_id"], &run["slug"]), (&json!(SERVER), &json!("call")));
    assert_eq!((&run["status"], &run["lines_migrated"]), (&json!("success"), &json!(0)));
    // A card answers in the same moment, and for as long as the call a person was not on the line.
    assert_eq!(run["automation_seconds"], 0.0);
    assert_eq!(run["manual_estimate_seconds"], run["duration_seconds"]);
    // Ending it again makes no second.
    app.act(&format!("/api/call/{call}/end"), &json!({})).await;
    let other = ended(&app, "+15550109").await;
    let calls: Vec<_> = recorded(&app, 2).await.iter().map(|it| it["call_id"].clone()).collect();
    assert_eq!(calls, [json!(other), json!(call)]);
}

#[tokio::test]
async fn the_work_is_the_supervisors_who_holds_the_call() {
    let app = TestApp::builder().env("AURORA_USER", SERVER).spawn().await;
    let call = app.say("+15550101", "There is a fire").await.call().to_owned();
    let path = format!("/api/call/{call}");
    let held = app.act(&format!("{path}/takeover"), &json!({ "admin_id": "kim" })).await;
    assert!(held.status < 300, "{}", held.text());
    let said = json!({ "admin_id": "kim", "message": "I am on my way", "content": "I am here" });
    app.act(&format!("{path}/message"), &said).await;
    assert!(app.act(&format!("{path}/end"), &json!({})).await.status < 300);

    assert_eq!(recorded(&app, 1).await[0]["user_id"], "kim");
}

#[tokio::test]
async fn erasing_a_call_erases_its_run_everywhere() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).env("AURORA_USER", SERVER).spawn().await;
    let gone = ended(&app, "+15550102").await;
    let stays = ended(&app, "+15550103").await;
    let path = |call: &str| format!("users/{SERVER}/runs/{}", call.replace("call_", "run_"));
    wait_until("both are in the database", async || {
        [&gone, &stays].iter().all(|it| !rtdb.value(&path(it)).is_null())
    })
    .await;

    let wish = json!({ "caller": "+15550102", "admin_id": "kim" });
    let erased = app.act("/api/erase", &wish).await;
    assert!(erased.status < 300, "{}", erased.text());

    wait_until("it is gone there", async || rtdb.value(&path(&gone)).is_null()).await;
    assert_eq!(rtdb.value(&path(&stays))["status"], "success");
    assert_eq!(recorded(&app, 1).await[0]["call_id"], stays);
    let stats = app.get_json("/api/team/stats").await;
    assert_eq!((&stats["total"]["runs"], &stats["total"]["success"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_database_that_begins_anew_gets_all_runs_again_and_none_that_was_erased() {
    let rtdb = Rtdb::start();
    let dir = tempdir().unwrap();
    let mut app = mirrored(&rtdb).data_dir(dir.path()).env("AURORA_USER", SERVER).spawn().await;
    let gone = ended(&app, "+15550104").await;
    let stays = ended(&app, "+15550105").await;
    let path = |call: &str| format!("users/{SERVER}/runs/{}", call.replace("call_", "run_"));
    recorded(&app, 2).await;
    wait_until("it is in the database", async || !rtdb.value(&path(&gone)).is_null()).await;
    let old = rtdb.value(&path(&gone));
    let wish = json!({ "caller": "+15550104", "admin_id": "kim" });
    assert!(app.act("/api/erase", &wish).await.status < 300);
    wait_until("it is gone there", async || rtdb.value(&path(&gone)).is_null()).await;
    app.stop_gracefully();
    // The mirror does not know how far it was, and the database is of the day before yesterday.
    fs::remove_file(dir.path().join("readers/firebase.json")).unwrap();
    rtdb.put("", json!({}));
    rtdb.put(&path(&gone), old);

    app.restart().await;

    wait_until("the run is there again", async || !rtdb.value(&path(&stays)).is_null()).await;
    wait_until("the erased one is gone", async || rtdb.value(&path(&gone)).is_null()).await;
    assert_eq!(rtdb.value(&path(&stays))["slug"], "call");
}

#[tokio::test]
async fn a_database_that_was_wiped_gets_the_runs_too_that_the_archive_does_not_have_yet() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).env("AURORA_USER", SERVER).spawn().await;
    let path = |call: &str| format!("users/{SERVER}/runs/{}", call.replace("call_", "run_"));
    let is_there = |call: &str| !rtdb.value(&path(call)).is_null();
    let archived = ended(&app, "+15550106").await;
    wait_until("it is in the database", async || is_there(&archived)).await;
    // An outage in which the database is wiped, while the archive finds no way to its file.
    rtdb.go_down();
    app.restart().await;
    app.until_archived().await;
    let file = Connection::open(app.data_dir().join("archive.db")).unwrap();
    file.execute_batch("BEGIN IMMEDIATE").unwrap();
    let told = ended(&app, "+15550107").await;
    rtdb.put("", json!(null));

    rtdb.come_back();

    wait_until("both are there again", async || is_there(&archived) && is_there(&told)).await;
    let n_runs: u64 = file.query_row("SELECT count(*) FROM runs", [], |row| row.get(0)).unwrap();
    assert_eq!(n_runs, 1, "the archive is behind");
    file.execute_batch("COMMIT").unwrap();
    app.until_archived().await;
    recorded(&app, 2).await;
}
