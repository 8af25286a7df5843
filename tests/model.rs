//! The model client against a server that speaks every dialect and breaks in every way.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod fakes;

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
    let [request] = &fake.requests()[..] else {
        panic!("one request")
    };
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

#[tokio::test]
async fn the_urgency_is_never_below_the_floor() {
    let fake = ChatFake::start();
    let mut ask = ask();
    ask.floor = Urgency::Critical;

    let answer = model(&fake, AMPLE).answer(ask).await.unwrap();

    assert_eq!(answer.urgency, Urgency::Critical);
}

#[tokio::test]
async fn a_stream_may_arrive_byte_by_byte() {
    assert_answered(answer_to(Case::OddSplits).await);
}

#[tokio::test]
async fn a_stream_may_end_without_done() {
    assert_answered(answer_to(Case::NoDone).await);
}

#[tokio::test]
async fn a_stream_without_any_end_is_an_answer_if_its_json_is_complete() {
    assert_answered(answer_to(Case::EndsAfter(ANSWER.to_owned())).await);
    assert_eq!(
        kind_of(Case::EndsAfter(BEGINNING.to_owned())).await,
        "broken"
    );
}

#[tokio::test]
async fn a_cut_connection_is_an_error_even_after_a_sentence() {
    assert_eq!(
        kind_of(Case::CutAfter(BEGINNING.to_owned())).await,
        "broken"
    );
}

#[tokio::test]
async fn an_error_in_mid_stream_is_an_error_even_after_a_sentence() {
    assert_eq!(
        kind_of(Case::ErrorAfter(BEGINNING.to_owned())).await,
        "broken"
    );
}

#[tokio::test]
async fn a_reply_of_another_shape_is_understood() {
    for case in [Case::WholeJson, Case::UsageChunks, Case::KeepAlive] {
        assert_answered(answer_to(case).await);
    }
}

#[tokio::test]
async fn reasoning_is_not_spoken() {
    for case in [Case::Thinks, Case::Reasons] {
        assert_answered(answer_to(case).await);
    }
}

#[tokio::test]
async fn a_slow_first_token_is_waited_for_until_its_limit() {
    assert_answered(answer_to(Case::SlowFirst(Duration::from_millis(100))).await);

    let fake = ChatFake::start();
    fake.script(Case::SlowFirst(AMPLE));
    let start = Instant::now();
    let err = model(&fake, Duration::from_millis(500))
        .answer(ask())
        .await
        .unwrap_err();

    let first_token = Duration::from_millis(300);
    assert!(
        matches!(err, ModelError::Timeout(limit) if limit == first_token),
        "{err}"
    );
    assert!((first_token..first_token + SLACK).contains(&start.elapsed()));
}

#[tokio::test]
async fn a_gap_is_waited_for_until_the_deadline() {
    assert_answered(answer_to(Case::SlowGap(Duration::from_millis(100))).await);

    let fake = ChatFake::start();
    fake.script(Case::SlowGap(AMPLE));
    let deadline = Duration::from_millis(500);
    let start = Instant::now();
    let err = model(&fake, deadline).answer(ask()).await.unwrap_err();

    assert!(
        matches!(err, ModelError::Timeout(limit) if limit == deadline),
        "{err}"
    );
    assert!((deadline..deadline + SLACK).contains(&start.elapsed()));
}

#[tokio::test]
async fn at_the_deadline_the_sentences_that_came_are_the_answer() {
    let fake = ChatFake::start();
    fake.script(Case::HangsAfter(BEGINNING.to_owned()));

    let answer = model(&fake, Duration::from_millis(500))
        .answer(ask())
        .await
        .unwrap();

    assert_eq!(answer.text, "Leave the hall now.");
    assert_eq!(answer.urgency, Urgency::Critical);
}

#[tokio::test]
async fn a_server_that_hangs_for_ever_costs_the_limit_of_the_first_token() {
    let fake = ChatFake::start();
    fake.script(Case::Hangs);
    let start = Instant::now();

    let err = model(&fake, Duration::from_millis(500))
        .answer(ask())
        .await
        .unwrap_err();

    assert_eq!(err.kind(), "timeout");
    assert!(start.elapsed() < Duration::from_millis(300) + SLACK);
}

