//! What other machines have done, as the database tells.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::fakes::rtdb::{Fault, Rtdb};
use crate::harness::{TestApp, wait_until, wait_until_within};
use crate::support::{aurora, mirrored, printed};

fn now() -> aurora::domain::Timestamp {
    aurora::domain::Timestamp::from(std::time::SystemTime::now())
}

fn id(n: u128) -> String {
    let ms = u64::try_from(now().as_millis()).unwrap();
    format!("run_{}", ulid::Ulid::from_parts(ms, n))
}

fn run() -> Value {
    json!({
        "timestamp": now().to_string(), "slug": "migrate", "command": "make", "status": "success",
        "duration_seconds": 60, "automation_seconds": 60, "lines_migrated": 5,
        "manual_estimate_seconds": 3_660, "noticed_by": "somebody else",
    })
}

async fn stats(app: &TestApp) -> Value {
    app.get_json("/api/team/stats").await
}

async fn until_fresh(app: &TestApp) -> Value {
    let mut found = Value::Null;
    wait_until("the database was read", async || {
        found = stats(app).await;
        found["elsewhere"]["state"] == "fresh"
    })
    .await;
    found
}

#[tokio::test]
async fn it_is_counted_once_and_what_is_no_run_is_passed_over() {
    let rtdb = Rtdb::start();
    rtdb.put(&format!("users/bob%2Eb/runs/{}", id(1)), run());
    rtdb.put(&format!("users/bob%2Eb/runs/{}", id(2)), json!({ "status": ["odd"] }));
    rtdb.put("users/bob%2Eb/runs/run_zzz", run());
    rtdb.put("users/eve/runs", json!("a text"));
    rtdb.put("users/mallory", json!(["a", "list"]));
    rtdb.put("users/bob%2Eb/name", json!("Bob"));
    let app = mirrored(&rtdb).env("AURORA_USER", "front desk").spawn().await;
    let call = app.say("+15550100", "There is a fire").await;
    app.act(&format!("/api/call/{}/end", call.call()), &json!({})).await;
    let own = format!("users/front desk/runs/{}", call.call().replace("call_", "run_"));
    wait_until("its own run is there too", async || !rtdb.value(&own).is_null()).await;

    let found = until_fresh(&app).await;

    assert_eq!(found["total"]["runs"], 2, "{found}");
    let bob = found["people"].as_array().unwrap().iter().find(|it| it["user_id"] == "bob.b");
    let bob = bob.expect("he is in the team");
    assert_eq!((&bob["hours_saved"], &bob["lines_migrated"]), (&json!(1.0), &json!(5)));
    assert_eq!(found["elsewhere"]["runs"], 1, "its own is not somebody else's");
}

#[tokio::test]
async fn offline_it_is_what_was_last_known_and_says_how_old_that_is() {
    let rtdb = Rtdb::start();
    rtdb.put(&format!("users/bob/runs/{}", id(1)), run());
    let dir = tempdir().unwrap();
    let mut app = mirrored(&rtdb).data_dir(dir.path()).spawn().await;
    until_fresh(&app).await;
    app.stop_gracefully();
    // An hour passes.
    let file = dir.path().join("readers/team.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let hour_ago = aurora::domain::Timestamp::from_millis(now().as_millis() - 3_600_000);
    kept["as_of"] = json!(hour_ago);
    fs::write(&file, kept.to_string()).unwrap();
    let shown = printed(aurora(dir.path(), &["team"]));
    assert!(shown.contains("bob") && shown.contains("known as of 36"), "{shown}");
    rtdb.go_down();

    app.restart().await;

    let mut found = Value::Null;
    wait_until("it is known why", async || {
        found = stats(&app).await;
        found["elsewhere"]["reason"].is_string()
    })
    .await;
    let elsewhere = &found["elsewhere"];
    assert_eq!((&elsewhere["state"], &found["total"]["runs"]), (&json!("old"), &json!(1)));
    assert!(elsewhere["age_seconds"].as_u64().unwrap() >= 3_600, "{elsewhere}");

    rtdb.come_back();
    assert_eq!(until_fresh(&app).await["elsewhere"]["age_seconds"].as_u64().unwrap() / 60, 0);
}

#[tokio::test]
async fn a_server_sees_what_another_on_its_database_records_in_seconds() {
    let rtdb = Rtdb::start();
    let (one, other) = tokio::join!(mirrored(&rtdb).spawn(), mirrored(&rtdb).spawn());
    assert_eq!(until_fresh(&one).await["total"]["runs"], 0);
    let at = now();
    let ms = u64::try_from(at.as_millis()).unwrap();
    let id = format!("run_{}", ulid::Ulid::from_parts(ms, 1));
    let run = crate::support::posted(&id, &at.to_string());

    let told = other.act("/api/runs", &run).await;

    assert_eq!(told.status, 201, "{}", told.text());
    wait_until_within(Duration::from_secs(15), "it is counted there", async || {
        stats(&one).await["total"]["runs"] == 1
    })
    .await;
}

#[tokio::test]
async fn a_database_that_hangs_keeps_nobody_who_looks_waiting() {
    let rtdb = Rtdb::start();
    rtdb.set_fault(Fault::Hang);
    let app = mirrored(&rtdb).spawn().await;
    let began = std::time::Instant::now();

    let found = stats(&app).await;

    assert_eq!(found["elsewhere"]["state"], "unknown");
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    rtdb.clear_faults();
}
