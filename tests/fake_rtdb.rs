//! The fake database keeps the wire protocol: checked by hand and by the official client.

mod fakes;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use fakes::rtdb::{Fault, Rtdb};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

#[test]
fn the_fake_database_satisfies_the_official_client() {
    let python = std::env::var_os("AURORA_TEST_PYTHON").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-python/bin/python"),
        PathBuf::from,
    );
    assert!(
        python.exists(),
        "{} is missing: run ./test, which makes it from tests/official/requirements.txt",
        python.display()
    );
    let rtdb = Rtdb::start();

    let check = Command::new(python)
        .arg("tests/official/firebase_check.py")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port())
        .output()
        .expect("the test python starts");

    let said = String::from_utf8_lossy(&check.stdout);
    let complained = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}\n{complained}");
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test]
async fn a_patch_of_several_paths_is_applied_whole_or_not_at_all() {
    let rtdb = Rtdb::start();
    let bad_bodies = [
        json!({"a/b": 1, "a": {"c": 2}}),
        json!({"a/b": 1, "a/b/c": 2}),
        json!({"good": 1, "b$d": 2}),
        json!({"good": 1, "b": {"x.y": 2}}),
        json!({"good": 1, "b": {"": 2}}),
        json!({"good": 1, "k".repeat(769): 2}),
        json!({"good": 1, ["d"; 33].join("/"): 2}),
        json!({"good": 1, "b": {".sv": "tomorrow"}}),
        json!([1]),
        json!(1),
        json!(null),
    ];

    for body in bad_bodies {
        let answer = ask(&rtdb, Method::PATCH, "/.json", Some(&body)).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{body}");
        let told: Value = answer.json().await.expect("a JSON error");
        assert!(told["error"].is_string(), "{told}");
    }
    assert_eq!(rtdb.value(""), Value::Null);
    assert!(rtdb.history().is_empty());

    let body = json!({"a/b": 1, "a/c": {"d": [], "e": 2}, "/f": null});
    let answer = ask(&rtdb, Method::PATCH, "/.json", Some(&body)).await;

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(rtdb.value("a"), json!({"b": 1, "c": {"e": 2}}));
    assert_eq!(rtdb.history().len(), 1);
}

