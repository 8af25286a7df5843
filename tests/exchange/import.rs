//! What is imported is a call like any other.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fakes::rtdb::{NAMESPACE, Rtdb};
use crate::harness::{TestApp, wait_until};
use crate::support::{Published, call, export, import, import_text, is_empty, message, run};

const EXAMPLE: &str = include_str!("../../total.json.example");

fn folder() -> TempDir {
    TempDir::new().expect("there is a place for temporary files")
}

#[tokio::test]
async fn imported_calls_are_shown_mirrored_and_answered() {
    let dir = folder();
    let data = dir.path().join("new");
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/total.json.example");
    let said = run(&data, &["import", example]);
    assert!(said.is_done, "{}", said.err);
    assert_eq!(said.out, format!("Imported 2 calls with 5 messages from {example}.\n"));
    let rtdb = Rtdb::start();

    let app = TestApp::builder()
        .env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port())
        .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"))
        // These calls are from long ago.
        .env("AURORA_INACTIVITY_MINUTES", "10000")
        .data_dir(&data)
        .spawn()
        .await;

    let example: Value = serde_json::from_str(EXAMPLE).unwrap();
    assert_eq!(without_places(app.total().await), without_places(example.clone()));
    let alerts = app.total().await["alerts"].clone();
    assert_eq!(alerts[0]["call_id"], "call_01M7WD7TKV7WJ1PNX8MKYJ7Z6N", "{alerts}");
    assert_eq!(alerts.as_array().map(Vec::len), Some(1), "{alerts}");
    wait_until("the database has them", async || {
        app.get_json("/api/sync").await["state"] == "synced"
    })
    .await;
    for (id, conversation) in example["active_conversations"].as_object().unwrap() {
        for (message_id, message) in conversation["messages"].as_object().unwrap() {
            let there = rtdb.value(&format!("active_conversations/{id}/messages/{message_id}"));
            assert_eq!(there["content"], message["content"]);
        }
        let call = conversation["call_id"].as_str().unwrap();
        assert_eq!(rtdb.value(&format!("active_calls/{call}/conversation_id")), json!(id));
    }
    // The caller goes on in the same call.
    let form = json!({ "speech": "At the north gate", "ph_no": "+15550100",
        "call_sid": "CA0123456789abcdef0123456789abcdef" });
    let reply = app.post_json("/api/process-speech", &form).await.json();
    assert_eq!(reply["call_id"], "call_01M7WD7TKV7WJ1PNX8MKYJ7Z6N");
}

#[tokio::test]
async fn what_a_server_published_is_the_same_in_a_new_folder() {
    let mut app = TestApp::spawn().await;
    let held = app.say("+15550100", "There is a fire in the warehouse").await;
    app.say("+15550101", "Where is the \"canteen\"? \u{1F525}").await;
    let ended = app.say("+15550102", "When does the shift begin?").await;
    let path = |reply: &str, what: &str| format!("/api/call/{reply}/{what}");
    let kim = json!({ "admin_id": "Kim" });
    assert!(app.act(&path(held.call(), "takeover"), &kim).await.status < 300);
    let words = json!({ "admin_id": "Kim", "content": "Help is coming" });
    assert!(app.act(&path(held.call(), "message"), &words).await.status < 300);
    app.say("+15550100", "Thank you").await;
    assert!(app.act(&path(ended.call(), "end"), &kim).await.status < 300);
    let before = app.total().await;
    app.stop_gracefully();
    let file = app.data_dir().join("total.json");
    let dir = folder();

    let said = run(dir.path(), &["import", file.to_str().unwrap()]);

    assert!(said.is_done, "{}", said.err);
    let other = TestApp::builder().data_dir(dir.path()).spawn().await;
    assert_eq!(without_places(other.total().await), without_places(before));
}

