//! With a model: what it is asked, and what callers hear when it is slow, wrong or gone.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fakes::chat::{Case, ChatFake, MESSAGE, MODEL, Received};
use crate::harness::{Builder, TestApp, wait_until};

/// How much later than a deadline an answer may come on a busy machine.
const SLACK: Duration = Duration::from_secs(4);

/// A server that asks this model, once it has asked it to warm up: what is scripted from now on
/// meets callers.
pub async fn spawn_with_model(fake: &ChatFake, builder: Builder) -> TestApp {
    let builder = builder.env("AURORA_LLM_URL", fake.url()).env("AURORA_LLM_MODEL", MODEL);
    let app = builder.spawn().await;
    wait_until("the model is asked to warm up", async || !fake.requests().is_empty()).await;
    app
}

fn patient() -> Builder {
    TestApp::builder().env("AURORA_ANSWER_DEADLINE_MS", "10000")
}

fn says(urgency: &str, message: &str) -> Case {
    Case::Content(json!({ "urgency": urgency, "message": message, "sources": [] }).to_string())
}

/// What was said to the model, oldest first: role and words, without the instructions.
fn told(request: &Received) -> Vec<(String, String)> {
    let messages = request.body["messages"].as_array().unwrap().iter().skip(1);
    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
    messages.map(|it| (text(&it["role"]), text(&it["content"]))).collect()
}

#[tokio::test]
async fn the_model_answers_what_is_no_danger() {
    let fake = ChatFake::start();
    let app = spawn_with_model(&fake, patient().env("AURORA_LLM_API_KEY", "sk-test")).await;
    fake.script(says("NORMAL", "It is upstairs. Who are you looking for?"));

    let reply = app.say("+15550100", "Where is the office?").await;

    assert_eq!((reply.answered_by.as_str(), reply.urgency.as_str()), ("model", "normal"));
    assert_eq!(reply.message, "It is upstairs. Who are you looking for?");
    assert!(reply.durable);
    assert_eq!(app.messages(reply.conversation()).await[1].1, reply.message);
    let request = fake.requests().pop().unwrap();
    assert_eq!(request.authorization.as_deref(), Some("Bearer sk-test"));
    assert_eq!(request.body["model"], MODEL);
    assert_eq!(app.get("/status").await.json()["model"]["state"], "on");
}

#[tokio::test]
async fn the_model_is_told_what_was_said_before() {
    let fake = ChatFake::start();
    let app = spawn_with_model(&fake, patient()).await;
    fake.script(says("NORMAL", "It is upstairs."));
    app.say("+15550100", "Where is the office?").await;
    app.say("+15550101", "Another caller's words").await;
    fake.script(says("NORMAL", "Until five."));

    app.say("+15550100", "And until when is it open?").await;

    let line = |role: &str, words: &str| (role.to_owned(), words.to_owned());
    let told = told(&fake.requests().pop().unwrap());
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], line("user", "Where is the office?"));
    assert!(told[1].0 == "assistant" && told[1].1.contains("It is upstairs."));
    assert_eq!(told[2], line("user", "And until when is it open?"));
}

#[tokio::test]
async fn the_words_are_on_disk_while_the_model_thinks() {
    let fake = ChatFake::start();
    let app = spawn_with_model(&fake, patient()).await;
    fake.script(Case::Hangs);
    let mut board = app.board().await;
    board.until("initial").await;

    let thinking = app.say("+15550100", "Where is the office?");
    let shown = async {
        let told = board.until("new_messages").await.data;
        assert_eq!(told["messages"][0]["content"], "Where is the office?");
        Instant::now()
    };
    let (reply, shown) = tokio::join!(async { (thinking.await, Instant::now()) }, shown);

    assert!(shown < reply.1, "supervisors see it before the caller is answered");
    assert_eq!(reply.0.answered_by, "card");
}

#[tokio::test]
async fn a_slow_model_costs_its_deadline_and_then_a_card_answers() {
    let deadline = Duration::from_millis(1_200);
    for (n, slow) in [
        Case::Hangs,
        Case::SlowFirst(Duration::from_secs(20)),
        Case::HangsAfter("{\"urgency\"".to_owned()),
    ]
    .into_iter()
    .enumerate()
    {
        let fake = ChatFake::start();
        let impatient = TestApp::builder().env("AURORA_ANSWER_DEADLINE_MS", "1200");
        let app = spawn_with_model(&fake, impatient).await;
        fake.otherwise(slow);
        let begun = Instant::now();

        let reply = app.say(&format!("+1555{n}"), "The machine makes a strange noise").await;

        assert!(begun.elapsed() < deadline + SLACK, "{n}: {:?}", begun.elapsed());
        assert_eq!((reply.answered_by.as_str(), reply.durable), ("card", true), "{n}");
        assert_eq!(app.messages(reply.conversation()).await.len(), 2);
    }
}

