//! Deadlines, retries and the breaker.

use super::*;

#[tokio::test]
async fn a_slow_first_token_is_waited_for_until_its_limit() {
    assert_answered(answer_to(Case::SlowFirst(Duration::from_millis(100))).await);

    let fake = ChatFake::start();
    fake.script(Case::SlowFirst(AMPLE));
    let start = Instant::now();
    let err = model(&fake, Duration::from_millis(500)).answer(ask()).await.unwrap_err();

    let first_token = Duration::from_millis(300);
    assert!(matches!(err, ModelError::Timeout(limit) if limit == first_token), "{err}");
    assert!((first_token..first_token + SLACK).contains(&start.elapsed()));
}

#[tokio::test]
async fn a_gap_is_waited_for_until_the_deadline() {
    assert_answered(answer_to(Case::SlowGap(Duration::from_millis(100))).await);

    let fake = ChatFake::start();
    fake.script(Case::SlowGap(AMPLE));
    let deadline = Duration::from_millis(1500);
    let start = Instant::now();
    let err = model(&fake, deadline).answer(ask()).await.unwrap_err();

    assert!(matches!(err, ModelError::Timeout(limit) if limit == deadline), "{err}");
    assert!((deadline..deadline + SLACK).contains(&start.elapsed()));
}

#[tokio::test]
async fn at_the_deadline_the_sentences_that_came_are_the_answer() {
    let fake = ChatFake::start();
    fake.script(Case::HangsAfter(BEGINNING.to_owned()));

    let answer = model(&fake, Duration::from_millis(1500)).answer(ask()).await.unwrap();

    assert_eq!(answer.text, "Leave the hall now.");
    assert_eq!(answer.urgency, Urgency::Critical);
}

#[tokio::test]
async fn a_server_that_hangs_for_ever_costs_the_limit_of_the_first_token() {
    let fake = ChatFake::start();
    fake.script(Case::Hangs);
    let start = Instant::now();

    let err = model(&fake, Duration::from_millis(500)).answer(ask()).await.unwrap_err();

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
async fn a_dead_model_costs_the_deadline_to_three_callers_only() {
    let fake = ChatFake::start();
    fake.otherwise(Case::Hangs);
    let model = model(&fake, Duration::from_millis(100));

    assert_eq!(n_requests_until_open(&fake, &model).await, 3);
    let err = model.answer(ask()).await.unwrap_err();

    assert_eq!((fake.requests().len(), err.kind()), (3, "open_circuit"));
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
