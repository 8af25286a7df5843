//! Every server writes its replies, and refuses parameters, in its own way.

use super::*;

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
    assert_eq!(kind_of(Case::EndsAfter(BEGINNING.to_owned())).await, "broken");
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
async fn warming_up_learns_the_dialect_before_the_first_caller() {
    let fake = ChatFake::start();
    fake.otherwise(Case::Refuses(&["json_schema"]));
    let model = model(&fake, AMPLE);

    model.warm_up(AMPLE).await.unwrap();
    let n_requests = fake.requests().len();
    assert_answered(model.answer(ask()).await);

    assert_eq!(fake.requests().len(), n_requests + 1);
}