#[test]
fn importing_again_changes_nothing() {
    let dir = folder();
    let file = Published::default()
        .with("old-1", "+15550100", &[("user", "Hello"), ("assistant", "Good morning")])
        .with("old-2", "+15550101", &[("user", "It smells of gas")])
        .json();
    import(dir.path(), &file);
    let first = export(dir.path(), &[]);

    let said = import(dir.path(), &file);

    assert!(said.out.contains("Imported 0 calls with 0 messages"), "{}", said.out);
    assert!(said.out.contains("2 calls were here already"), "{}", said.out);
    assert_eq!(export(dir.path(), &[]), first);
    let other = folder();
    import(other.path(), &file);
    assert_eq!(export(other.path(), &[]), first);
}

#[test]
fn a_file_of_an_older_system_is_brought_into_form() {
    let dir = folder();
    let mut file = Published::default().with("-NxAbC/1", "+15550100", &[]);
    file.calls["-NxAbC/1"]["timestamp"] = json!("2026-03-01T13:00:00+01:00");
    file.calls["-NxAbC/1"]["zone"] = json!({ "name": "North" });
    file.calls["-NxAbC/1"].as_object_mut().unwrap().remove("admin_id");
    file.conversations["conversation of -NxAbC/1"]["messages"] = json!({
        "-B": { "role": "assistant", "content": "second\u{7}", "sources": "",
            "timestamp": "2026-03-01T12:01:00Z" },
        "-A": { "role": "user", "content": "first", "sources": "",
            "timestamp": "2026-03-01T14:00:00+02:00" },
        "-C": { "role": "system", "content": "third", "sources": "", "colour": 1,
            "timestamp": "2026-03-01T12:01:00Z" },
    });
    file = file.with("gaps", "+15550101", &[("user", "one"), ("user", "two"), ("user", "three")]);
    let gaps = file.conversations["conversation of gaps"]["messages"].as_object_mut().unwrap();
    gaps.remove("msg_000001");
    file.calls["gaps"]["heard"] = json!("msg_000003");
    file.calls.insert("silent".to_owned(), call("silent", "+15550102"));
    let mut json = file.json();
    json["exported_by"] = json!("phones 1.0");

    let said = import(dir.path(), &json);

    for line in [
        "Imported 3 calls with 5 messages from standard input.",
        "3 calls had an id that is not Aurora's and got one made from it.",
        "2 conversations had messages numbered otherwise and count from 1.",
        "1 texts held control characters, which became blanks.",
        "1 calls had no conversation.",
        "3 fields were left out, which Aurora does not know: active_calls.*.zone (1), \
         active_conversations.*.messages.*.colour (1), exported_by (1).",
    ] {
        assert!(said.out.lines().any(|it| it == line), "{line}\n{}", said.out);
    }
    let calls = export(dir.path(), &["--caller", "+15550100"]);
    assert_eq!(calls[0]["timestamp"], "2026-03-01T12:00:00.000Z");
    assert_eq!(calls[0]["ended_at"], calls[0]["last_message_at"]);
    assert!(calls[0]["call_id"].as_str().unwrap().starts_with("call_01KJMM"), "{}", calls[0]);
    let said: Vec<_> = calls[0]["messages"].as_array().unwrap().iter().map(words).collect();
    assert_eq!(said, ["msg_000001 first", "msg_000002 second", "msg_000003 third"]);
    let gaps = &export(dir.path(), &["--caller", "+15550101"])[0];
    let said: Vec<_> = gaps["messages"].as_array().unwrap().iter().map(words).collect();
    assert_eq!(said, ["msg_000001 two", "msg_000002 three"]);
}

#[tokio::test]
async fn a_folder_that_a_server_uses_is_left_alone() {
    let app = TestApp::spawn().await;
    app.say("+15550100", "Hello").await;
    let before = app.total().await;
    let file = Published::default().with("old-1", "+15550101", &[("user", "Hello")]).json();

    let said = import_text(app.data_dir(), file.to_string().as_bytes(), &[]);

    assert!(!said.is_done);
    assert!(said.err.contains("is in use by another Aurora"), "{}", said.err);
    assert_eq!(app.total().await, before);
}

