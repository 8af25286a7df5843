//! Replies that are none.

use super::*;

#[tokio::test]
async fn a_cut_connection_is_an_error_even_after_a_sentence() {
    assert_eq!(kind_of(Case::CutAfter(BEGINNING.to_owned())).await, "broken");
}

#[tokio::test]
async fn an_error_in_mid_stream_is_an_error_even_after_a_sentence() {
    assert_eq!(kind_of(Case::ErrorAfter(BEGINNING.to_owned())).await, "broken");
}

#[tokio::test]
async fn a_server_error_is_tried_once_more() {
    let fake = ChatFake::start();
    fake.script(Case::BadGateway);
    assert_answered(model(&fake, AMPLE).answer(ask()).await);

    fake.otherwise(Case::Status(503, r#"{"error":{"message":"loading"}}"#));
    let err = model(&fake, AMPLE).answer(ask()).await.unwrap_err();

    assert!(matches!(err, ModelError::Status { status: 503, .. }), "{err}");
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
async fn a_server_that_is_not_there_is_a_connect_error() {
    let settings = ModelSettings::new(Url::parse("http://127.0.0.1:1").unwrap(), MODEL);
    let settings = settings.with_deadline(AMPLE);

    let err = Model::new(settings).unwrap().answer(ask()).await.unwrap_err();

    assert_eq!(err.kind(), "connect");
}

#[tokio::test]
async fn a_reply_that_declines_or_is_cut_by_its_length_is_no_answer() {
    assert_eq!(kind_of(Case::Declines).await, "refused");
    assert_eq!(kind_of(Case::ReachesLength).await, "broken");
}

#[tokio::test]
async fn a_reply_without_end_is_bounded() {
    assert_eq!(kind_of(Case::Endless).await, "broken");
}
