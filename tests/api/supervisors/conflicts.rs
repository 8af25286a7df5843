//! Values that went under because somebody changed them in the database at the same time: shown,
//! put back, let go of.

use aurora::domain::Field;
use serde_json::{Value, json};

use crate::harness::{Elsewhere, Got, TestApp, problem_code};

async fn act(app: &TestApp, call: &str, verb: &str, body: Value) {
    let got = app.act(&format!("/api/call/{call}/{verb}"), &body).await;
    assert!(got.status < 300, "{verb}: {}", got.text());
}

async fn conflicts(app: &TestApp) -> Vec<Value> {
    app.get_json("/api/conflicts").await["conflicts"].as_array().expect("a list").clone()
}

async fn settle(app: &TestApp, conflict: &Value, verb: &str) -> Got {
    let id = conflict["conflict_id"].as_str().expect("an id");
    app.act(&format!("/api/conflicts/{id}/{verb}"), &json!({ "admin_id": "lee" })).await
}

fn assert_problem(got: &Got, status: u16, code: &str) {
    assert_eq!((got.status, problem_code(got).as_str()), (status, code), "{}", got.text());
}

/// Notes and urgency changed here by Kim, and there by Sam.
async fn two_conflicts(app: &mut TestApp) -> String {
    let call = app.say("+15550100", "There is a fire").await.call().to_owned();
    act(app, &call, "notes", json!({ "admin_id": "kim", "admin_notes": "Two people" })).await;
    act(app, &call, "urgency", json!({ "admin_id": "kim", "urgency": "urgent" })).await;
    act(app, &call, "urgency", json!({ "admin_id": "kim", "urgency": "critical" })).await;
    let there =
        |field, value, before_ms| Elsewhere { call: &call, field, value, by: "sam", before_ms };
    // The notes are older than Kim's; the urgency is newer, and lower.
    app.edited_elsewhere(&[
        there(Field::AdminNotes, "One person", 60_000),
        there(Field::Urgency, "NORMAL", -60_000),
    ])
    .await;
    call
}

#[tokio::test]
async fn a_conflict_is_shown_with_both_values_and_put_back_by_a_named_person() {
    let mut app = TestApp::spawn().await;
    let call = two_conflicts(&mut app).await;
    let mut board = app.board().await;
    let initial = board.until("initial").await.data;

    let [notes, urgency] = &conflicts(&app).await[..] else { panic!("not two") };
    assert_eq!(initial["conflicts"], json!([notes, urgency]));
    assert_eq!((&notes["field"], &notes["why"]), (&json!("admin_notes"), &json!("older")));
    assert_eq!(
        (&notes["kept"]["value"], &notes["kept"]["by"]),
        (&json!("Two people"), &json!("kim"))
    );
    assert_eq!(notes["lost"]["value"], "One person");
    assert_eq!(
        (&notes["lost"]["by"], &notes["lost"]["source"]),
        (&json!("sam"), &json!("firebase"))
    );
    assert_eq!((&urgency["why"], &urgency["lost"]["value"]), (&json!("safety"), &json!("NORMAL")));
    assert_eq!(app.call(&call).await["call"]["urgency"], "CRITICAL", "it never falls by itself");

    assert_eq!(settle(&app, notes, "restore").await.status, 204);
    let update = board.until("call_updated").await.data;
    assert_eq!((&update["admin_notes"], &update["by"]), (&json!("One person"), &json!("lee")));
    let settled = board.until("conflict_settled").await.data;
    assert_eq!((&settled["is_restored"], &settled["by"]), (&json!(true), &json!("lee")));
    assert_eq!(settle(&app, urgency, "restore").await.status, 204);
    let call_now = app.call(&call).await["call"].clone();
    assert_eq!(
        (&call_now["urgency"], &call_now["admin_notes"]),
        (&json!("NORMAL"), &json!("One person"))
    );

    assert_eq!(conflicts(&app).await, Vec::<Value>::new());
    for verb in ["restore", "dismiss"] {
        assert_problem(&settle(&app, notes, verb).await, 404, "conflict-not-found");
    }
    let transcript = app.get_json(&format!("/api/calls/{call}/conversation")).await;
    let actions = transcript["actions"].as_array().expect("a list");
    let of = |what: &str| actions.iter().find(|it| it["action"] == what).expect(what);
    assert_eq!(
        (&of("conflict")["source"], &of("conflict")["by"]),
        (&json!("firebase"), &json!("sam"))
    );
    assert_eq!(
        (&of("conflict_restored")["source"], &of("conflict_restored")["by"]),
        (&Value::Null, &json!("lee"))
    );
}