#[tokio::test]
async fn an_open_call_never_takes_the_place_of_another() {
    let mut app = TestApp::spawn().await;
    let here = app.say("+15550100", "There is a fire").await;
    app.stop_gracefully();
    let mut file = Published::default().with("old-1", "+15550100", &[("user", "Hello")]);
    file.calls["old-1"]["status"] = json!("ACTIVE");
    let text = file.json().to_string();

    let said = import_text(app.data_dir(), text.as_bytes(), &[]);

    assert!(!said.is_done);
    let claim = format!(
        "active_calls.old-1.status: the same caller has an open call here, {}: end that one, or \
         use --as-ended",
        here.call()
    );
    assert!(said.err.contains(&claim), "{}", said.err);
    assert_eq!(export(app.data_dir(), &[]).len(), 1);

    let said = import_text(app.data_dir(), text.as_bytes(), &["--as-ended"]);
    assert!(said.is_done, "{}", said.err);
    assert!(said.out.contains("1 open calls were stored as ended"), "{}", said.out);
    let calls = export(app.data_dir(), &[]);
    assert_eq!((&calls[0]["status"], &calls[1]["status"]), (&json!("ACTIVE"), &json!("ENDED")));
    app.restart().await;
    let again = app.say("+15550100", "In the kitchen").await;
    assert_eq!(again.call(), here.call());
}

#[test]
fn more_open_calls_than_a_server_may_have_are_refused() {
    let dir = folder();
    let mut file = Published::default();
    for n in 0..3 {
        let (key, number) = (format!("old-{n}"), format!("+1555010{n}"));
        file = file.with(&key, &number, &[("user", "Hello")]);
        file.calls[&key]["status"] = json!("ACTIVE");
    }
    let path = dir.path().join("file.json");
    fs::write(&path, file.json().to_string()).unwrap();
    let data = dir.path().join("data");

    let output = crate::support::aurora(&data)
        .env("AURORA_MAX_OPEN_CALLS", "2")
        .args(["import", path.to_str().unwrap()])
        .output()
        .unwrap();

    let said = crate::support::Said::from(output);
    assert!(!said.is_done);
    let claim = "active_calls: 3 calls would be open, and AURORA_MAX_OPEN_CALLS allows 2";
    assert!(said.err.contains(claim), "{}", said.err);
    assert!(is_empty(&data));
}

#[test]
fn a_call_of_more_messages_than_one_record_holds_is_refused() {
    let dir = folder();
    let mut file = Published::default().with("long", "+15550100", &[]);
    let long = "x".repeat(16_000);
    let messages = file.conversations["conversation of long"]["messages"].as_object_mut().unwrap();
    for n in 1..=1_100 {
        messages.insert(format!("msg_{n:06}"), message("user", &long));
    }

    let said = import_text(dir.path(), file.json().to_string().as_bytes(), &[]);

    assert!(!said.is_done);
    let claim = "active_conversations.conversation of long.messages: holds more than 100000 \
                 messages or 16 MiB: divide the call";
    assert!(said.err.contains(claim), "{}", said.err);
    assert!(is_empty(dir.path()));
}

/// `msg_000001 Hello`
fn words(message: &Value) -> String {
    let text = |name: &str| message[name].as_str().expect("a text").to_owned();
    format!("{} {}", text("message_id"), text("content"))
}

/// Calls and conversations without what depends on the journal and the mirror.
fn without_places(mut total: Value) -> (Value, Value) {
    for (_, call) in total["active_calls"].as_object_mut().expect("calls") {
        let call = call.as_object_mut().expect("a call is an object");
        call.retain(|name, _| !["last_seq", "sync_status", "edits"].contains(&name.as_str()));
    }
    for (_, conversation) in total["active_conversations"].as_object_mut().expect("conversations") {
        conversation.as_object_mut().expect("an object").remove("sync_status");
    }
    (total["active_calls"].take(), total["active_conversations"].take())
}
