//! The live streams tell what happens, in the shapes that dashboards are written against.

use serde_json::{Value, json};

use crate::harness::{Event, EventStream, Reply, TestApp};

const FIRE: &str = "There is a fire in the warehouse";
const CALLER: &str = "+15550100";

/// Acts on a call as a supervisor.
pub async fn act(app: &TestApp, call: &str, what: &str, body: Value) {
    let got = app.act(&format!("/api/call/{call}/{what}"), &body).await;
    assert!(matches!(got.status, 200 | 204), "{what}: {}", got.text());
}

pub async fn hang_up(app: &TestApp, number: &str) {
    let got = app.post_json("/api/hang-up", &json!({ "ph_no": number })).await;
    assert_eq!(got.status, 204, "{}", got.text());
}

/// Everything that can happen to a call, from its first words to its end.
pub async fn whole_life(app: &TestApp, number: &str) -> Reply {
    let reply = app.say(number, FIRE).await;
    let call = reply.call();
    act(app, call, "takeover", json!({ "admin_id": "Kim" })).await;
    act(app, call, "message", json!({ "admin_id": "Kim", "content": "Help is coming" })).await;
    app.say(number, "Thank you").await;
    act(app, call, "urgency", json!({ "admin_id": "Kim", "urgency": "urgent" })).await;
    act(app, call, "handback", json!({ "admin_id": "Kim" })).await;
    hang_up(app, number).await;
    reply
}

/// # Panics
/// If the object lacks one of them.
fn assert_has(object: &Value, fields: &[&str]) {
    for field in fields {
        assert!(object.get(field).is_some(), "{field} is missing in {object}");
    }
}

fn assert_is_message(message: &Value) {
    assert_has(message, &["message_id", "role", "content", "timestamp", "sources"]);
}

/// The changes that a stream tells until it tells the call's end, without control events.
async fn until_ended(stream: &mut EventStream) -> Vec<Event> {
    let mut changes = Vec::new();
    loop {
        let event = stream.next().await.expect("the stream goes on");
        let is_last = event.name == "ended";
        if event.id.is_some() {
            changes.push(event);
        }
        if is_last {
            return changes;
        }
    }
}

#[tokio::test]
async fn a_conversation_stream_begins_with_all_that_was_said() {
    let app = TestApp::spawn().await;
    let reply = app.say(CALLER, FIRE).await;

    let first = app.listen(reply.conversation()).await.next().await.expect("it begins");

    assert_eq!(first.name, "initial");
    assert!(first.id.is_some());
    let fields = [
        "conversation_id",
        "call_id",
        "worker_id",
        "mobile_no",
        "urgency",
        "status",
        "medium",
        "timestamp",
        "admin_id",
        "messages",
        "total_messages",
    ];
    assert_has(&first.data, &fields);
    assert_eq!(first.data["total_messages"], 2);
    first.data["messages"].as_array().expect("a list").iter().for_each(assert_is_message);
    let path = format!("/api/conversation/{}", reply.conversation());
    assert_eq!(first.data, app.get_json(&path).await);
}

#[tokio::test]
async fn the_board_begins_with_all_open_calls_and_alerts() {
    let app = TestApp::spawn().await;
    let ended = app.say("+15550101", "Hello").await;
    hang_up(&app, "+15550101").await;
    let reply = app.say(CALLER, FIRE).await;

    let first = app.board().await.next().await.expect("it begins");

    assert_eq!(first.name, "initial");
    let calls = first.data["calls"].as_array().expect("a list");
    assert_eq!(calls.len(), 1, "{} has ended", ended.call());
    let fields = [
        "call_id",
        "worker_id",
        "mobile_no",
        "conversation_id",
        "urgency",
        "status",
        "timestamp",
        "medium",
        "last_message_at",
        "admin_id",
        "sync_status",
    ];
    assert_has(&calls[0], &fields);
    assert_eq!(calls[0]["call_id"], reply.call());
    let alerts = first.data["alerts"].as_array().expect("a list");
    assert_eq!(alerts.len(), 1);
    assert_has(&alerts[0], &["alert_id", "kind", "call_id", "detail", "at"]);
}