#[tokio::test]
async fn a_conflict_is_let_go_of_and_what_was_kept_stays() {
    let mut app = TestApp::spawn().await;
    let call = two_conflicts(&mut app).await;
    let open = conflicts(&app).await;
    let nobody = format!("/api/conflicts/{}/dismiss", open[0]["conflict_id"].as_str().unwrap());
    assert_problem(&app.act(&nobody, &json!({})).await, 422, "invalid-request");

    for conflict in &open {
        assert_eq!(settle(&app, conflict, "dismiss").await.status, 204);
    }

    let call = app.call(&call).await["call"].clone();
    assert_eq!(
        (&call["urgency"], &call["admin_notes"]),
        (&json!("CRITICAL"), &json!("Two people"))
    );
    app.restart().await;
    assert_eq!(conflicts(&app).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_cannot_be_put_back_any_more_is_refused_with_the_reason() {
    let mut app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let call = app.say("+15550100", "There is a fire").await.call().to_owned();
    act(&app, &call, "takeover", json!({ "admin_id": "kim" })).await;
    act(&app, &call, "notes", json!({ "admin_id": "kim", "admin_notes": "Two people" })).await;
    let there =
        |field, value| Elsewhere { call: &call, field, value, by: "sam", before_ms: 60_000 };
    app.edited_elsewhere(&[
        there(Field::AdminId, "sam"),
        there(Field::Urgency, "NORMAL"),
        there(Field::AdminNotes, "One person"),
    ])
    .await;
    let open = conflicts(&app).await;
    let of = |field: &str| open.iter().find(|it| it["field"] == field).expect(field);

    let held = settle(&app, of("admin_id"), "restore").await;
    assert_problem(&held, 409, "call-held");
    assert!(held.text().contains("kim"), "by whom: {}", held.text());
    assert_eq!(conflicts(&app).await.len(), open.len(), "it waits still");
    act(&app, &call, "handback", json!({ "admin_id": "kim" })).await;
    assert_eq!(settle(&app, of("admin_id"), "restore").await.status, 204);
    let now = app.call(&call).await["call"].clone();
    assert_eq!((&now["status"], &now["admin_id"]), (&json!("TAKEOVER"), &json!("sam")));

    act(&app, &call, "end", json!({ "admin_id": "kim" })).await;
    crate::harness::wait_until("the call has left", async || {
        app.total().await["active_calls"].get(&call).is_none()
    })
    .await;
    // What was written about a call can be put back for as long as there is the call.
    assert_eq!(settle(&app, of("admin_notes"), "restore").await.status, 204);
    assert_eq!(app.call(&call).await["call"]["admin_notes"], "One person");
}

#[tokio::test]
async fn a_deletion_that_went_under_is_put_back_once_the_call_allows_it() {
    let mut app = TestApp::spawn().await;
    let open = app.say("+15550100", "There is a fire").await.call().to_owned();
    let over = app.say("+15550101", "Hello").await.call().to_owned();
    act(&app, &over, "end", json!({ "admin_id": "kim" })).await;
    let hold = async |app: &TestApp, on: bool| {
        let body = json!({ "admin_id": "kim", "legal_hold": on });
        let got = app.act(&format!("/api/calls/{over}/hold"), &body).await;
        assert_eq!(got.status, 200, "{}", got.text());
    };
    hold(&app, true).await;
    let deleted = |call| Elsewhere {
        call,
        field: Field::DeletedAt,
        value: "deleted",
        by: "sam",
        before_ms: 0,
    };
    app.edited_elsewhere(&[deleted(&open), deleted(&over)]).await;
    let [goes_on, held] = &conflicts(&app).await[..] else { panic!("not two") };
    assert_eq!((&goes_on["why"], &held["why"]), (&json!("refused"), &json!("refused")));

    assert_problem(&settle(&app, goes_on, "restore").await, 409, "call-open");
    assert_problem(&settle(&app, held, "restore").await, 409, "legal-hold");
    assert_eq!(app.call(&over).await["call"].get("deleted_at"), None);
    hold(&app, false).await;
    assert_eq!(settle(&app, held, "restore").await.status, 204);

    assert!(app.call(&over).await["call"]["deleted_at"].is_string());
    assert_eq!(conflicts(&app).await, std::slice::from_ref(goes_on));
}

#[tokio::test]
async fn what_was_done_and_said_in_firebase_is_marked_so() {
    let mut app = TestApp::spawn().await;
    let call = app.say("+15550100", "There is a fire").await.call().to_owned();
    let taken =
        Elsewhere { call: &call, field: Field::AdminId, value: "sam", by: "sam", before_ms: 0 };
    app.edited_elsewhere(&[taken]).await;
    app.said_elsewhere(&call, "-OAbcdefghijklmnopq_", "Stay at the gate").await;

    let transcript = app.get_json(&format!("/api/calls/{call}/conversation")).await;

    let messages = transcript["messages"].as_array().expect("a list");
    let places: Vec<_> = messages.iter().map(|it| it.get("source")).collect();
    assert_eq!(places, [None, None, Some(&json!("firebase"))]);
    let takeover = &transcript["actions"][0];
    assert_eq!((&takeover["action"], &takeover["by"]), (&json!("takeover"), &json!("sam")));
    assert_eq!(takeover["source"], "firebase");
    assert_eq!(conflicts(&app).await, Vec::<Value>::new());
}
