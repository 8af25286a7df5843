//! What supervisors do to calls, and what they are told when they can't.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Got, TestApp, problem_code};

const ACTIONS: [&str; 5] = ["takeover", "message", "handback", "urgency", "end"];

/// What each action needs, by this person.
fn by(admin: &str) -> Value {
    json!({ "admin_id": admin, "content": "I am here.", "urgency": "urgent" })
}

async fn act(app: &TestApp, call: &str, action: &str, admin: &str) -> Got {
    app.act(&format!("/api/call/{call}/{action}"), &by(admin)).await
}

fn assert_problem(got: &Got, status: u16, code: &str) {
    assert_eq!((got.status, problem_code(got).as_str()), (status, code));
}

#[tokio::test]
async fn a_call_is_taken_over_spoken_to_handed_back_and_ended() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "The machine makes a strange noise").await;
    let id = reply.call();
    let mut board = app.board().await;
    board.until("initial").await;

    assert_eq!(act(&app, id, "takeover", "kim").await.status, 204);
    let taken = board.until("call_updated").await.data;
    assert_eq!(
        (&taken["status"], &taken["admin_id"], &taken["by"]),
        (&json!("TAKEOVER"), &json!("kim"), &json!("kim"))
    );
    assert_eq!(app.call(id).await["call"]["admin_id"], "kim");

    assert_eq!(act(&app, id, "message", "kim").await.status, 204);
    let said = board.until("new_messages").await.data;
    assert_eq!(said["messages"][0]["role"], "admin");
    assert_eq!((&said["call_id"], &said["total_messages"]), (&json!(id), &json!(3)));

    let urgency = json!({ "admin_id": "kim", "urgency": "critical" });
    assert_eq!(app.act(&format!("/api/call/{id}/urgency"), &urgency).await.status, 204);
    assert_eq!(board.until("call_updated").await.data["urgency"], "CRITICAL");

    assert_eq!(act(&app, id, "handback", "kim").await.status, 204);
    let back = board.until("call_updated").await.data;
    assert_eq!((&back["status"], &back["admin_id"]), (&json!("ACTIVE"), &Value::Null));

    let ended = act(&app, id, "end", "kim").await;
    assert_eq!((ended.status, &ended.json()["status"]), (200, &json!("ENDED")));
    let told = board.until("ended").await.data;
    assert_eq!((&told["reason"], &told["by"]), (&json!("supervisor"), &json!("kim")));
    let next = app.say("+15550100", "Hello?").await;
    assert_ne!(next.call_id, reply.call_id);
}

#[tokio::test]
async fn of_two_supervisors_at_once_one_holds_the_call() {
    let app = TestApp::spawn().await;
    for round in 0..5 {
        let reply = app.say(&format!("+1555{round}"), "There is a fire").await;
        let id = reply.call();
        let names: Vec<String> = (0..10).map(|n| format!("admin{n}")).collect();

        let taken = join_all(names.iter().map(|it| act(&app, id, "takeover", it))).await;

        let holder = app.call(id).await["call"]["admin_id"].as_str().unwrap().to_owned();
        for (name, got) in names.iter().zip(&taken) {
            if *name == holder {
                assert_eq!(got.status, 204);
            } else {
                assert_problem(got, 409, "call-held");
                assert!(got.json()["detail"].as_str().unwrap().contains(&holder), "by whom");
                assert_problem(&act(&app, id, "message", name).await, 409, "call-held");
            }
        }
        assert_eq!(act(&app, id, "takeover", &holder).await.status, 204, "twice is once");
        assert_eq!(act(&app, id, "message", &holder).await.status, 204);
    }
}

#[tokio::test]
async fn nobody_speaks_in_a_call_that_nobody_holds() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "There is a fire").await;

    assert_problem(&act(&app, reply.call(), "message", "kim").await, 409, "call-not-held");

    assert_eq!(app.messages(reply.conversation()).await.len(), 2);
    assert_eq!(act(&app, reply.call(), "handback", "kim").await.status, 204, "as it was");
}

#[tokio::test]
async fn a_call_that_ended_stays_as_it_is() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "There is a fire").await;
    let id = reply.call();
    assert_eq!(act(&app, id, "end", "kim").await.status, 200);
    let before = app.call(id).await;

    for action in ACTIONS.into_iter().filter(|it| *it != "end") {
        assert_problem(&act(&app, id, action, "kim").await, 409, "call-ended");
    }
    let again = act(&app, id, "end", "sam").await;

    assert_eq!((again.status, &again.json()["status"]), (200, &json!("ENDED")));
    assert_eq!(app.call(id).await, before);
}

#[tokio::test]
async fn what_is_not_known_or_not_complete_is_refused() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "There is a fire").await;
    let id = reply.call();
    for action in ACTIONS {
        let unknown = act(&app, "call_01JD0000000000000000000000", action, "kim").await;
        assert_problem(&unknown, 404, "call-not-found");
    }
    let before = app.total().await;
    for (action, body) in [
        ("takeover", json!({})),
        ("takeover", json!({ "admin_id": "" })),
        ("takeover", json!({ "admin_id": 7 })),
        ("takeover", json!({ "admin_id": "x".repeat(65) })),
        ("takeover", json!({ "admin_id": "a\u{202E}b" })),
        ("message", json!({ "admin_id": "kim" })),
        ("message", json!({ "admin_id": "kim", "content": "  " })),
        ("message", json!({ "content": "I am here." })),
        ("urgency", json!({ "admin_id": "kim", "urgency": "fatal" })),
        ("urgency", json!({ "admin_id": "kim" })),
        ("end", json!({ "admin_id": "" })),
    ] {
        let got = app.act(&format!("/api/call/{id}/{action}"), &body).await;
        assert_problem(&got, 422, "invalid-request");
    }
    assert_eq!(app.total().await, before);
}

#[tokio::test]
async fn a_critical_call_raises_an_alert_until_somebody_has_seen_it() {
    let app = TestApp::spawn().await;
    let mut board = app.board().await;
    board.until("initial").await;
    let reply = app.say("+15550100", "There is a fire").await;
    let alert = board.until("alert").await.data;
    assert_eq!(
        (&alert["call_id"], &alert["kind"]),
        (&json!(reply.call()), &json!("critical_call"))
    );
    let path = format!("/api/alerts/{}/acknowledge", alert["alert_id"].as_str().unwrap());

    assert_problem(&app.act(&path, &json!({})).await, 422, "invalid-request");
    assert_eq!(app.act(&path, &by("kim")).await.status, 204);
    assert_problem(&app.act(&path, &by("sam")).await, 404, "alert-not-found");

    let seen = board.until("alert_acknowledged").await.data;
    assert_eq!((&seen["alert_id"], &seen["by"]), (&alert["alert_id"], &json!("kim")));
    // Whoever takes a call over has seen its alert.
    let other = app.say("+15550101", "I smell gas").await;
    let alert = board.until("alert").await.data;
    assert_eq!(act(&app, other.call(), "takeover", "kim").await.status, 204);
    let seen = board.until("alert_acknowledged").await.data;
    assert_eq!(seen["alert_id"], alert["alert_id"]);
    assert_eq!(app.total().await["alerts"], json!([]));
}
