//! Logging in and out, and every door that needs it.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Got, TestApp, problem_code, send};

/// Every route of the supervisors.
const ROUTES: [(&str, &str); 13] = [
    ("GET", "/api/active-calls-json"),
    ("GET", "/api/call/call_01JD0000000000000000000000"),
    ("POST", "/api/call/call_01JD0000000000000000000000/end"),
    ("POST", "/api/call/call_01JD0000000000000000000000/takeover"),
    ("POST", "/api/call/call_01JD0000000000000000000000/message"),
    ("POST", "/api/call/call_01JD0000000000000000000000/handback"),
    ("POST", "/api/call/call_01JD0000000000000000000000/urgency"),
    ("POST", "/api/alerts/alert_01JD0000000000000000000000/acknowledge"),
    ("GET", "/api/conversation/conv_01JD0000000000000000000000"),
    ("GET", "/api/conversation/conv_01JD0000000000000000000000/stream"),
    ("GET", "/api/stream"),
    ("GET", "/api/sync"),
    ("POST", "/api/sync/retry"),
];

async fn log_in(app: &TestApp) -> Got {
    app.post_json("/login", &json!({ "token": app.token })).await
}

async fn with_cookie(app: &TestApp, cookie: &str) -> u16 {
    let request = app.request(Method::GET, "/api/sync").header("cookie", cookie);
    send(request).await.status
}

#[tokio::test]
async fn no_door_of_the_supervisors_opens_without_a_key() {
    let app = TestApp::spawn().await;
    let call = app.say("+15550100", "There is a fire").await;
    let token = app.token.clone();
    let keys = [
        ("authorization", String::new()),
        ("authorization", "Bearer".to_owned()),
        ("authorization", "Bearer ".to_owned()),
        ("authorization", "Bearer wrong-token-wrong-token".to_owned()),
        ("authorization", format!("Bearer {}x", token)),
        ("authorization", format!("Bearer {}", &token[1..])),
        ("authorization", format!("Basic {token}")),
        ("authorization", token.clone()),
        ("x-api-key", token.clone()),
        ("cookie", format!("aurora_session={token}")),
        ("cookie", "aurora_session=v1.99999999999.AAAA.AAAA".to_owned()),
    ];
    for (method, path) in ROUTES {
        for (name, value) in &keys {
            let method: Method = method.parse().unwrap();
            let request = app.request(method.clone(), path).header(*name, value);
            let got = send(request.json(&json!({ "admin_id": "kim" }))).await;
            assert_eq!(got.status, 401, "{method} {path} with {name}: {value}");
            assert_eq!(problem_code(&got), "authentication-required");
            assert_eq!(got.header("www-authenticate"), "Bearer");
        }
        let query = format!("{path}?token={token}&access_token={token}");
        assert_eq!(send(app.request(method.parse().unwrap(), &query)).await.status, 401);
    }
    assert_eq!(app.call(call.call()).await["call"]["status"], "ACTIVE");
    // The page itself shows the way in.
    let page = app.get("/").await;
    assert_eq!((page.status, page.header("location")), (303, "/login"));
}

#[tokio::test]
async fn operators_need_no_key_and_see_nobody() {
    let app = TestApp::spawn().await;
    app.say("+15550177", "My name is Rumpelstilzchen and there is a fire").await;
    for path in ["/status", "/health/live", "/health/ready", "/health/redis", "/health/firebase"] {
        let got = app.get(path).await;
        assert_eq!(got.status, 200, "{path}");
        assert!(got.json().is_object());
        assert!(!got.text().contains("5550177") && !got.text().contains("Rumpel"));
    }
    let metrics = app.get("/metrics").await;
    assert!(metrics.status == 200 && metrics.header("content-type").contains("text"));
    assert!(!metrics.text().contains("5550177") && metrics.text().contains("# EOF"));
    let status = app.get("/status").await.json();
    assert_eq!((&status["status"], &status["open_calls"]), (&json!("ok"), &json!(1)));
}

#[tokio::test]
async fn the_printed_link_the_form_and_json_open_a_session() {
    let app = TestApp::spawn().await;
    let link = app.login_link.strip_prefix(&app.url("")).unwrap().to_owned();

    let by_link = app.get(&link).await;
    let by_form = app.post_form("/login", &[("token", &app.token)], &[]).await;
    let by_json = log_in(&app).await;

    for got in [&by_link, &by_form] {
        assert_eq!((got.status, got.header("location")), (303, "/"));
    }
    assert_eq!(by_json.status, 204);
    for got in [by_link, by_form, by_json] {
        let cookie = got.header("set-cookie");
        for flag in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(cookie.contains(flag), "{flag} is missing in {cookie}");
        }
        assert!(!cookie.contains("Secure"), "plain HTTP could not send it back");
        assert!(!cookie.contains(&app.token));
        assert_eq!(with_cookie(&app, got.cookie()).await, 200);
        let page = send(app.request(Method::GET, "/").header("cookie", got.cookie())).await;
        assert!(page.status == 200 && page.header("content-type").starts_with("text/html"));
    }
    assert_eq!(app.get("/login").await.status, 200, "the page to log in with");

    let public = TestApp::builder().env("AURORA_PUBLIC_URL", "https://calls.example.com");
    let public = public.spawn().await;
    assert!(public.login_link.starts_with("https://calls.example.com/login?token="));
    assert!(log_in(&public).await.header("set-cookie").contains("Secure"));
}

