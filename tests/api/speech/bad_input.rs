//! The table of bad requests: each is refused with its code, and none changes anything.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{TestApp, problem_code, send};

const JSON: &str = "application/json";

/// Content type, body, status and code.
fn table() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let nested = "[".repeat(5_000).into_bytes();
    let deep = format!("{{\"speech\":{}1{}}}", "[".repeat(4_000), "]".repeat(4_000)).into_bytes();
    let emoji = json!({ "speech": "🔥".repeat(25 * 1024), "ph_no": "+1" }).to_string().into_bytes();
    let text = |it: &str| it.as_bytes().to_vec();
    vec![
        // Broken.
        (JSON, text(""), 400, "bad-request"),
        (JSON, text("{"), 400, "bad-request"),
        (JSON, text("{\"speech\": \"fire\", \"ph_no\": \"+1"), 400, "bad-request"),
        (JSON, text("{\"speech\": fire}"), 400, "bad-request"),
        (JSON, text("{\"speech\": \"a\", \"ph_no\": \"+1\"} trailing"), 400, "bad-request"),
        (JSON, text("{'speech': 'a'}"), 400, "bad-request"),
        (JSON, nested, 422, "invalid-request"),
        (JSON, deep, 422, "invalid-request"),
        (JSON, b"{\"speech\": \"\xff\xfe\", \"ph_no\": \"+1\"}".to_vec(), 400, "bad-request"),
        (JSON, b"\xff\xfe\x00".to_vec(), 400, "bad-request"),
        (JSON, text("{\"speech\": \"\\ud800\", \"ph_no\": \"+1\"}"), 400, "bad-request"),
        // Too large.
        (JSON, vec![b' '; 16 * 1024 + 1], 413, "body-too-large"),
        (JSON, vec![b'x'; 1024 * 1024], 413, "body-too-large"),
        (JSON, emoji, 413, "body-too-large"),
        // Well-formed, and wrong.
        (JSON, text("null"), 422, "invalid-request"),
        (JSON, text("[]"), 422, "invalid-request"),
        (JSON, text("\"fire\""), 422, "invalid-request"),
        (JSON, text("{}"), 422, "invalid-request"),
        (JSON, text("{\"speech\": 1, \"ph_no\": \"+1\"}"), 422, "invalid-request"),
        (JSON, text("{\"speech\": null, \"ph_no\": \"+1\"}"), 422, "invalid-request"),
        (JSON, text("{\"speech\": [\"a\"], \"ph_no\": \"+1\"}"), 422, "invalid-request"),
        (JSON, text("{\"speech\": \"a\", \"ph_no\": 15550100}"), 422, "invalid-request"),
        (JSON, text("{\"speech\": \"a\", \"ph_no\": \"\"}"), 422, "invalid-request"),
        (JSON, text("{\"speech\": \"a\", \"ph_no\": \"a\\nb\"}"), 422, "invalid-request"),
        (
            JSON,
            text("{\"speech\":\"a\",\"ph_no\":\"+1\",\"medium\":\"Fax\"}"),
            422,
            "invalid-request",
        ),
        (
            JSON,
            text("{\"speech\":\"a\",\"ph_no\":\"+1\",\"confidence\":7}"),
            422,
            "invalid-request",
        ),
        (
            JSON,
            text("{\"speech\":\"a\",\"ph_no\":\"+1\",\"confidence\":\"1\"}"),
            422,
            "invalid-request",
        ),
        (
            JSON,
            text("{\"speech\":\"a\",\"ph_no\":\"+1\",\"call_sid\":\"\"}"),
            422,
            "invalid-request",
        ),
        (
            JSON,
            text("{\"speech\":\"a\",\"speech\":\"b\",\"ph_no\":\"+1\"}"),
            422,
            "invalid-request",
        ),
        // Another type.
        (
            "text/plain",
            text("{\"speech\": \"a\", \"ph_no\": \"+1\"}"),
            415,
            "unsupported-media-type",
        ),
        ("application/xml", text("<a/>"), 415, "unsupported-media-type"),
        ("multipart/form-data; boundary=x", text("--x--"), 415, "unsupported-media-type"),
        ("application/x-www-form-urlencoded", text("SpeechResult=a"), 422, "invalid-request"),
    ]
}

#[tokio::test]
async fn a_bad_request_is_refused_with_its_code_and_changes_nothing() {
    let app = TestApp::spawn().await;
    app.say("+15550100", "There is a fire").await;
    let before = app.total().await;

    for (kind, body, status, code) in table() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let got = app.post_raw("/api/process-speech", kind, body).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (status, code), "{kind}: {shown}");
        assert_eq!(app.total().await, before, "{kind}: {shown}");
    }

    assert!(app.say("+15550100", "We are outside").await.durable);
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let app = TestApp::spawn().await;
    for (body, name) in [
        (json!({ "speech": "a" }), "ph_no"),
        (json!({ "ph_no": "+1" }), "speech"),
        (json!({ "speech": "a", "ph_no": "" }), "ph_no"),
        (json!({ "speech": "a", "ph_no": "+1", "confidence": -1 }), "confidence"),
        (json!({ "speech": "a", "ph_no": "+1", "language": "" }), "language"),
    ] {
        let got = app.post_json("/api/process-speech", &body).await;
        assert_eq!(got.status, 422);
        assert!(got.json()["detail"].as_str().unwrap().contains(name), "{}", got.text());
    }
    // What a caller said is not repeated in an error.
    let body = json!({ "speech": ["secret"], "ph_no": "+1" });
    let got = app.post_json("/api/process-speech", &body).await;
    assert!(!got.text().contains("secret"));
}

