//! The database becomes what the server publishes, whatever happens to either.

use std::fs;

use serde_json::{Value, json};

use crate::fakes::rtdb::{Fault, Rtdb};
use crate::harness::{TestApp, problem_code, wait_until};
use crate::mirroring::{assert_equal, mirrored, sync, until_state, until_synced};
use crate::streams::{act, whole_life};

const CALLER: &str = "+15550100";

async fn some_calls(app: &TestApp, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let number = format!("+15550{n:03}");
        app.say(&number, "There is a fire in the warehouse").await;
        app.say(&number, "I am behind the second gate").await;
    }
}

#[tokio::test]
async fn the_database_holds_exactly_what_the_server_publishes() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;

    some_calls(&app, 0..8).await;
    whole_life(&app, "+15550900").await;
    let text = json!({ "speech": "Ein Tor klemmt", "ph_no": "+15550901", "call_sid": "CA1",
        "language": "de-DE", "medium": "Text" });
    app.post_json("/api/process-speech", &text).await;
    let held = app.say("+15550902", "Say \"hello\" <b> \u{1F525} / . $ # [ ]").await;
    act(&app, held.call(), "takeover", json!({ "admin_id": "Kim/Lee.$#[]" })).await;

    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
    let (total, database) = (app.total().await, rtdb.value("active_calls"));
    for call in [&total["active_calls"][held.call()], &database[held.call()]] {
        assert_eq!(call["status"], "TAKEOVER");
        assert_eq!(call["sync_status"], "synced");
    }
}

#[tokio::test]
async fn a_call_is_pending_until_the_database_has_it() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    let before = app.say("+15550101", "Hello").await;
    until_synced(&app).await;

    rtdb.set_fault(Fault::Hang);
    let reply = app.say(CALLER, "Hello").await;
    assert!(reply.durable);

    let status = async |call: &str| {
        let (total, one) = (app.total().await, app.call(call).await);
        let status = one["call"]["sync_status"].clone();
        assert_eq!(total["active_calls"][call]["sync_status"], status);
        assert_eq!(one["conversation"]["sync_status"], status);
        status
    };
    assert_eq!(status(before.call()).await, "synced");
    assert_eq!(status(reply.call()).await, "pending_sync");
    let waiting = sync(&app).await;
    assert_eq!((&waiting["state"], &waiting["pending"]), (&json!("pending"), &json!(3)));
    assert_eq!(rtdb.value("active_calls").as_object().map(|it| it.len()), Some(1));
    rtdb.clear_faults();
    app.act("/api/sync/retry", &json!({})).await;
    until_synced(&app).await;
    assert_eq!(status(reply.call()).await, "synced");
}

#[tokio::test]
async fn without_a_database_the_mirror_is_off_and_nothing_is_amiss() {
    let app = TestApp::spawn().await;

    let reply = app.say(CALLER, "Hello").await;

    assert!(reply.durable);
    let off = sync(&app).await;
    assert_eq!((&off["state"], &off["pending"]), (&json!("off"), &json!(0)));
    assert_eq!(app.get("/health/firebase").await.status, 200);
    assert_eq!(app.get("/status").await.json()["status"], "ok");
    let retry = app.act("/api/sync/retry", &json!({})).await;
    assert_eq!((retry.status, retry.json()), (202, json!({ "retrying": 0 })));
}

#[tokio::test]
async fn the_state_of_the_mirror_is_for_supervisors() {
    let app = TestApp::spawn().await;

    for got in [app.get("/api/sync").await, app.post_json("/api/sync/retry", &json!({})).await] {
        assert_eq!((got.status, problem_code(&got).as_str()), (401, "authentication-required"));
    }
}

/// Sets the third message of every call aside, until the fault is cleared.
fn poison(rtdb: &Rtdb) {
    rtdb.set_fault(Fault::Poison("messages/msg_000003".to_owned()));
}

#[tokio::test]
async fn a_refused_value_is_set_aside_and_the_rest_arrives() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).spawn().await;
    poison(&rtdb);
    let reply = app.say(CALLER, "Hello").await;
    app.say(CALLER, "The lamp is broken").await;
    let other = app.say("+15550101", "Hello").await;

    crate::harness::wait_until("something failed and the rest is there", async || {
        let sync = sync(&app).await;
        sync["pending"] == 0 && sync["failed"].as_array().is_some_and(|it| it.len() == 1)
    })
    .await;

    for restarted in [false, true] {
        if restarted {
            app.restart().await;
        }
        let failed = sync(&app).await["failed"][0].clone();
        let path = format!("active_conversations/{}/messages/msg_000003", reply.conversation());
        assert_eq!(failed["path"], path, "restarted: {restarted}");
        assert_eq!(failed["seq"], 4);
        assert!(failed["reason"].as_str().is_some_and(|it| it.contains("400")), "{failed}");
        assert!(failed["at"].as_str().is_some_and(|it| it.ends_with('Z')), "{failed}");
        assert_eq!(failed.get("value"), None, "what a caller said is not in it");
        let calls = app.total().await["active_calls"].clone();
        assert_eq!(calls[reply.call()]["sync_status"], "failed");
        assert_eq!(calls[other.call()]["sync_status"], "synced");
        assert_eq!(app.get("/health/firebase").await.status, 200, "it can be reached");
        assert_eq!(app.get("/status").await.json()["status"], "degraded");
    }
    let messages = format!("active_conversations/{}/messages", reply.conversation());
    let there = rtdb.value(&messages);
    let there: Vec<_> = there.as_object().expect("messages").keys().cloned().collect();
    assert_eq!(there, ["msg_000001", "msg_000002", "msg_000004"]);
}

