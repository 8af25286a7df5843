//! Only the provider may speak for callers: signatures by its official client.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::twiml::Twiml;
use crate::harness::{Builder, Got, TestApp, problem_code};

const TOKEN: &str = "12345678901234567890123456789012";
const PUBLIC: &str = "https://calls.example.com";

type Form<'a> = [(&'a str, &'a str)];

/// The signatures that the official client makes for these requests: token, address and form.
fn signatures(requests: &[(&str, &str, &Form<'_>)]) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("AURORA_TEST_PYTHON").map(PathBuf::from);
    let python = python.unwrap_or_else(|| root.join("target/test-python/bin/python"));
    let missing = format!("{} is missing: run ./test, which creates it", python.display());
    assert!(python.exists(), "{missing}");
    let requests: Vec<Value> = requests
        .iter()
        .map(|(token, url, params)| json!({ "token": token, "url": url, "params": params }))
        .collect();
    let mut signer = Command::new(python)
        .arg(root.join("tests/official/twilio_sign.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    signer.stdin.take().unwrap().write_all(json!(requests).to_string().as_bytes()).unwrap();
    let output = signer.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "run ./test, which installs what is missing: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn signature(token: &str, url: &str, form: &Form<'_>) -> String {
    signatures(&[(token, url, form)]).remove(0)
}

async fn post(app: &TestApp, path: &str, form: &Form<'_>, signature: &str) -> Got {
    app.post_form(path, form, &[("X-Twilio-Signature", signature)]).await
}

fn assert_refused(got: &Got, why: &str) {
    assert_eq!((got.status, problem_code(got).as_str()), (403, "forbidden"), "{why}");
}

async fn n_calls(app: &TestApp) -> usize {
    app.total().await["active_calls"].as_object().unwrap().len()
}

fn signed_server() -> Builder {
    TestApp::builder().env("TWILIO_AUTH_TOKEN", TOKEN).env("AURORA_PUBLIC_URL", PUBLIC)
}

#[tokio::test]
async fn what_the_official_client_signs_is_accepted() {
    let app = signed_server().spawn().await;
    let plain: &Form<'_> = &[("CallSid", "CA1"), ("From", "+15550100")];
    let spoken: &Form<'_> = &[
        ("CallSid", "CA1"),
        ("From", "+15550100"),
        ("SpeechResult", "há fumaça & <fire> +1 100% 🔥"),
        ("Confidence", "0.9"),
        ("Empty", ""),
        ("Twice", "b"),
        ("Twice", "a"),
    ];
    let status: &Form<'_> = &[("CallSid", "CA1"), ("CallStatus", "completed")];
    let requests = [
        ("/incoming-call", plain, 200),
        ("/process-speech", spoken, 200),
        ("/process-speech?line=2&x=%20", spoken, 200),
        ("/call-status", status, 204),
        ("/hangup", plain, 200),
        ("/", plain, 200),
    ];
    let urls: Vec<String> = requests.iter().map(|it| format!("{PUBLIC}{}", it.0)).collect();
    let to_sign: Vec<_> =
        requests.iter().zip(&urls).map(|(it, url)| (TOKEN, url.as_str(), it.1)).collect();

    for ((path, form, expected), signature) in requests.iter().zip(signatures(&to_sign)) {
        let got = post(&app, path, form, &signature).await;
        assert_eq!(got.status, *expected, "{path}: {}", got.text());
        if *expected == 200 {
            Twiml::read(&got);
        }
    }
}

#[tokio::test]
async fn what_is_forged_stale_or_unsigned_is_refused_and_stored_nowhere() {
    let app = signed_server().spawn().await;
    let form: &Form<'_> = &[("CallSid", "CA1"), ("SpeechResult", "There is a fire")];
    let other: &Form<'_> = &[("CallSid", "CA1"), ("SpeechResult", "All is well")];
    let url = format!("{PUBLIC}/process-speech");
    let local = format!("http://{}/process-speech", app.host_port());
    let signed = signatures(&[
        ("another token", &url, form),
        (TOKEN, &url, other),
        (TOKEN, &format!("{PUBLIC}/hangup"), form),
        (TOKEN, &local, form),
        (TOKEN, &url, form),
    ]);

    for (signature, why) in signed[..4].iter().zip(["token", "body", "path", "host"]) {
        assert_refused(&post(&app, "/process-speech", form, signature).await, why);
    }
    for odd in ["", "AAAA", "ünïcödé", &signed[4][1..], &signed[4].to_lowercase()] {
        assert_refused(&post(&app, "/process-speech", form, odd).await, odd);
    }
    assert_refused(&post(&app, "/process-speech?a=1", form, &signed[4]).await, "query");
    for path in ["/incoming-call", "/process-speech", "/call-status", "/hangup", "/"] {
        assert_refused(&app.post_form(path, form, &[]).await, path);
    }
    assert_eq!(n_calls(&app).await, 0);

    assert_eq!(post(&app, "/process-speech", form, &signed[4]).await.status, 200);
    assert_eq!(n_calls(&app).await, 1);
}

/// However the public address is written, the provider comes back to where it was called.
#[tokio::test]
async fn the_public_address_may_have_a_slash_a_port_and_a_path() {
    let form: &Form<'_> = &[("CallSid", "CA1"), ("From", "+15550100")];
    for (public, action) in [
        ("https://calls.example.com/", "/process-speech"),
        ("https://calls.example.com:443", "/process-speech"),
        ("https://calls.example.com:8443", "/process-speech"),
        ("https://example.com/voice", "https://example.com/voice/process-speech"),
        ("https://example.com/voice/", "https://example.com/voice/process-speech"),
    ] {
        let app = signed_server().env("AURORA_PUBLIC_URL", public).spawn().await;
        let url = format!("{}/incoming-call", public.trim_end_matches('/'));
        let got = post(&app, "/incoming-call", form, &signature(TOKEN, &url, form)).await;
        assert_eq!(got.status, 200, "{public}: {}", got.text());
        let twiml = Twiml::read(&got);
        assert_eq!(twiml.gather().unwrap()["action"], action);
        assert_eq!(twiml.text_of("Redirect"), action);
    }
}

#[tokio::test]
async fn both_tokens_are_taken_while_one_replaces_the_other() {
    let app = signed_server().env("TWILIO_AUTH_TOKEN", format!("{TOKEN}, the-new-one")).spawn();
    let app = app.await;
    let form: &Form<'_> = &[("CallSid", "CA1"), ("From", "+15550100")];
    let url = format!("{PUBLIC}/incoming-call");

    for signed in signatures(&[(TOKEN, &url, form), ("the-new-one", &url, form)]) {
        assert_eq!(post(&app, "/incoming-call", form, &signed).await.status, 200);
    }
}

#[tokio::test]
async fn forwarded_headers_count_only_from_a_trusted_proxy() {
    let form: &Form<'_> = &[("CallSid", "CA1"), ("From", "+15550100")];
    let signed = signature(TOKEN, &format!("{PUBLIC}/incoming-call"), form);
    let headers = [
        ("X-Twilio-Signature", signed.as_str()),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "calls.example.com"),
    ];
    let server = TestApp::builder().env("TWILIO_AUTH_TOKEN", TOKEN);

    for (proxies, status) in [("127.0.0.1", 200), ("10.0.0.1", 403), ("", 403)] {
        let app = server.clone().env("AURORA_TRUSTED_PROXIES", proxies).spawn().await;
        let got = app.post_form("/incoming-call", form, &headers).await;
        assert_eq!(got.status, status, "trusting `{proxies}`");
        assert_eq!(n_calls(&app).await, usize::from(status == 200));
    }
    // Without a proxy, what the request itself says is what was signed.
    let app = server.spawn().await;
    let local = signature(TOKEN, &app.url("/incoming-call"), form);
    assert_eq!(post(&app, "/incoming-call", form, &local).await.status, 200);
}

#[tokio::test]
async fn beyond_loopback_nothing_is_open_that_was_not_opened_by_name() {
    let form: &Form<'_> = &[("CallSid", "CA1"), ("From", "+15550100")];
    let said = json!({ "speech": "There is a fire", "ph_no": "+15550100" });
    let open = TestApp::builder().env("AURORA_BIND", "0.0.0.0:0");

    let app = open.clone().spawn().await;
    for path in ["/incoming-call", "/process-speech", "/call-status", "/hangup", "/"] {
        assert_refused(&app.post_form(path, form, &[]).await, path);
    }
    for path in ["/api/process-speech", "/api/hang-up"] {
        let got = app.post_json(path, &said).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (401, "authentication-required"));
    }
    assert_eq!(n_calls(&app).await, 0);
    assert_eq!(app.act("/api/process-speech", &said).await.status, 200);

    let app = open.clone().env("AURORA_ALLOW_UNSIGNED_WEBHOOKS", "1").spawn().await;
    assert_eq!(app.post_form("/incoming-call", form, &[]).await.status, 200);
    assert_eq!(app.post_json("/api/process-speech", &said).await.status, 401);

    let app = open.env("AURORA_ALLOW_OPEN_API", "1").spawn().await;
    assert_eq!(app.post_json("/api/process-speech", &said).await.status, 200);
    assert_refused(&app.post_form("/incoming-call", form, &[]).await, "webhooks stay closed");
}