/// What stands in the request line, as nobody's URL library would send it.
fn raw(app: &TestApp, request_line: &str) -> String {
    let mut stream = TcpStream::connect(app.host_port()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!(
        "{request_line} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Connection: close\r\n\r\n",
        app.token
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

#[tokio::test]
async fn tricks_with_paths_lead_nowhere() {
    let app = TestApp::spawn().await;
    let before = app.total().await;
    let token_file = app.data_dir().join("admin.token");
    for path in [
        "/static/../Cargo.toml",
        "/static/..%2fCargo.toml",
        "/static/%2e%2e/%2e%2e/Cargo.toml",
        "/static/%2e%2e%2f%2e%2e%2fetc/passwd",
        "/static/..\\..\\Cargo.toml",
        "/static//etc/passwd",
        &format!("/static/{}", token_file.display()),
        "/static/",
        "/static/%00",
        "/static/dashboard.html%00.js",
        "/api/call/../active-calls-json",
        "/api/call/%2e%2e%2factive-calls-json",
        "/api/call/call_../end",
        "/%ff%fe",
    ] {
        let response = raw(&app, &format!("GET {path}"));
        let status = response.split(' ').nth(1).unwrap_or_default();
        assert!(matches!(status, "404" | "400"), "{path}: {response}");
        assert!(!response.contains("[package]") && !response.contains(&app.token), "{path}");
    }
    assert_eq!(app.total().await, before);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_and_not_a_page() {
    let app = TestApp::spawn().await;
    let (call, conv) = ("call_01JD0000000000000000000000", "conv_01JD0000000000000000000000");
    let said = json!({ "admin_id": "kim", "content": "a", "urgency": "normal" });
    let not_found = [
        ("GET", format!("/api/call/{call}"), "call-not-found"),
        ("GET", "/api/call/nonsense".to_owned(), "call-not-found"),
        ("GET", format!("/api/call/{}", call.to_lowercase()), "call-not-found"),
        ("GET", format!("/api/call/{call}%20"), "call-not-found"),
        ("GET", format!("/api/conversation/{conv}"), "conversation-not-found"),
        ("GET", format!("/api/conversation/{conv}/stream"), "conversation-not-found"),
        ("GET", "/api/conversation/%F0%9F%94%A5/stream".to_owned(), "conversation-not-found"),
        ("POST", format!("/api/call/{call}/end"), "call-not-found"),
        ("POST", "/api/call/nonsense/takeover".to_owned(), "call-not-found"),
        (
            "POST",
            "/api/alerts/alert_01JD0000000000000000000000/acknowledge".to_owned(),
            "alert-not-found",
        ),
        ("GET", "/nothing/here".to_owned(), "not-found"),
        ("POST", "/nothing/here".to_owned(), "not-found"),
    ];
    for (method, path, code) in not_found {
        let method: Method = method.parse().unwrap();
        let mut request = app.request(method.clone(), &path).bearer_auth(&app.token);
        if method == Method::POST {
            request = request.json(&said);
        }
        let got = send(request).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (404, code), "{method} {path}");
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_a_problem_too() {
    let app = TestApp::spawn().await;
    for path in ["/api/stream?after=1&after=2", "/login?token=a&token=b"] {
        let got = app.get_as_supervisor(path).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (400, "bad-request"), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_as_a_problem() {
    let app = TestApp::spawn().await;
    let before = app.total().await;
    for (method, path) in [
        ("GET", "/api/process-speech"),
        ("GET", "/process-speech"),
        ("DELETE", "/api/active-calls-json"),
        ("PUT", "/incoming-call"),
        ("POST", "/status"),
        ("PATCH", "/login"),
        ("GET", "/api/call/call_01JD0000000000000000000000/end"),
        ("BREW", "/"),
    ] {
        let method: Method = method.parse().unwrap();
        let got = send(app.request(method.clone(), path).bearer_auth(&app.token)).await;
        assert!(matches!(got.status, 404 | 405), "{method} {path}: {}", got.status);
        problem_code(&got);
    }
    assert_eq!(app.total().await, before);
}

/// A client that never finishes its request: the connection is bounded in time.
#[tokio::test]
async fn a_slow_client_is_let_go_in_bounded_time() {
    let app = TestApp::spawn().await;
    let port = app.port();
    let unfinished = |sent: &'static str| {
        tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
            stream.write_all(sent.as_bytes()).unwrap();
            let mut response = Vec::new();
            // A reset is an end, too; a timeout of ours is none.
            let end = stream.read_to_end(&mut response);
            assert!(
                end.is_ok() || begun.elapsed() < Duration::from_secs(24),
                "the server never let go: {end:?}"
            );
            (String::from_utf8_lossy(&response).into_owned(), begun.elapsed())
        })
    };
    let body = unfinished(
        "POST /api/process-speech HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{\"speech\": ",
    );
    let head = unfinished("POST /api/process-speech HTTP/1.1\r\nHost: x\r\nContent-");

    // Others do not notice.
    assert!(app.say("+15550100", "There is a fire").await.durable);
    let (response, took) = body.await.unwrap();
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 408"), "{response}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let (response, took) = head.await.unwrap();
    assert!(response.is_empty() || response.starts_with("HTTP/1.1 408"), "{response}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let total: Value = app.total().await;
    assert_eq!(total["active_calls"].as_object().unwrap().len(), 1);
}
