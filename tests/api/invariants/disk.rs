//! What is on disk before an answer leaves, and what callers hear when the disk fails.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::harness::{Reply, TestApp, problem_code, wait_until};
use crate::store::{records, said, segments};

/// Crashes in the middle of many turns: whatever a caller heard is there afterwards.
#[tokio::test]
async fn durable_before_answered() {
    let mut app = TestApp::spawn().await;
    let (app_ref, callers) = (&app, 0..40);
    let heard: Vec<(String, Reply)> = stream::iter(callers)
        .map(async |n| {
            let mut heard = Vec::new();
            for turn in 0..50 {
                let words = format!("Turn {turn} of caller {n}: there is smoke");
                let ask = json!({ "speech": words, "ph_no": format!("+1555{n:04}") });
                let request = app_ref.client.post(app_ref.url("/api/process-speech")).json(&ask);
                // The crash cuts some off: those callers heard nothing.
                let Ok(response) = request.send().await else { break };
                let Ok(reply) = response.json::<Reply>().await else { break };
                heard.push((words, reply));
                if n == 7 && turn == 20 {
                    let pid = app_ref.pid().to_string();
                    std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap();
                }
            }
            heard
        })
        .buffer_unordered(40)
        .collect::<Vec<_>>()
        .await
        .concat();
    app.kill();

    let on_disk = said(app.data_dir());
    app.restart().await;

    assert!(heard.len() > 100, "{} turns are no crowd", heard.len());
    for (words, reply) in &heard {
        assert!(reply.durable);
        let call = on_disk.get(reply.call()).expect("the call is on disk");
        let place = call.iter().position(|it| it.1 == *words).expect("the words are on disk");
        assert!(call[place + 1..].contains(&("assistant".to_owned(), reply.message.clone())));
        let again = app.messages(reply.conversation()).await;
        assert_eq!(&again, call, "a restart shows what the disk holds");
    }
}

async fn health(app: &TestApp) -> (u16, String) {
    let ready = app.get("/health/ready").await;
    let status = app.get("/status").await.json()["status"].as_str().unwrap().to_owned();
    (ready.status, status)
}

fn is_durable(it: &Value) -> bool {
    it["durable"] == true
}