#[tokio::test]
async fn critical_words_never_wait_for_the_model() {
    let fake = ChatFake::start();
    let app = spawn_with_model(&fake, patient()).await;
    fake.otherwise(Case::Hangs);
    let asked = fake.requests().len();
    let begun = Instant::now();

    for words in ["There is a fire", "It is in hall 2", "What should I do?"] {
        let reply = app.say("+15550100", words).await;
        assert_eq!((reply.answered_by.as_str(), reply.urgency.as_str()), ("card", "critical"));
    }

    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    assert_eq!(fake.requests().len(), asked, "it is not even asked");
}

#[tokio::test]
async fn the_model_may_raise_the_urgency_and_never_lowers_it() {
    let fake = ChatFake::start();
    let app = spawn_with_model(&fake, patient()).await;
    let mut board = app.board().await;
    board.until("initial").await;

    fake.script(says("URGENT", "Please stop the machine."));
    let raised = app.say("+15550100", "Could somebody have a look at this?").await;
    assert_eq!((raised.answered_by.as_str(), raised.urgency.as_str()), ("model", "urgent"));
    assert_eq!(board.until("call_updated").await.data["urgency"], "URGENT");

    fake.script(says("NORMAL", "All is well then."));
    let kept = app.say("+15550100", "Thank you for that").await;
    assert_eq!((kept.answered_by.as_str(), kept.urgency.as_str()), ("model", "urgent"));

    fake.script(says("CRITICAL", "Leave the hall now."));
    let critical = app.say("+15550100", "There is something odd in the air").await;
    assert_eq!(critical.urgency, "critical");
    assert_eq!(board.until("alert").await.data["call_id"], critical.call());
}

#[tokio::test]
async fn what_a_model_must_not_say_is_not_said() {
    let fake = ChatFake::start();
    let app = spawn_with_model(&fake, patient()).await;
    for (n, bad) in [
        says("NORMAL", "Call 555 867 5309 now."),
        says("NORMAL", "Go to assembly point Zebra behind gate 9."),
        says("NORMAL", "See https://evil.example/help for more."),
        says("NORMAL", ""),
        Case::Content("no JSON at all {".to_owned()),
        Case::Declines,
        Case::Content("x".repeat(100_000)),
    ]
    .into_iter()
    .enumerate()
    {
        fake.script(bad.clone());
        let reply = app.say(&format!("+1555{n}"), "Where is the office?").await;
        for part in ["867", "5309", "Zebra", "evil", "xxx", "{"] {
            assert!(!reply.message.contains(part), "{bad:?}: {}", reply.message);
        }
        assert!(!reply.message.trim().is_empty());
    }
}

#[tokio::test]
async fn without_its_model_the_server_answers_from_cards_at_once() {
    let fake = ChatFake::start();
    let mut app = spawn_with_model(&fake, patient()).await;
    fake.script(says("NORMAL", "It is upstairs."));
    assert_eq!(app.say("+15550100", "Where is the office?").await.answered_by, "model");
    // Whatever it still answers before it is gone is a failure.
    fake.otherwise(Case::BadGateway);
    drop(fake);

    let begun = Instant::now();
    for n in 0..10 {
        let reply = app.say("+15550100", &format!("And where is room {n}?")).await;
        assert_eq!((reply.answered_by.as_str(), reply.durable), ("card", true));
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(app.get("/status").await.json()["model"]["state"], "resting");
    assert_eq!(app.get("/health/ready").await.status, 200);

    // It is no reason not to start either.
    app.restart().await;
    assert_eq!(app.say("+15550101", "Where is the office?").await.answered_by, "card");
}

#[tokio::test]
async fn an_answer_to_a_call_that_ended_meanwhile_is_not_added_to_it() {
    let fake = ChatFake::start();
    let app = spawn_with_model(&fake, patient()).await;
    let call = app.say("+15550100", "Where is the office?").await;
    fake.script(Case::SlowGap(Duration::from_secs(1)));
    let asked = fake.requests().len();

    let (reply, ()) = tokio::join!(app.say("+15550100", "And the canteen?"), async {
        wait_until("the model thinks", async || fake.requests().len() > asked).await;
        let path = format!("/api/call/{}/end", call.call());
        assert_eq!(app.act(&path, &json!({ "admin_id": "kim" })).await.status, 200);
    });

    assert!(!reply.message.is_empty() && reply.message != MESSAGE);
    assert_eq!(app.messages(call.conversation()).await.len(), 3, "the words, and no answer");
}
