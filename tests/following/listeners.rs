//! How much is listened to: streams where somebody looks, none where nobody does; and the modes.

use serde_json::{Value, json};

use crate::edits::{edit, until_here, until_listening};
use crate::fakes::rtdb::Rtdb;
use crate::harness::{TestApp, problem_code, wait_until};
use crate::mirroring::{assert_equal, mirrored, sync, until_synced};

async fn listeners(app: &TestApp) -> u64 {
    sync(app).await["listeners"].as_u64().expect("a number")
}

#[tokio::test]
async fn a_hundred_open_calls_with_two_viewers_take_three_streams() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    until_listening(&app).await;
    let mut calls = Vec::new();
    for n in 0..100 {
        calls.push(app.say(&format!("+1555{n:04}"), "Hello").await);
    }
    until_synced(&app).await;
    assert_eq!(listeners(&app).await, 1);

    let first = app.listen(calls[3].conversation()).await;
    let _again = app.listen(calls[3].conversation()).await;
    let _second = app.listen(calls[7].conversation()).await;
    wait_until("it listens to both", async || listeners(&app).await == 3).await;
    drop(first);
    assert_eq!(rtdb.streams(), 3);
    let metrics = app.get("/metrics").await;
    assert!(metrics.text().contains("aurora_mirror_listeners 3"), "{}", metrics.text());

    // Words in a conversation that nobody looks at are read when it moves.
    let messages = format!("active_conversations/{}/messages", calls[50].conversation());
    rtdb.put(&format!("{messages}/-Nx"), json!({ "role": "admin", "content": "Ada here" }));
    edit(&rtdb, calls[50].call(), json!({ "last_message_at": { ".sv": "timestamp" } }));
    let told =
        async || app.messages(calls[50].conversation()).await.iter().any(|it| it.1 == "Ada here");
    wait_until("it is read", told).await;
    assert_eq!(rtdb.streams(), 3);
}

async fn set_mode(app: &TestApp, mode: Value) -> Value {
    let got = app.act("/api/sync/mode", &json!({ "mode": mode })).await;
    assert_eq!(got.status, 200, "{}", got.text());
    got.json()
}

#[tokio::test]
async fn switching_back_and_forth_under_changes_there_loses_nothing() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    until_listening(&app).await;
    let reply = app.say("+15550100", "Hello").await;
    until_synced(&app).await;

    for (n, mode) in ["periodic:1s", "off", "live", "off", "periodic:1s", "live"].iter().enumerate()
    {
        let told = set_mode(&app, json!(mode)).await;
        assert_eq!(told, json!({ "mode": mode, "mode_by": "person", "kept": true }));
        let note = json!(format!("note {n}"));
        edit(&rtdb, reply.call(), json!({ "admin_notes": note }));
        if *mode == "off" {
            wait_until("nothing is listened to", async || rtdb.streams() == 0).await;
            assert_eq!(sync(&app).await["listening"], false);
        } else {
            until_here(&app, reply.call(), "admin_notes", &note).await;
            assert_eq!(listeners(&app).await, u64::from(*mode == "live"));
        }
        app.say("+15550100", "Hello?").await;
    }
    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
}

#[tokio::test]
async fn words_that_our_own_covered_while_nobody_listened_are_heard() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    until_listening(&app).await;
    let reply = app.say("+15550100", "Hello").await;
    until_synced(&app).await;

    for (mode, then) in [("off", "live"), ("periodic:1s", "periodic:1s"), ("off", "periodic:1s")] {
        set_mode(&app, json!(mode)).await;
        wait_until("nothing is listened to", async || rtdb.streams() == 0).await;
        let words = format!("words in {mode} until {then}");
        let messages = format!("active_conversations/{}/messages", reply.conversation());
        rtdb.put(&format!("{messages}/-N"), json!({ "role": "admin", "content": words }));
        edit(&rtdb, reply.call(), json!({ "last_message_at": "2099-01-01T00:00:00.000Z" }));
        app.say("+15550100", "Hello?").await;
        until_synced(&app).await;
        let at = rtdb.value(&format!("active_calls/{}/last_message_at", reply.call()));
        assert_ne!(at, "2099-01-01T00:00:00.000Z", "ours covered it");

        set_mode(&app, json!(then)).await;
        let told = async || app.messages(reply.conversation()).await.iter().any(|it| it.1 == words);
        wait_until(&words, told).await;
    }
    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
}

#[tokio::test]
async fn a_mode_that_somebody_chose_is_kept_and_the_environment_goes_before_the_rollout() {
    let rtdb = Rtdb::start();
    rtdb.put("config/features/realtime_sync", json!({ "enabled": true, "percentage": 0 }));
    let mut app = mirrored(&rtdb).spawn().await;
    let told = async |app: &TestApp| {
        let sync = sync(app).await;
        (sync["mode"].clone(), sync["mode_by"].clone())
    };
    let is = |mode: &str, by: &str| (json!(mode), json!(by));
    wait_until("the rollout says off", async || told(&app).await == is("off", "rollout")).await;

    app.set_env("AURORA_REALTIME_SYNC", "live");
    app.restart().await;
    until_listening(&app).await;
    assert_eq!(told(&app).await, is("live", "environment"));
    set_mode(&app, json!("periodic:60s")).await;
    for end in [TestApp::kill, |it: &mut TestApp| _ = it.stop_gracefully()] {
        end(&mut app);
        app.restart().await;
        assert_eq!(told(&app).await, is("periodic:60s", "person"));
    }
    set_mode(&app, Value::Null).await;
    until_listening(&app).await;
    assert_eq!(told(&app).await, is("live", "environment"));

    for bad in [json!("sometimes"), json!("periodic:0s")] {
        let got = app.act("/api/sync/mode", &json!({ "mode": bad })).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (422, "invalid-request"));
    }
    let got = app.post_json("/api/sync/mode", &json!({ "mode": "off" })).await;
    assert_eq!(got.status, 401);
    app.stop_gracefully();
    app.set_env("AURORA_REALTIME_SYNC", "sometimes");
    let exit = app.try_restart().await.expect_err("that is no mode");
    assert!(exit.stderr.contains("AURORA_REALTIME_SYNC"), "{}", exit.stderr);
}
