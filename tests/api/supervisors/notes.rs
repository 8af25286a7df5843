//! What supervisors write about calls: while they go on, when they are over, and when only the
//! archive still has them.

use serde_json::{Value, json};

use crate::harness::{Got, TestApp, problem_code, wait_until};

async fn note(app: &TestApp, call: &str, text: &str) -> Got {
    let body = json!({ "admin_id": "kim", "admin_notes": text });
    app.act(&format!("/api/call/{call}/notes"), &body).await
}

async fn conclude(app: &TestApp, call: &str, text: &str) -> Got {
    let body = json!({ "admin_id": "kim", "final_action": text });
    app.act(&format!("/api/call/{call}/final-action"), &body).await
}

/// What was written about it, in the order in which that happened.
async fn deeds(app: &TestApp, call: &str) -> Vec<(String, String, String)> {
    // Which tells of them.
    app.until_archived().await;
    let transcript = app.get_json(&format!("/api/calls/{call}/conversation")).await;
    let actions = transcript["actions"].as_array().expect("a list");
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let written = actions.iter().filter(|it| it["action"] != "end");
    written.map(|it| (text(&it["action"]), text(&it["value"]), text(&it["by"]))).collect()
}

#[tokio::test]
async fn notes_are_written_changed_and_taken_away_and_everybody_sees_it() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "There is a fire").await;
    let id = reply.call();
    let mut board = app.board().await;
    board.until("initial").await;

    assert_eq!(note(&app, id, " Two people.\r\nHall 3. ").await.status, 204);
    let told = board.until("call_updated").await.data;
    assert_eq!(
        (&told["admin_notes"], &told["by"]),
        (&json!("Two people.\nHall 3."), &json!("kim"))
    );
    assert_eq!(conclude(&app, id, "Ambulance sent").await.status, 204);
    assert_eq!(board.until("call_updated").await.data["final_action"], "Ambulance sent");
    let call = app.call(id).await["call"].clone();
    assert_eq!(call["admin_notes"], "Two people.\nHall 3.");
    assert_eq!(call["final_action"], "Ambulance sent");

    assert_eq!(note(&app, id, "Two people.\nHall 3.").await.status, 204, "twice is once");
    assert_eq!(note(&app, id, "").await.status, 204);
    assert_eq!(board.until("call_updated").await.data["admin_notes"], "", "and not a repetition");
    assert_eq!(app.call(id).await["call"].get("admin_notes"), None);
    let written = |what: &str, text: &str| (what.to_owned(), text.to_owned(), "kim".to_owned());
    assert_eq!(
        deeds(&app, id).await,
        [
            written("admin_notes", "Two people.\nHall 3."),
            written("final_action", "Ambulance sent"),
            written("admin_notes", ""),
        ]
    );
}

#[tokio::test]
async fn a_call_that_is_over_is_written_about_also_when_only_the_archive_has_it() {
    let app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let reply = app.say("+15550100", "There is a fire").await;
    let id = reply.call();
    let end = format!("/api/call/{id}/end");
    assert_eq!(app.act(&end, &json!({ "admin_id": "kim" })).await.status, 200);

    assert_eq!(note(&app, id, "False alarm").await.status, 204, "in the state or not any more");
    wait_until("the call has left", async || app.total().await["active_calls"].get(id).is_none())
        .await;
    assert_eq!(conclude(&app, id, "Nothing to do").await.status, 204);
    assert_eq!(conclude(&app, id, "Nothing to do").await.status, 204, "twice is once");

    let call = app.call(id).await["call"].clone();
    assert_eq!(
        (&call["admin_notes"], &call["final_action"]),
        (&json!("False alarm"), &json!("Nothing to do"))
    );
    assert_eq!(deeds(&app, id).await.len(), 2);
    assert_eq!(note(&app, id, "").await.status, 204);
    assert_eq!(app.call(id).await["call"].get("admin_notes"), None);
}

#[tokio::test]
async fn what_cannot_be_written_is_refused_with_the_reason() {
    let app = TestApp::spawn().await;
    let reply = app.say("+15550100", "There is a fire").await;
    let id = reply.call();
    let before = app.total().await;
    let notes = format!("/api/call/{id}/notes");

    let long = note(&app, id, &"x".repeat(4_001)).await;
    assert_eq!((long.status, problem_code(&long).as_str()), (422, "invalid-request"));
    let detail = long.json()["detail"].clone();
    assert_eq!(detail, "`admin_notes` is 4001 bytes long; at most 4000 are accepted");
    for body in [
        json!({ "admin_id": "kim" }),
        json!({ "admin_id": "kim", "final_action": "not notes" }),
        json!({ "admin_notes": "whose?" }),
        json!({ "admin_id": "kim", "admin_notes": 7 }),
    ] {
        let got = app.act(&notes, &body).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (422, "invalid-request"), "{body}");
    }
    let unknown = note(&app, "call_01JD0000000000000000000000", "Who?").await;
    assert_eq!((unknown.status, problem_code(&unknown).as_str()), (404, "call-not-found"));
    let stranger = app.post_json(&notes, &json!({ "admin_id": "kim", "admin_notes": "x" })).await;
    assert_eq!(stranger.status, 401);

    assert_eq!(app.total().await, before);
}