#[tokio::test]
async fn a_wrong_token_opens_nothing_and_cannot_be_guessed() {
    let app = TestApp::spawn().await;
    let guess = async || app.post_json("/login", &json!({ "token": "not-the-right-token" })).await;

    let wrong = guess().await;
    assert_eq!((wrong.status, problem_code(&wrong).as_str()), (401, "authentication-required"));
    assert_eq!(wrong.header("set-cookie"), "");
    let form = app.post_form("/login", &[("token", "wrong")], &[]).await;
    assert_eq!((form.status, form.header("location")), (303, "/login?failed=1"));
    let link = app.get("/login?token=wrong").await;
    assert_eq!((link.status, link.header("set-cookie")), (303, ""));

    let mut refused = None;
    for _ in 0..20 {
        let got = guess().await;
        if got.status == 429 {
            refused = Some(got);
            break;
        }
    }
    let refused = refused.expect("guessing is slowed down");
    assert_eq!(problem_code(&refused), "rate-limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait));
    // Not even the right one is told apart now; but whoever has the token can work.
    assert_eq!(log_in(&app).await.status, 429);
    assert_eq!(app.get_as_supervisor("/api/sync").await.status, 200);
    for (body, status) in [("{}", 422), ("{\"token\": 1}", 422), ("{", 400)] {
        assert_eq!(app.post_raw("/login", "application/json", body).await.status, status);
    }
}

#[tokio::test]
async fn a_session_survives_a_restart_and_ends_with_logging_out() {
    let mut app = TestApp::spawn().await;
    let cookie = log_in(&app).await.cookie().to_owned();
    let other = log_in(&app).await.cookie().to_owned();
    app.restart().await;
    assert_eq!(with_cookie(&app, &cookie).await, 200);

    let out = send(app.request(Method::POST, "/logout").header("cookie", &cookie)).await;

    assert_eq!((out.status, out.header("location")), (303, "/login"));
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(with_cookie(&app, &cookie).await, 401);
    assert_eq!(with_cookie(&app, &other).await, 200, "another browser's session goes on");
}

#[tokio::test]
async fn a_forged_session_is_none() {
    let app = TestApp::spawn().await;
    let cookie = log_in(&app).await.cookie().to_owned();
    let value = cookie.strip_prefix("aurora_session=").unwrap();
    let parts: Vec<&str> = value.split('.').collect();
    assert_eq!(parts.len(), 4);

    let later = format!("v1.99999999999.{}.{}", parts[2], parts[3]);
    let nonce = format!("v1.{}.AAAAAAAAAAAAAAAAAAAAAA.{}", parts[1], parts[3]);
    let swapped: String = value.chars().rev().collect();
    let bare = format!("{}.{}.{}.", parts[0], parts[1], parts[2]);
    for forged in [&later, &nonce, &swapped, &bare, &value[..value.len() - 1], "", "...", "v1"] {
        assert_eq!(with_cookie(&app, &format!("aurora_session={forged}")).await, 401, "{forged}");
    }
    // One of another server, which has another token.
    let elsewhere = TestApp::spawn().await;
    assert_eq!(with_cookie(&elsewhere, &cookie).await, 401);
    assert_eq!(with_cookie(&app, &cookie).await, 200);
}

#[tokio::test]
async fn another_sites_page_cannot_act_with_a_browsers_cookie() {
    let app = TestApp::spawn().await;
    let call = app.say("+15550100", "There is a fire").await;
    let cookie = log_in(&app).await.cookie().to_owned();
    let host = app.host_port();
    let own = format!("http://{host}");
    let from = async |headers: &[(&str, &str)]| {
        let path = format!("/api/call/{}/takeover", call.call());
        let mut request = app.request(Method::POST, &path).header("cookie", &cookie);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request.json(&json!({ "admin_id": "kim" }))).await
    };

    for foreign in [
        [("origin", "https://evil.example"), ("sec-fetch-mode", "cors")],
        [("origin", "null"), ("sec-fetch-mode", "cors")],
        [("origin", own.as_str()), ("sec-fetch-site", "cross-site")],
        [("origin", own.as_str()), ("sec-fetch-site", "same-site")],
        [("origin", "http://127.0.0.1.evil.example"), ("accept", "*/*")],
    ] {
        let got = from(&foreign).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (403, "forbidden"), "{foreign:?}");
    }
    assert_eq!(app.call(call.call()).await["call"]["status"], "ACTIVE");
    assert_eq!(from(&[("origin", &own), ("sec-fetch-site", "same-origin")]).await.status, 204);
    assert_eq!(from(&[("origin", &own)]).await.status, 204);
}

#[tokio::test]
async fn the_made_token_is_its_owners_alone_and_stays() {
    use std::os::unix::fs::PermissionsExt;
    let mut app = TestApp::spawn().await;
    let file = app.data_dir().join("admin.token");

    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), app.token);
    assert!(app.token.len() >= 32);
    let before = app.token.clone();
    app.restart().await;
    assert_eq!(app.token, before);

    app.set_env("AURORA_ADMIN_TOKEN", "a-token-of-the-sites-own");
    app.restart().await;
    assert_eq!(app.token, "a-token-of-the-sites-own");
    let old = app.request(Method::GET, "/api/sync").bearer_auth(before);
    assert_eq!(send(old).await.status, 401);
}
