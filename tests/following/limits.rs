//! Who may follow, how many, for how long, and what is noticed when somebody leaves.

use std::time::{Duration, Instant};

use reqwest::Method;

use crate::harness::{EventStream, TestApp, problem_code, wait_until, wait_until_within};

async fn subscribers(app: &TestApp) -> u64 {
    app.get("/status").await.json()["live"]["subscribers"].as_u64().expect("a number")
}

async fn until_subscribers(app: &TestApp, n: u64) {
    wait_until(&format!("{n} follow"), async || subscribers(app).await == n).await;
}

#[tokio::test]
async fn nobody_follows_without_authentication_or_what_does_not_exist() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "Hello").await;
    let conversation = format!("/api/conversation/{}/stream", reply.conversation());
    let unknown = "/api/conversation/conv_01ARZ3NDEKTSV4RRFFQ69G5FAV/stream";

    for path in ["/api/stream", &conversation, unknown] {
        let got = app.get(path).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (401, "authentication-required"));
        let wrong = app.request(Method::GET, path).bearer_auth("wrong").send().await;
        assert_eq!(wrong.expect("the server answers").status(), 401);
    }
    for path in [unknown, "/api/conversation/garbage/stream", "/api/conversation/%00/stream"] {
        let got = app.get_as_supervisor(path).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (404, "conversation-not-found"));
    }
    assert_eq!(subscribers(&app).await, 0, "who is refused does not count");
}

#[tokio::test]
async fn a_browser_follows_with_its_session() {
    let app = TestApp::spawn().await;
    let body = serde_json::json!({ "token": app.token });
    let session = app.post_json("/login", &body).await.cookie().to_owned();

    let request = app.request(Method::GET, "/api/stream").header("cookie", session);
    let response = request.send().await.expect("the server answers");

    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
}

#[tokio::test]
async fn one_too_many_is_told_when_to_try_again_and_gets_the_next_free_place() {
    let app = TestApp::builder().env("AURORA_MAX_STREAMS", "2").spawn().await;
    let mut first = app.board().await;
    let second = app.board().await;

    let refused = app.get_as_supervisor("/api/stream").await;

    assert_eq!((refused.status, problem_code(&refused).as_str()), (503, "too-many-streams"));
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|it| it > 0));
    drop(second);
    until_subscribers(&app, 1).await;
    let mut third = app.board().await;
    for stream in [&mut first, &mut third] {
        stream.until("initial").await;
    }
    app.say("+15550100", "Hello").await;
    for stream in [&mut first, &mut third] {
        stream.until("call_started").await;
    }
}

#[tokio::test]
async fn who_goes_away_is_noticed_at_once_though_nothing_happens() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "Hello").await;
    let mut all: Vec<EventStream> = Vec::new();
    for _ in 0..5 {
        all.push(app.board().await);
        all.push(app.listen(reply.conversation()).await);
    }
    for stream in &mut all {
        stream.until("initial").await;
    }
    assert_eq!(subscribers(&app).await, 10);

    while all.pop().is_some() {
        let n = all.len() as u64;
        // Far less than the time between two heartbeats, whose failed writes would tell, too.
        let within = Duration::from_secs(5);
        wait_until_within(within, &format!("{n} follow"), async || subscribers(&app).await == n)
            .await;
    }
}

#[tokio::test]
async fn a_stop_closes_the_streams_at_once() {
    let mut app = TestApp::spawn().await;
    let reply = app.say("+15550100", "Hello").await;
    let mut all = vec![app.board().await, app.listen(reply.conversation()).await];
    for stream in &mut all {
        stream.until("initial").await;
    }

    let asked = Instant::now();
    app.signal("TERM");
    for stream in &mut all {
        while stream.next().await.is_some() {}
    }

    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    let (status, _) = app.stop_gracefully();
    assert!(status.success());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_silent_stream_beats_every_fifteen_seconds() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "Hello").await;
    let mut streams = (app.board().await, app.listen(reply.conversation()).await);
    let asked = Instant::now();

    let first = tokio::join!(streams.0.until("heartbeat"), streams.1.until("heartbeat"));
    let mut times = vec![asked.elapsed()];
    let since = Instant::now();
    streams.1.until("heartbeat").await;
    times.push(since.elapsed());

    for beat in [first.0, first.1] {
        assert_eq!(beat.id, None, "a control event is no part of the order");
        assert_eq!(beat.data["seq"], 3);
        assert!(beat.data["timestamp"].as_str().is_some_and(|it| it.ends_with('Z')));
    }
    // The first comes sooner, so that a thousand who came together do not beat together.
    assert!(times.iter().all(|it| *it < Duration::from_secs(20)), "{times:?}");
}