/// The disk really fails (every write: file too large), and really comes back.
#[tokio::test]
async fn always_an_answer() {
    let mut app = TestApp::builder().survives_full_disk().spawn().await;
    let before = app.say("+15550100", "There is a fire in hall 2").await;
    let supervised = app.say("+15550101", "The machine makes a strange noise").await;
    let mut board = app.board().await;
    board.until("initial").await;
    assert_eq!(health(&app).await, (200, "ok".to_owned()));

    app.fill_disk();
    let mut spoken = Vec::new();
    for n in 0..5 {
        let words = format!("The smoke gets worse, number {n}");
        let reply = app.say("+15550100", &words).await;
        assert!(!reply.durable && reply.answered_by == "card" && reply.urgency == "critical");
        assert_eq!(reply.call_id, before.call_id);
        spoken.push(("user".to_owned(), words));
        spoken.push(("assistant".to_owned(), reply.message));
    }
    let new = app.say("+15550199", "I smell gas").await;
    assert!(!new.durable && !new.message.is_empty() && new.urgency == "critical");

    assert_eq!(health(&app).await, (503, "unhealthy".to_owned()));
    let told = board.until_so("health", |it| !is_durable(it)).await;
    assert!(!told.data["detail"].as_str().unwrap().is_empty());
    // What is not durable is shown to nobody.
    assert_eq!(app.messages(before.conversation()).await.len(), 2);
    for (path, body) in [
        ("takeover", json!({ "admin_id": "kim" })),
        ("urgency", json!({ "admin_id": "kim", "urgency": "critical" })),
        ("end", json!({ "admin_id": "kim" })),
    ] {
        let got = app.act(&format!("/api/call/{}/{path}", supervised.call()), &body).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (503, "journal-unwritable"));
        assert!(!got.header("retry-after").is_empty());
    }

    app.free_disk();
    wait_until("the disk is back", async || health(&app).await == (200, "ok".to_owned())).await;
    board.until_so("health", is_durable).await;
    let shown = app.messages(before.conversation()).await;
    assert_eq!(shown[2..], spoken, "exactly once and in order");
    assert_eq!(app.call(new.call()).await["conversation"]["total_messages"], 2);
    assert_eq!(app.call(supervised.call()).await["call"]["status"], "ACTIVE");
    assert!(app.say("+15550100", "We are outside").await.durable);

    let shown = app.messages(before.conversation()).await;
    app.kill();
    assert_eq!(said(app.data_dir())[before.call()], shown, "kept words are on disk in order");
    let seqs: Vec<u64> =
        records(app.data_dir()).iter().map(|it| it["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "without a gap");
    app.restart().await;
    assert_eq!(app.messages(before.conversation()).await, shown);
}

#[tokio::test]
async fn a_phone_call_goes_on_while_the_disk_fails() {
    let app = TestApp::builder().survives_full_disk().spawn().await;
    let call = [("CallSid", "CA1"), ("From", "+15550100")];
    app.fill_disk();

    let greeting = app.post_form("/incoming-call", &call, &[]).await;
    let said = [call[0], call[1], ("SpeechResult", "there is a fire")];
    let answer = app.post_form("/process-speech", &said, &[]).await;
    let silence = app.post_form("/process-speech", &call, &[]).await;

    for twiml in [greeting, answer, silence] {
        assert_eq!((twiml.status, twiml.header("content-type")), (200, "text/xml"));
        assert!(twiml.text().contains("<Gather") && twiml.text().contains("<Say"));
    }
    app.free_disk();
    wait_until("what was said is shown", async || {
        let total = app.total().await;
        total["active_calls"].as_object().unwrap().values().any(|it| it["call_sid"] == "CA1")
    })
    .await;
}

#[tokio::test]
async fn a_stop_while_the_disk_fails_ends_in_time_and_loses_nothing_that_was_durable() {
    let mut app = TestApp::builder().survives_full_disk().spawn().await;
    let durable = app.say("+15550100", "There is a fire").await;
    app.fill_disk();
    assert!(!app.say("+15550100", "It gets worse").await.durable);

    let (status, took) = app.stop_gracefully();

    assert!(!status.success(), "words were lost: that is no success");
    assert!(took < Duration::from_secs(10));
    assert!(app.data_dir().join("journal").is_dir());
    app.restart().await;
    assert!(app.messages(durable.conversation()).await.len() >= 2);
}

/// The disk takes the first half of a line. What follows goes into a new file; the half is no
/// damage, neither now nor at the next start.
#[tokio::test]
async fn a_write_that_is_cut_in_the_middle_loses_nothing() {
    let mut app = TestApp::builder().survives_full_disk().spawn().await;
    let call = app.say("+15550100", "There is a fire").await;
    let first = segments(app.data_dir()).remove(0);
    app.fill_disk_at(first.metadata().unwrap().len() + 100);

    for n in 0..3 {
        app.say("+15550100", &format!("It is in hall {n}")).await;
        app.free_disk();
    }
    wait_until("the disk is back", async || app.say("+15550100", "Hello?").await.durable).await;

    assert!(segments(app.data_dir()).len() >= 2 && app.get("/health/ready").await.status == 200);
    let shown = app.messages(call.conversation()).await;
    assert_eq!(shown.iter().filter(|it| it.1.starts_with("It is in hall")).count(), 3);
    app.kill();
    app.restart().await;
    assert_eq!(app.messages(call.conversation()).await, shown);
}

#[tokio::test]
async fn a_webhook_delivered_again_while_the_disk_fails_is_one_turn() {
    let app = TestApp::builder().survives_full_disk().spawn().await;
    let form = [("CallSid", "CA1"), ("From", "+15550100"), ("SpeechResult", "a fire")];
    let token = [("I-Twilio-Idempotency-Token", "t-1")];
    app.fill_disk();

    let first = app.post_form("/process-speech", &form, &token).await;
    let second = app.post_form("/process-speech", &form, &token).await;
    app.free_disk();
    wait_until("the disk is back", async || app.get("/health/ready").await.status == 200).await;
    let third = app.post_form("/process-speech", &form, &token).await;

    assert_eq!((&second.body, &third.body), (&first.body, &first.body));
    let total = app.total().await;
    let calls = total["active_calls"].as_object().unwrap();
    assert_eq!(calls.len(), 1);
    let id = calls.keys().next().unwrap();
    assert_eq!(app.call(id).await["conversation"]["total_messages"], 2);
}

/// What is kept for the disk has a limit; beyond it callers are answered all the same.
#[tokio::test]
async fn what_waits_for_the_disk_is_bounded_and_callers_are_answered_beyond_it() {
    let app = TestApp::builder().survives_full_disk().spawn().await;
    let call = app.say("+15550100", "There is a fire").await;
    let before = app.rss_bytes();
    app.fill_disk();
    let long = format!("There is smoke. {}", "x".repeat(15_000));

    let app_ref = &app;
    stream::iter(0..1_500)
        .for_each_concurrent(20, async |n| {
            let reply = app_ref.say(&format!("+1555{n}"), &long).await;
            assert!(!reply.durable && !reply.message.is_empty());
        })
        .await;

    let last = app.say("+15550100", "Is anybody there?").await;
    assert!(!last.durable && last.urgency == "critical" && !last.message.is_empty());
    let grown = app.rss_bytes() - before;
    assert!(grown < 120 * 1024 * 1024, "{grown} bytes are kept for 16 MiB of words");
    app.free_disk();
    wait_until("the disk is back", async || app.get("/health/ready").await.status == 200).await;
    assert!(app.say("+15550100", "Hello?").await.durable);
    assert!(app.messages(call.conversation()).await.len() >= 4);
    let shown = app.total().await["active_calls"].as_object().unwrap().len();
    assert!((900..1_500).contains(&shown), "{shown} calls were kept");
}