#[tokio::test]
async fn a_short_retry_after_is_waited_for_once() {
    let fake = ChatFake::start();
    fake.script(Case::RateLimited { retry_after_ms: 50 });

    assert_answered(model(&fake, AMPLE).answer(ask()).await);

    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_long_retry_after_is_not_waited_for_and_the_server_left_alone() {
    let fake = ChatFake::start();
    let retry_after_ms = 3_600_000;
    fake.script(Case::RateLimited { retry_after_ms });
    let model = model(&fake, AMPLE);

    let err = model.answer(ask()).await.unwrap_err();

    assert_eq!(err.kind(), "status");
    assert_eq!(n_requests_until_open(&fake, &model).await, 1);
}

#[tokio::test]
async fn a_server_error_is_tried_once_more() {
    let fake = ChatFake::start();
    fake.script(Case::BadGateway);
    assert_answered(model(&fake, AMPLE).answer(ask()).await);

    fake.otherwise(Case::Status(503, r#"{"error":{"message":"loading"}}"#));
    let err = model(&fake, AMPLE).answer(ask()).await.unwrap_err();

    assert!(
        matches!(err, ModelError::Status { status: 503, .. }),
        "{err}"
    );
    assert_eq!(fake.requests().len(), 4);
}

#[tokio::test]
async fn a_connection_that_is_cut_before_the_first_token_is_tried_once_more() {
    let fake = ChatFake::start();
    fake.script(Case::CutAfter(String::new()));

    assert_answered(model(&fake, AMPLE).answer(ask()).await);
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error() {
    assert_eq!(kind_of(Case::ErrorWith200).await, "status");
}

#[tokio::test]
async fn quota_key_and_unknown_model_close_the_door_at_once() {
    for case in [
        Case::Quota,
        Case::Status(401, r#"{"error":"bad key"}"#),
        Case::Status(403, "forbidden"),
        Case::Status(404, r#"{"detail":"Not Found"}"#),
    ] {
        let fake = ChatFake::start();
        fake.otherwise(case.clone());
        let model = model(&fake, AMPLE);

        let err = model.answer(ask()).await.unwrap_err();

        assert_eq!(err.kind(), "refused", "{case:?}");
        assert_eq!(n_requests_until_open(&fake, &model).await, 1, "{case:?}");
    }
}

#[tokio::test]
async fn a_dead_model_costs_the_deadline_to_three_callers_only() {
    let fake = ChatFake::start();
    fake.otherwise(Case::Hangs);
    let model = model(&fake, Duration::from_millis(100));

    let n_requests = n_requests_until_open(&fake, &model).await;
    let start = Instant::now();
    let err = model.answer(ask()).await.unwrap_err();

    assert_eq!((n_requests, err.kind()), (3, "open_circuit"));
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_connect_error() {
    let fake = ChatFake::start();
    let mut settings = ModelSettings::new(Url::parse("http://127.0.0.1:1").unwrap(), MODEL);
    settings = settings.with_deadline(AMPLE);

    let err = Model::new(settings)
        .unwrap()
        .answer(ask())
        .await
        .unwrap_err();

    assert_eq!(err.kind(), "connect");
    assert_eq!(fake.requests().len(), 0);
}

#[tokio::test]
async fn a_refused_parameter_is_replaced_and_remembered() {
    let fake = ChatFake::start();
    fake.otherwise(Case::Refuses(&["max_tokens", "temperature"]));
    let model = model(&fake, AMPLE);

    assert_answered(model.answer(ask()).await);
    assert_answered(model.answer(ask()).await);

    let requests = fake.requests();
    let last = &requests.last().unwrap().body;
    assert_eq!(requests.len(), 4);
    assert!(last["max_tokens"].is_null() && last["max_completion_tokens"].is_number());
    assert!(last["temperature"].is_null());
    assert_eq!(last["response_format"]["type"], "json_schema");
}

#[tokio::test]
async fn a_server_that_knows_no_limit_of_tokens_is_asked_without() {
    let refused = &["max_tokens", "max_completion_tokens"];
    assert_answered(answer_to(Case::Refuses(refused)).await);
}

#[tokio::test]
async fn a_refused_format_steps_down_and_is_remembered() {
    for (refused, format) in [
        (&["json_schema"][..], Some("json_object")),
        (&["json_schema", "json_object"], None),
        (&["response_format"], None),
    ] {
        let fake = ChatFake::start();
        fake.otherwise(Case::Refuses(refused));
        let model = model(&fake, AMPLE);

        assert_answered(model.answer(ask()).await);
        let n_requests = fake.requests().len();
        assert_answered(model.answer(ask()).await);

        let requests = fake.requests();
        let last = &requests.last().unwrap().body;
        assert_eq!(requests.len(), n_requests + 1);
        assert_eq!(last["response_format"]["type"].as_str(), format);
    }
}

#[tokio::test]
async fn a_conversation_that_is_too_long_is_shortened_once() {
    let fake = ChatFake::start();
    fake.otherwise(Case::ShortContext);
    let mut ask = ask();
    for n in 0..6 {
        let role = [Speaker::Caller, Speaker::Assistant][n % 2];
        let text = "word ".repeat(150);
        ask.history.push(Spoken { role, text });
    }

    assert_answered(model(&fake, AMPLE).answer(ask).await);

    assert_eq!(fake.requests().len(), 2);
}

#[tokio::test]
async fn a_reply_that_declines_or_is_cut_by_its_length_is_no_answer() {
    assert_eq!(kind_of(Case::Declines).await, "refused");
    assert_eq!(kind_of(Case::ReachesLength).await, "broken");
}

#[tokio::test]
async fn plain_text_instead_of_the_agreed_form_is_no_answer() {
    assert_eq!(
        kind_of(Case::Content("Leave now.".to_owned())).await,
        "broken"
    );
    assert_eq!(kind_of(says(" 🙂 ")).await, "broken");
}

#[tokio::test]
async fn a_reply_without_end_is_bounded() {
    assert_eq!(kind_of(Case::Endless).await, "broken");
}

#[tokio::test]
async fn markup_is_not_spoken() {
    let answer = answer_to(says("**Go** out:\n- slowly\n- `now` 🚨"))
        .await
        .unwrap();

    assert_eq!(answer.text, "Go out: slowly. now");
}

#[tokio::test]
async fn what_is_not_known_is_never_spoken() {
    for message in [
        "Call 999.",
        "Go to zone 7.",
        "Ask for Dr. Smith.",
        "See www.help.com.",
    ] {
        let kind = kind_of(says(message)).await;
        assert_eq!(kind, "unsafe_words", "{message}");
    }
    let known = answer_to(says("Call extension 4410.")).await.unwrap();
    assert_eq!(known.text, "Call extension 4410.");
}

#[tokio::test]
async fn what_the_caller_said_earlier_may_be_said_back() {
    let fake = ChatFake::start();
    fake.otherwise(says("Stay in zone 7."));
    let model = model(&fake, AMPLE);
    let said_by = |role| {
        let mut ask = ask();
        let text = "i am in zone seven".to_owned();
        ask.history.push(Spoken { role, text });
        ask
    };

    assert!(model.answer(said_by(Speaker::Caller)).await.is_ok());
    assert!(model.answer(said_by(Speaker::Assistant)).await.is_err());
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let fake = ChatFake::start();
    let model = model(&fake, AMPLE);
    let start = Instant::now();

    // The rest of a reply is read in the background, so the very next may be too early.
    let is_reused = || {
        let mut peers: Vec<_> = fake.requests().iter().map(|it| it.peer).collect();
        let n_requests = peers.len();
        peers.dedup();
        peers.len() < n_requests
    };
    while !is_reused() {
        assert!(start.elapsed() < AMPLE, "every request made a connection");
        assert_answered(model.answer(ask()).await);
    }
}

#[tokio::test]
async fn warming_up_learns_the_dialect_before_the_first_caller() {
    let fake = ChatFake::start();
    fake.otherwise(Case::Refuses(&["json_schema"]));
    let model = model(&fake, AMPLE);

    model.warm_up(AMPLE).await.unwrap();
    let n_requests = fake.requests().len();
    assert_answered(model.answer(ask()).await);

    assert_eq!(fake.requests().len(), n_requests + 1);
}

#[test]
fn the_fake_chat_server_satisfies_the_official_client() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("AURORA_TEST_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or_else(|| root.join("target/test-python/bin/python"));
    assert!(
        python.exists(),
        "{} is missing: run ./test, which creates it",
        python.display()
    );
    let fake = ChatFake::start();

    let check = Command::new(python)
        .arg(root.join("tests/official/openai_check.py"))
        .args([&fake.url(), MODEL, MESSAGE])
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
}
