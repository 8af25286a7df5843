//! Everything is bounded: what comes from outside, and what stays in memory.

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::harness::{TestApp, problem_code};

#[tokio::test]
async fn everything_from_outside_is_bounded() {
    let app = TestApp::builder()
        .env("AURORA_MAX_OPEN_CALLS", "3")
        .env("AURORA_MAX_STREAMS", "2")
        .env("AURORA_RATE_LIMIT", "5")
        .env("AURORA_MAX_TURNS", "4")
        .spawn()
        .await;

    // Body and text.
    let long = |field: &str, length: usize| {
        let mut body = json!({ "speech": "Hello", "ph_no": "+15550100" });
        body[field] = "x".repeat(length).into();
        body
    };
    for (body, status, code) in [
        (long("speech", 17_000), 413, "body-too-large"),
        (long("ph_no", 65), 422, "invalid-request"),
        (long("call_sid", 65), 422, "invalid-request"),
        (long("language", 65), 422, "invalid-request"),
    ] {
        let got = app.post_json("/api/process-speech", &body).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (status, code));
    }
    // A body without an announced length is counted while it comes.
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 4096])).take(64);
    let request = app.client.post(app.url("/api/process-speech"));
    let request = request.header("content-type", "application/json");
    let response = request.body(reqwest::Body::wrap_stream(endless)).send().await;
    assert!(response.is_ok_and(|it| it.status() == 413));

    // Requests of one caller.
    let mut refused = None;
    for _ in 0..30 {
        let got = app.try_say("+15550001", " ").await;
        if got.status != 200 {
            refused = Some(got);
            break;
        }
    }
    let refused = refused.expect("thirty requests at once are too many");
    assert_eq!((refused.status, problem_code(&refused).as_str()), (429, "rate-limited"));
    assert!(refused.header("retry-after").parse::<u64>().is_ok_and(|it| it >= 1));
    assert_eq!(app.try_say("+15550002", " ").await.status, 200, "others are not held up");

    // Turns of a call that is not critical.
    let mut turns = Vec::new();
    for n in 0..5 {
        turns.push(app.say("+15550003", &format!("Where is office {n}?")).await);
    }
    let status = &app.call(turns[4].call()).await["call"];
    assert_eq!((&status["status"], &status["end_reason"]), (&json!("ENDED"), &json!("turn_limit")));

    // Open calls: programs are told, callers are helped.
    for n in 0..3 {
        app.say(&format!("+1555010{n}"), "Hello").await;
    }
    let got = app.try_say("+15550199", "There is a fire").await;
    assert_eq!((got.status, problem_code(&got).as_str()), (503, "too-many-calls"));
    assert!(!got.header("retry-after").is_empty());
    let caller = [("CallSid", "CA9"), ("From", "+15550199"), ("SpeechResult", "a fire")];
    for path in ["/incoming-call", "/process-speech"] {
        let got = app.post_form(path, &caller, &[]).await;
        assert_eq!((got.status, got.header("content-type")), (200, "text/xml"));
        assert!(got.text().contains("<Gather") && got.text().contains("<Say"));
    }
    assert_eq!(app.total().await["active_calls"].as_object().unwrap().len(), 4);

    // Streams.
    let (_one, _two) = (app.board().await, app.board().await);
    let got = app.get_as_supervisor("/api/stream").await;
    assert_eq!((got.status, problem_code(&got).as_str()), (503, "too-many-streams"));
    assert!(!got.header("retry-after").is_empty());
}

/// So many calls from beginning to end, many at a time.
async fn whole_calls(app: &TestApp, numbers: std::ops::Range<u32>) {
    stream::iter(numbers)
        .for_each_concurrent(100, async |n| {
            let number = format!("+1555{n:06}");
            app.say(&number, "There is a fire in the warehouse").await;
            let bye = app.post_json("/api/hang-up", &json!({ "ph_no": number })).await;
            assert_eq!(bye.status, 204);
        })
        .await;
}

#[tokio::test]
async fn memory_grows_with_open_calls_never_with_history() {
    let app = TestApp::spawn().await;
    let open = app.say("+15550100", "There is a fire").await;
    whole_calls(&app, 0..1_500).await;
    let (early, size) = (app.rss_bytes(), app.total().await.to_string().len());

    whole_calls(&app, 1_500..6_000).await;

    let total = app.total().await;
    assert_eq!(total["active_calls"].as_object().unwrap().len(), 1_001, "the kept, and the open");
    assert_eq!(total["active_conversations"].as_object().unwrap().len(), 1_001);
    assert_eq!(app.call(open.call()).await["call"]["status"], "ACTIVE");
    let grown = total.to_string().len() as f64 / size as f64;
    assert!((0.95..1.05).contains(&grown), "the state grew by {grown}");
    // The latest records stay in memory for those who follow, up to 16 MiB of lines.
    let written: u64 =
        crate::store::segments(app.data_dir()).iter().map(|it| it.metadata().unwrap().len()).sum();
    let late = app.rss_bytes();
    let allowed = early + 2 * written.min(16 * 1024 * 1024) + 8 * 1024 * 1024;
    assert!(late < allowed, "{early} bytes became {late}; {written} were written");
}