#[tokio::test]
async fn the_answer_has_the_form_that_was_asked_for() {
    let rtdb = Rtdb::start();
    rtdb.put("a", json!({"b": {"c": 1}, "d": 2}));

    let silent = ask(&rtdb, Method::PATCH, "/a.json?print=silent", Some(&json!({"e": 3}))).await;
    let pretty = ask(&rtdb, Method::GET, "/a.json?print=pretty", None).await;
    let shallow = ask(&rtdb, Method::GET, "/a.json?shallow=true", None).await;
    let mixed = ask(&rtdb, Method::GET, "/a.json?shallow=true&orderBy=%22$key%22", None).await;
    let missing = ask(&rtdb, Method::GET, "/none/at/all.json", None).await;
    let posted = ask(&rtdb, Method::POST, "/p.json", Some(&json!(1))).await;

    assert_eq!(silent.status(), StatusCode::NO_CONTENT);
    assert!(text(pretty).await.contains("\n  \"b\": {"));
    assert_eq!(text(shallow).await, r#"{"b":true,"d":2,"e":3}"#);
    assert_eq!(mixed.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(missing).await, "null");
    let name: Value = posted.json().await.expect("a name");
    assert_eq!(name["name"].as_str().map(str::len), Some(20));
}

#[tokio::test]
async fn a_method_override_and_an_encoded_path_are_understood() {
    let rtdb = Rtdb::start();
    rtdb.put("+1 555/ü", json!({"old": 1}));

    let target = format!("{}/+1%20555/%C3%BC.json?ns=aurora-test", rtdb.url());
    let answer = client()
        .post(target)
        .bearer_auth("owner")
        .header("X-HTTP-Method-Override", "PATCH")
        .json(&json!({"new": 2}))
        .send()
        .await
        .expect("an answer");

    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(rtdb.value("+1 555/ü"), json!({"old": 1, "new": 2}));
}

#[tokio::test]
async fn a_request_without_a_good_token_is_refused() {
    let rtdb = Rtdb::start();
    rtdb.accept_token("t1");
    let get =
        |token: &'static str| client().get(format!("{}/a.json", rtdb.url())).bearer_auth(token);

    let unknown = get("nobody").send().await.expect("an answer");
    let known = get("t1").send().await.expect("an answer");
    rtdb.set_fault(Fault::ExpiredCredentials);
    let expired = get("t1").send().await.expect("an answer");
    rtdb.accept_token("t2");
    let renewed = get("t2").send().await.expect("an answer");

    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(known.status(), StatusCode::OK);
    assert_eq!(expired.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(renewed.status(), StatusCode::OK);
}

#[tokio::test]
async fn each_fault_can_be_switched_on_and_off() {
    let rtdb = Rtdb::start();
    let write = || try_ask(&rtdb, Method::PATCH, "/.json", Some(json!({"x": 1})));
    let status = |answer: reqwest::Result<Response>| answer.map(|it| it.status().as_u16()).ok();

    rtdb.set_fault(Fault::Status { status: 500, times: 1 });
    assert_eq!(status(write().await), Some(500));
    assert_eq!(status(write().await), Some(200));

    rtdb.set_fault(Fault::TooManyRequests { retry_after_s: 7, times: 1 });
    let answer = write().await.expect("an answer");
    assert_eq!(answer.headers()["retry-after"], "7");
    rtdb.clear_faults();

    rtdb.set_fault(Fault::Flapping);
    let seen = [status(write().await), status(write().await), status(write().await)];
    assert!([[Some(503), Some(200), Some(503)], [Some(200), Some(503), Some(200)]].contains(&seen));
    rtdb.clear_faults();

    for (fault, expected) in
        [(Fault::Poison("x".into()), 400), (Fault::MaxBody(3), 413), (Fault::MaxPaths(0), 400)]
    {
        rtdb.set_fault(fault);
        assert_eq!(status(write().await), Some(expected));
        rtdb.clear_faults();
    }

    for fault in [Fault::Down, Fault::AcceptAndClose, Fault::Hang] {
        let n_applied = rtdb.history().len();
        rtdb.set_fault(fault);
        assert_eq!(status(write().await), None);
        assert_eq!(rtdb.history().len(), n_applied);
        rtdb.clear_faults();
        assert_eq!(status(write().await), Some(200));
    }

    let n_applied = rtdb.history().len();
    rtdb.set_fault(Fault::Lying { times: 1 });
    assert_eq!(status(write().await), None);
    assert_eq!(rtdb.history().len(), n_applied + 1);
    assert_eq!(status(write().await), Some(200));
}

#[tokio::test]
async fn a_stream_tells_of_writes_until_it_is_ended() {
    let rtdb = Rtdb::start();
    rtdb.put("a/b", json!(1));

    for name in ["cancel", "auth_revoked"] {
        let mut stream = client()
            .get(format!("{}/a.json?ns=aurora-test", rtdb.url()))
            .bearer_auth("owner")
            .header("Accept", "text/event-stream")
            .send()
            .await
            .expect("a stream");
        let first = stream.chunk().await.expect("an open stream");
        rtdb.put("a/c", json!({"d": 2}));
        rtdb.keep_alive_streams();
        match name {
            "cancel" => rtdb.cancel_streams(),
            _ => rtdb.revoke_streams(),
        }
        let mut rest = String::new();
        while let Some(bytes) = stream.chunk().await.expect("an open stream") {
            rest.push_str(&String::from_utf8_lossy(&bytes));
        }

        let first = first.expect("the present value");
        let first = String::from_utf8_lossy(&first);
        assert!(first.starts_with("event: put\ndata: {"), "{first}");
        let put = "event: put\ndata: {\"data\":{\"d\":2},\"path\":\"/c\"}\n\n";
        assert!(rest.starts_with(put), "{rest}");
        assert!(rest.contains("event: keep-alive\ndata: null\n\n"), "{rest}");
        assert!(rest.contains(&format!("event: {name}\ndata: ")), "{rest}");
    }
}

async fn ask(rtdb: &Rtdb, method: Method, target: &str, body: Option<&Value>) -> Response {
    let answer = try_ask(rtdb, method, target, body.cloned()).await;
    answer.expect("an answer")
}

async fn try_ask(
    rtdb: &Rtdb,
    method: Method,
    target: &str,
    body: Option<Value>,
) -> reqwest::Result<Response> {
    let joint = if target.contains('?') { '&' } else { '?' };
    let url = format!("{}{target}{joint}ns=aurora-test", rtdb.url());
    let request =
        client().request(method, url).bearer_auth("owner").timeout(Duration::from_secs(1));
    let request = body.iter().fold(request, |it, body| it.json(body));
    request.send().await
}

async fn text(answer: Response) -> String {
    answer.text().await.expect("a readable answer")
}

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().build().expect("a client")
}
