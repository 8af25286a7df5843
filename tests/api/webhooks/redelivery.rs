//! The same webhook delivered again: one turn, one answer, byte for byte.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::said_to;
use crate::fakes::chat::{Case, ChatFake};
use crate::harness::{Got, TestApp};
use crate::model::spawn_with_model;

const SPOKEN: [(&str, &str); 4] = [
    ("CallSid", "CA1"),
    ("From", "+15550100"),
    ("SpeechResult", "There is a fire"),
    ("Confidence", "0.9"),
];

fn token(name: &str) -> Vec<(&'static str, &str)> {
    vec![("I-Twilio-Idempotency-Token", name)]
}

async fn fifty(app: &TestApp, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Vec<Got> {
    let answers = join_all((0..50).map(|_| app.post_form("/process-speech", form, headers))).await;
    for answer in &answers {
        assert_eq!((answer.status, &answer.body), (200, &answers[0].body));
    }
    answers
}

#[tokio::test]
async fn fifty_deliveries_at_once_are_one_turn_and_one_answer() {
    let app = TestApp::spawn().await;

    fifty(&app, &SPOKEN, &[]).await;
    assert_eq!(said_to(&app, "CA1").await.len(), 2);

    let mut other = SPOKEN;
    other[0].1 = "CA2";
    let first = fifty(&app, &other, &token("0f0f-1")).await;
    assert_eq!(said_to(&app, "CA2").await.len(), 2);

    // With a token the moment does not matter; another token is another turn.
    let late = app.post_form("/process-speech", &other, &token("0f0f-1")).await;
    assert_eq!(late.body, first[0].body);
    let next = app.post_form("/process-speech", &other, &token("0f0f-2")).await;
    assert_ne!(next.body, first[0].body);
    assert_eq!(said_to(&app, "CA2").await.len(), 4);
}

#[tokio::test]
async fn fifty_deliveries_share_one_question_to_the_model() {
    let fake = ChatFake::start();
    let patient = TestApp::builder().env("AURORA_ANSWER_DEADLINE_MS", "10000");
    let app = spawn_with_model(&fake, patient).await;
    fake.otherwise(Case::SlowGap(Duration::from_millis(300)));
    let asked = fake.requests().len();
    let form = [("CallSid", "CA1"), ("SpeechResult", "Where is the office?")];

    fifty(&app, &form, &token("t-1")).await;

    assert_eq!(fake.requests().len(), asked + 1);
    assert_eq!(said_to(&app, "CA1").await.len(), 2);
}

/// A program that sends its request twice while the first is being answered; later it may say the
/// same words again.
#[tokio::test]
async fn the_same_words_at_once_are_one_turn_of_the_json_api() {
    let fake = ChatFake::start();
    let patient = TestApp::builder().env("AURORA_ANSWER_DEADLINE_MS", "10000");
    let app = spawn_with_model(&fake, patient).await;
    fake.otherwise(Case::SlowGap(Duration::from_millis(500)));
    let asked = fake.requests().len();

    let replies = join_all((0..50).map(|_| app.say("+15550100", "Where is the office?"))).await;

    assert!(replies.iter().all(|it| *it == replies[0]));
    assert_eq!(fake.requests().len(), asked + 1);
    assert_eq!(app.messages(replies[0].conversation()).await.len(), 2);
    app.say("+15550100", "Where is the office?").await;
    assert_eq!(app.messages(replies[0].conversation()).await.len(), 4);
}

#[tokio::test]
async fn a_token_is_known_after_a_restart_and_after_a_crash() {
    let mut app = TestApp::spawn().await;
    let first = app.post_form("/process-speech", &SPOKEN, &token("t-1")).await;

    app.restart().await;
    let after_stop = app.post_form("/process-speech", &SPOKEN, &token("t-1")).await;
    app.kill();
    app.restart().await;
    let after_crash = app.post_form("/process-speech", &SPOKEN, &token("t-1")).await;

    assert_eq!((&after_stop.body, &after_crash.body), (&first.body, &first.body));
    assert_eq!(said_to(&app, "CA1").await.len(), 2);
}

#[tokio::test]
async fn a_held_call_gives_the_same_answer_again_after_a_restart() {
    let mut app = TestApp::spawn().await;
    app.post_form("/process-speech", &SPOKEN, &token("t-1")).await;
    let total = app.total().await;
    let id = total["active_calls"].as_object().unwrap().keys().next().unwrap().clone();
    let kim = json!({ "admin_id": "kim" });
    assert_eq!(app.act(&format!("/api/call/{id}/takeover"), &kim).await.status, 204);
    let held = app.post_form("/process-speech", &SPOKEN, &token("t-2")).await;

    app.restart().await;
    let again = app.post_form("/process-speech", &SPOKEN, &token("t-2")).await;

    assert_eq!(again.text(), held.text());
}

#[tokio::test]
async fn fifty_greetings_open_one_call() {
    let app = TestApp::spawn().await;
    let form = [("CallSid", "CA1"), ("From", "+15550100")];

    let greetings = join_all((0..50).map(|_| app.post_form("/incoming-call", &form, &[]))).await;

    assert!(greetings.iter().all(|it| it.status == 200 && it.body == greetings[0].body));
    assert_eq!(app.total().await["active_calls"].as_object().unwrap().len(), 1);
}

/// The provider gives up while the model thinks: the turn is made all the same.
#[tokio::test]
async fn a_caller_who_hangs_up_does_not_cancel_the_turn() {
    let fake = ChatFake::start();
    let patient = TestApp::builder().env("AURORA_ANSWER_DEADLINE_MS", "10000");
    let app = spawn_with_model(&fake, patient).await;
    fake.otherwise(Case::SlowGap(Duration::from_millis(500)));
    let asked = fake.requests().len();
    let form = [("CallSid", "CA1"), ("SpeechResult", "Where is the office?")];

    tokio::select! {
        _ = app.post_form("/process-speech", &form, &[]) => panic!("the model thinks longer"),
        () = crate::harness::wait_until("it is asked", async || fake.requests().len() > asked) => {}
    }

    crate::harness::wait_until("the turn is made", async || said_to(&app, "CA1").await.len() == 2)
        .await;
}
