//! What leaves the server beside its answers: headers, and the log.

use reqwest::Method;
use serde_json::json;

use crate::fakes::chat::ChatFake;
use crate::fakes::rtdb::Rtdb;
use crate::harness::{Got, TestApp, send, wait_until};

fn assert_guarded(got: &Got, what: &str) {
    let policy = got.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{what}: {part} is missing in `{policy}`");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{what}: {policy}");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(got.header(name), value, "{what}: {name}");
    }
    let cache = got.header("cache-control");
    assert!(cache.contains("no-store") || cache.contains("no-cache"), "{what}: {cache}");
}

/// What programs and phone providers get is never shown as a page: it is typed, and not kept.
#[tokio::test]
async fn what_callers_get_is_typed_and_not_kept() {
    let app = TestApp::spawn().await;
    let said = json!({ "speech": "There is a fire", "ph_no": "+15550100" });
    let large = vec![b'x'; 20_000];
    for got in [
        app.post_json("/api/process-speech", &said).await,
        app.post_form("/incoming-call", &[("CallSid", "CA1")], &[]).await,
        app.post_form("/process-speech", &[("CallSid", "CA1")], &[]).await,
        app.post_raw("/api/process-speech", "application/json", "{").await,
        app.post_raw("/api/process-speech", "a/b", "{").await,
        app.post_raw("/api/process-speech", "application/json", large).await,
    ] {
        assert_eq!(got.header("x-content-type-options"), "nosniff", "{}", got.status);
        assert_eq!(got.header("cache-control"), "no-store", "{}", got.status);
    }
}

#[tokio::test]
async fn every_kind_of_response_carries_the_security_headers() {
    let app = TestApp::spawn().await;
    for path in [
        "/",
        "/login",
        "/web-call",
        "/docs",
        "/status",
        "/metrics",
        "/health/ready",
        "/nothing",
        "/api/sync",
        "/static/../x",
        "/login?token=wrong",
    ] {
        assert_guarded(&app.get(path).await, path);
    }
    assert_guarded(&app.get_as_supervisor("/api/active-calls-json").await, "supervisor");
    assert_guarded(&send(app.request(Method::DELETE, "/status")).await, "another method");

    let page = app.get("/login").await;
    let tag = page.header("etag");
    let again = send(app.request(Method::GET, "/login").header("if-none-match", tag)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_guarded(&again, "304");
    let stream = app.request(Method::GET, "/api/stream").bearer_auth(&app.token).send().await;
    let stream = stream.unwrap();
    let headers = stream.headers().clone();
    let got = Got { status: 200, headers, body: Vec::new() };
    assert_guarded(&got, "stream");
    assert_eq!(got.header("x-accel-buffering"), "no");
}

/// Names, numbers, keys: none of them may be found in a log that somebody sends around.
#[tokio::test]
async fn secrets_numbers_and_words_stay_out_of_the_log() {
    const SECRETS: [&str; 9] = [
        "Rumpelstilzchen",
        "5550177",
        "5550178",
        "twiliosecrettoken",
        "sk-modelsecret",
        "the-admin-token-secret",
        "Dornroeschen",
        "hiddenCredential",
        "guessed-wrong-token",
    ];
    for level in ["info", "debug", "trace"] {
        let (firebase, model) = (Rtdb::start(), ChatFake::start());
        let mut app = TestApp::builder()
            .env("RUST_LOG", level)
            .env("TWILIO_AUTH_TOKEN", "twiliosecrettoken")
            .env("AURORA_ADMIN_TOKEN", "the-admin-token-secret")
            .env("AURORA_LLM_URL", model.url())
            .env("AURORA_LLM_MODEL", "fake-1")
            .env("AURORA_LLM_API_KEY", "sk-modelsecret")
            .env("FIREBASE_DATABASE_EMULATOR_HOST", firebase.host_port())
            .spawn()
            .await;
        let words = "I am Rumpelstilzchen and where is the office?";
        let reply = app.say("+15550177", words).await;
        app.say("+15550177", "Rumpelstilzchen says there is a fire").await;
        let kim = json!({ "admin_id": "kim", "content": "This is Dornroeschen" });
        for action in ["takeover", "message", "message", "handback", "end", "message"] {
            app.act(&format!("/api/call/{}/{action}", reply.call()), &kim).await;
        }
        let unsigned = [("CallSid", "CA1"), ("From", "+15550178"), ("SpeechResult", words)];
        app.post_form("/process-speech", &unsigned, &[("X-Twilio-Signature", "x")]).await;
        app.post_raw(
            "/api/process-speech",
            "application/json",
            "{\"speech\": [\"Rumpelstilzchen\"]}",
        )
        .await;
        app.post_raw("/api/process-speech", "application/json", "{\"speech\": Rumpelstilzchen")
            .await;
        app.post_json("/login", &json!({ "token": "guessed-wrong-token" })).await;
        app.post_json("/login", &json!({ "token": app.token })).await;
        app.get(&format!("/login?token={}", app.token)).await;
        app.get_as_supervisor("/api/nothing/hiddenCredential").await;
        let _stream = app.listen(reply.conversation()).await;
        wait_until("the mirror has it", async || {
            app.get_json("/api/sync").await["state"] == "synced"
        })
        .await;
        firebase.go_down();
        app.say("+15550178", "Rumpelstilzchen again").await;
        wait_until("the outage is noticed", async || {
            app.get_json("/api/sync").await["state"] == "unreachable"
        })
        .await;
        app.stop_gracefully();

        let log = app.stderr();
        assert!(log.contains("Aurora answers"), "{log}");
        assert!(level == "info" || log.contains("DEBUG"), "it says as much as it was asked to");
        for secret in SECRETS {
            let found = log.lines().find(|it| it.contains(secret));
            assert_eq!(found, None, "`{secret}` at level {level}");
        }
    }
}