#[tokio::test]
async fn both_streams_tell_a_whole_call_in_the_same_order_with_the_same_ids() {
    let app = TestApp::spawn().await;
    let mut board = app.board().await;
    board.until("initial").await;
    let first = app.say(CALLER, "Hello").await;
    let mut conversation = app.listen(first.conversation()).await;
    conversation.until("initial").await;

    whole_life(&app, CALLER).await;

    let (seen, heard) = (until_ended(&mut board).await, until_ended(&mut conversation).await);
    let names: Vec<&str> = heard.iter().map(|it| it.name.as_str()).collect();
    let expected = [
        "new_messages",
        "call_updated",
        "new_messages",
        "call_updated",
        "new_messages",
        "new_messages",
        "call_updated",
        "call_updated",
        "ended",
    ];
    assert_eq!(names, expected);
    for event in &heard {
        assert!(seen.contains(event), "the board has not seen {event:?}");
    }
    let ids: Vec<_> = seen.iter().filter_map(|it| it.id.as_deref()).map(seq).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}

fn seq(id: &str) -> u64 {
    id.rsplit_once('-').and_then(|it| it.1.parse().ok()).expect("an id is a position")
}

#[tokio::test]
async fn every_change_has_its_shape() {
    let app = TestApp::spawn().await;
    let mut board = app.board().await;
    board.until("initial").await;

    let reply = whole_life(&app, CALLER).await;

    let seen = until_ended(&mut board).await;
    let first = |name: &str, so: &dyn Fn(&Value) -> bool| {
        let found = seen.iter().find(|it| it.name == name && so(&it.data));
        found.unwrap_or_else(|| panic!("no such `{name}` in {seen:?}")).data.clone()
    };
    let started = first("call_started", &|_| true);
    let fields =
        ["call_id", "conversation_id", "worker_id", "mobile_no", "urgency", "status", "medium"];
    assert_has(&started, &fields);
    assert_eq!(started["worker_id"], "worker_15550100");
    assert_eq!((&started["urgency"], &started["status"]), (&json!("CRITICAL"), &json!("ACTIVE")));
    for event in seen.iter().filter(|it| it.name == "new_messages") {
        assert_eq!(event.data["conversation_id"], reply.conversation());
        let messages = event.data["messages"].as_array().expect("a list");
        messages.iter().for_each(assert_is_message);
        let last = messages.last().expect("at least one")["message_id"].as_str();
        let total = event.data["total_messages"].as_u64().expect("a number");
        assert_eq!(last, Some(format!("msg_{total:06}").as_str()));
    }
    let taken = first("call_updated", &|it| it["status"] == "TAKEOVER");
    assert_eq!((&taken["admin_id"], &taken["call_id"]), (&json!("Kim"), &json!(reply.call())));
    let lowered = first("call_updated", &|it| it.get("urgency").is_some());
    assert_eq!((&lowered["urgency"], &lowered["by"]), (&json!("URGENT"), &json!("Kim")));
    let back = first("call_updated", &|it| it["status"] == "ACTIVE");
    assert_eq!(back.get("admin_id"), Some(&Value::Null));
    let ended = first("ended", &|_| true);
    assert_eq!(ended["reason"], "caller_hung_up");
    assert_has(&ended, &["call_id", "conversation_id", "timestamp"]);
}

#[tokio::test]
async fn an_alert_is_told_until_somebody_acknowledges_it() {
    let app = TestApp::spawn().await;
    let mut board = app.board().await;
    let reply = app.say(CALLER, FIRE).await;

    let alert = board.until("alert").await;
    assert_has(&alert.data, &["alert_id", "kind", "call_id", "detail", "at"]);
    assert_eq!(alert.data["call_id"], reply.call());
    let id = alert.data["alert_id"].as_str().expect("an id");
    let path = format!("/api/alerts/{id}/acknowledge");
    let got = app.act(&path, &json!({ "admin_id": "Kim" })).await;
    assert_eq!(got.status, 204, "{}", got.text());

    let acknowledged = board.until("alert_acknowledged").await;
    assert_eq!(
        (&acknowledged.data["alert_id"], &acknowledged.data["by"]),
        (&json!(id), &json!("Kim"))
    );
    let initial = app.board().await.until("initial").await;
    assert_eq!(initial.data["alerts"], json!([]));
}

#[tokio::test]
async fn the_board_is_told_of_the_mirror() {
    let rtdb = crate::fakes::rtdb::Rtdb::start();
    let app = crate::mirroring::mirrored(&rtdb).spawn().await;
    let mut board = app.board().await;

    app.say(CALLER, FIRE).await;

    let is_done = |it: &Value| it["state"] == "synced" && it["acked_seq"].as_u64() >= Some(4);
    let told = board.until_so("sync", is_done).await;
    assert_eq!(told.id, None, "a control event is no part of the order");
    let mut sync = crate::mirroring::sync(&app).await;
    // Moves with every request: it is for those who ask.
    assert!(sync.as_object_mut().unwrap().remove("cost").is_some());
    assert_eq!(told.data, sync);
}
