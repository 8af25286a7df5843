//! The model client against a server that speaks every dialect and breaks in every way.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "model/dialects.rs"]
mod dialects;
#[path = "model/failures.rs"]
mod failures;
mod fakes;
#[path = "model/time.rs"]
mod time;
#[path = "model/words.rs"]
mod words;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use aurora::{
    conversation::model::{
        Ask, Model, ModelAnswer, ModelError, ModelSettings, Secret, Speaker, Spoken,
    },
    domain::Urgency,
};
use fakes::chat::{ANSWER, Case, ChatFake, MESSAGE, MODEL};
use url::Url;

/// Long enough on a busy machine; tests of time set their own.
const AMPLE: Duration = Duration::from_secs(20);
/// How much later than a deadline an answer may come on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);
/// One whole sentence, and half of the next.
const BEGINNING: &str = r#"{"urgency":"CRITICAL","message":"Leave the hall now. Then go to"#;

fn model(fake: &ChatFake, deadline: Duration) -> Model {
    let url = Url::parse(&fake.url()).unwrap();
    let key = Some(Secret::new("sk-test"));
    let settings = ModelSettings::new(url, MODEL).with_deadline(deadline);
    Model::new(settings.with_api_key(key)).unwrap()
}

fn ask() -> Ask {
    Ask {
        history: Vec::new(),
        speech: "I smell gas".to_owned(),
        floor: Urgency::Normal,
        site_prompt: "Gas card: close the valve. Security: extension 4410.".into(),
        language: Some("en".to_owned()),
    }
}

/// What a fresh client makes of one case.
async fn answer_to(case: Case) -> Result<ModelAnswer, ModelError> {
    let fake = ChatFake::start();
    fake.otherwise(case);
    model(&fake, AMPLE).answer(ask()).await
}

async fn kind_of(case: Case) -> &'static str {
    answer_to(case).await.unwrap_err().kind()
}

#[track_caller]
fn assert_answered(result: Result<ModelAnswer, ModelError>) {
    assert_eq!(result.unwrap().text, MESSAGE);
}

/// Asks until the client asks no more, and returns how often the server was asked.
async fn n_requests_until_open(fake: &ChatFake, model: &Model) -> usize {
    for _ in 0..10 {
        if matches!(model.answer(ask()).await, Err(ModelError::OpenCircuit)) {
            break;
        }
    }
    assert!(model.is_paused());
    fake.requests().len()
}

fn says(message: &str) -> Case {
    Case::Content(serde_json::json!({"urgency": "NORMAL", "message": message}).to_string())
}

#[tokio::test]
async fn an_answer_is_streamed_checked_and_complete() {
    let fake = ChatFake::start();

    let answer = model(&fake, AMPLE).answer(ask()).await.unwrap();

    assert_eq!(answer.text, MESSAGE);
    assert_eq!(answer.urgency, Urgency::Urgent);
    assert_eq!(answer.sources, ["Gas card"]);
    let [request] = &fake.requests()[..] else { panic!("one request") };
    assert_eq!(request.authorization.as_deref(), Some("Bearer sk-test"));
    assert_eq!(request.body["stream"], true);
    assert_eq!(request.body["response_format"]["type"], "json_schema");
    assert_eq!(request.body["messages"][1]["content"], "I smell gas");
}

#[tokio::test]
async fn the_history_is_sent_oldest_first_and_merged() {
    let fake = ChatFake::start();
    let mut ask = ask();
    for (role, text) in [
        (Speaker::Assistant, "Hello?"),
        (Speaker::Caller, "Help"),
        (Speaker::Assistant, "Where?"),
        (Speaker::Supervisor, "I am here."),
    ] {
        let text = text.to_owned();
        ask.history.push(Spoken { role, text });
    }

    model(&fake, AMPLE).answer(ask).await.unwrap();

    let body = &fake.requests()[0].body;
    let roles = body["messages"].as_array().unwrap().iter();
    let roles: Vec<_> = roles.map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user"]);
}

#[test]
fn the_fake_chat_server_satisfies_the_official_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("AURORA_TEST_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or_else(|| root.join("target/test-python/bin/python"));
    assert!(python.exists(), "{} is missing: run ./test, which creates it", python.display());
    let fake = ChatFake::start();

    let check = Command::new(python)
        .arg(root.join("tests/official/openai_check.py"))
        .args([&fake.url(), MODEL, MESSAGE])
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
}