#[tokio::test]
async fn a_retry_heals_what_was_refused() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    poison(&rtdb);
    let reply = app.say(CALLER, "Hello").await;
    app.say(CALLER, "The lamp is broken").await;
    crate::harness::wait_until("it failed", async || sync(&app).await["failed"][0].is_object())
        .await;

    let other = app.act("/api/sync/retry", &json!({ "seq": 1 })).await;
    assert_eq!((other.status, other.json()), (202, json!({ "retrying": 0 })));
    let still = app.act("/api/sync/retry", &json!({})).await;
    assert_eq!((still.status, still.json()), (202, json!({ "retrying": 1 })));
    until_synced(&app).await;
    assert_eq!(sync(&app).await["failed"][0]["seq"], 4, "the database still refuses it");
    rtdb.clear_faults();
    let path = sync(&app).await["failed"][0]["path"].clone();
    let which = json!({ "seq": 4, "path": "active_calls/another" });
    let other = app.act("/api/sync/retry", &which).await;
    assert_eq!((other.status, other.json()), (202, json!({ "retrying": 0 })));
    let healed = app.act("/api/sync/retry", &json!({ "seq": 4, "path": path })).await;
    assert_eq!((healed.status, healed.json()), (202, json!({ "retrying": 1 })));

    crate::harness::wait_until("nothing is failed", async || {
        sync(&app).await["failed"] == json!([])
    })
    .await;
    assert_equal(&app, &rtdb).await;
    let call = &app.total().await["active_calls"][reply.call()];
    assert_eq!(call["sync_status"], "synced");
}

#[tokio::test]
async fn a_mirror_that_lost_its_place_sends_the_whole_state_again() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).spawn().await;
    some_calls(&app, 0..5).await;
    whole_life(&app, "+15550900").await;
    until_synced(&app).await;
    let place = app.data_dir().join("readers/firebase.json");

    type Loss = fn(&std::path::Path);
    let wiped: Loss = |file| fs::remove_file(file).expect("it is there");
    let another_journal: Loss = |file| change(file, |it| it["journal_id"] = json!("another"));
    let too_far: Loss = |file| change(file, |it| it["acked_seq"] = json!(1_000_000));
    for lose in [wiped, another_journal, too_far] {
        app.stop_gracefully();
        lose(&place);
        rtdb.put("active_calls", Value::Null);
        rtdb.put("active_conversations", Value::Null);
        app.restart().await;

        until_synced(&app).await;
        crate::harness::wait_until("the database is filled again", async || {
            rtdb.value("active_conversations").is_object()
        })
        .await;
        until_state(&app, "synced").await;
        assert_equal(&app, &rtdb).await;
        app.say("+15550001", "I still wait").await;
        until_synced(&app).await;
        assert_equal(&app, &rtdb).await;
    }
}

fn change(file: &std::path::Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read(file).expect("it is there");
    let mut kept: Value = serde_json::from_slice(&text).expect("it is JSON");
    change(&mut kept);
    fs::write(file, kept.to_string()).expect("it can be written");
}

#[tokio::test]
async fn an_unreadable_place_stops_the_start_and_is_named() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).spawn().await;
    app.say(CALLER, "Hello").await;
    until_synced(&app).await;
    app.stop_gracefully();
    fs::write(app.data_dir().join("readers/firebase.json"), "{").expect("it can be written");

    let exit = app.try_restart().await.expect_err("unreadable is not empty");

    assert!(exit.stderr.contains("firebase.json"), "{}", exit.stderr);
}

#[tokio::test]
async fn what_is_written_about_a_call_that_has_left_does_not_bring_it_back() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let call = app.say("+15550100", "There is a fire").await.call().to_owned();
    let write = async |verb: &str, body: Value| {
        let got = app.act(&format!("/api/call/{call}/{verb}"), &body).await;
        assert!(got.status < 300, "{verb}: {}", got.text());
    };
    write("notes", json!({ "admin_id": "kim", "admin_notes": "Two people" })).await;
    until_synced(&app).await;
    assert_eq!(rtdb.value(&format!("active_calls/{call}/admin_notes")), "Two people");
    write("end", json!({ "admin_id": "kim" })).await;
    wait_until("the call has left the database", async || {
        rtdb.value("active_calls").is_null() && rtdb.value("active_conversations").is_null()
    })
    .await;

    write("notes", json!({ "admin_id": "kim", "admin_notes": "False alarm" })).await;
    write("final-action", json!({ "admin_id": "kim", "final_action": "Nothing to do" })).await;
    until_synced(&app).await;

    assert_eq!(rtdb.value("active_calls"), Value::Null);
    assert_eq!(app.call(&call).await["call"]["admin_notes"], "False alarm");
}
