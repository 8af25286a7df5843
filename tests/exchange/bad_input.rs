//! Whatever a file holds: what is wrong is told with its path, and nothing is stored.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Published, import_text, is_empty, run};

const CALL: &str = "call_01KJMR8P000000000000000001";
const CONVERSATION: &str = "conv_01KJMR8P000000000000000001";

fn good() -> Value {
    Published::default()
        .with(CALL, "+15550100", &[("user", "Hello"), ("assistant", "Good morning")])
        .json()
}

/// A good file but for one value.
fn with(pointer: &str, value: Value) -> String {
    let mut file = good();
    match file.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            file.pointer_mut(parent).expect("its parent is there")[name] = value;
        }
    }
    file.to_string()
}

fn without(pointer: &str) -> String {
    let mut file = good();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = file.pointer_mut(parent).expect("its parent is there");
    parent.as_object_mut().expect("an object").remove(name).expect("it was there");
    file.to_string()
}

#[test]
fn every_wrong_value_is_told_with_its_path() {
    let call = |field: &str| format!("/active_calls/{CALL}/{field}");
    let said =
        |field: &str| format!("/active_conversations/{CONVERSATION}/messages/msg_000002/{field}");
    let of_call = |field: &str| format!("active_calls.{CALL}.{field}");
    let of_message =
        |field: &str| format!("active_conversations.{CONVERSATION}.messages.msg_000002.{field}");
    let mut cases = vec![
        ("[]".to_owned(), "the file: must be an object, not a list".to_owned()),
        ("{}".to_owned(), "the file: has neither active_calls nor active_conversations".to_owned()),
        (with("/active_calls", json!([1])), "active_calls: must be an object, not a list".into()),
        (
            with("/active_conversations", json!("x")),
            "active_conversations: must be an object, not a text".into(),
        ),
        (
            with(&format!("/active_conversations/{CONVERSATION}"), json!(null)),
            format!("active_conversations.{CONVERSATION}: must be an object, not null"),
        ),
        (
            with(&format!("/active_conversations/{CONVERSATION}/messages"), json!(["x"])),
            format!("active_conversations.{CONVERSATION}.messages: must be an object, not a list"),
        ),
        (
            with(&format!("/active_conversations/{CONVERSATION}/call_id"), json!(7)),
            format!("active_conversations.{CONVERSATION}.call_id: must be a text, not a number"),
        ),
        (
            with(&format!("/active_conversations/{CONVERSATION}/call_id"), json!("call_2")),
            format!("active_conversations.{CONVERSATION}.call_id: names no call of this file"),
        ),
        (
            without(&format!("/active_conversations/{CONVERSATION}/call_id")),
            format!("active_conversations.{CONVERSATION}.call_id: is missing"),
        ),
        (
            without(&format!("/active_calls/{CALL}")),
            format!("active_conversations.{CONVERSATION}.call_id: names no call of this file"),
        ),
        (
            with(&call("conversation_id"), json!("conv_2")),
            of_call(&format!(
                "conversation_id: names another conversation than \
                 active_conversations.{CONVERSATION}"
            )),
        ),
        (with(&call("urgency"), json!("HIGH")), of_call("urgency: must be one of CRITICAL")),
        (with(&call("status"), json!("OPEN")), of_call("status: must be one of ACTIVE")),
        (with(&call("medium"), json!("Fax")), of_call("medium: must be one of Voice and Text")),
        (with(&call("timestamp"), json!(1)), of_call("timestamp: must be a text, not a number")),
        (
            with(&call("timestamp"), json!("2026-03-01T12:00:00")),
            of_call("timestamp: must be a time with its offset"),
        ),
        (
            with(&call("last_message_at"), json!("1815-12-10T00:00:00Z")),
            of_call("last_message_at: must lie in the years 1970 to 9999"),
        ),
        (with(&call("mobile_no"), json!("")), of_call("mobile_no: must not be empty")),
        (
            with(&call("mobile_no"), json!("+1\u{1b}[2J")),
            of_call("mobile_no: holds a character that is not allowed there"),
        ),
        (
            with(&call("mobile_no"), json!("5".repeat(65))),
            of_call("mobile_no: is 65 bytes long; at most 64 are accepted"),
        ),
        (
            with(&call("worker_id"), json!("w".repeat(129))),
            of_call("worker_id: is 129 bytes long; at most 128 are accepted"),
        ),
        (
            with(&call("status"), json!("TAKEOVER")),
            of_call("admin_id: is missing: the status TAKEOVER needs who holds the call"),
        ),
        (with(&call("legal_hold"), json!("yes")), of_call("legal_hold: must be true or false")),
        (with(&call("end_reason"), json!("bored")), of_call("end_reason: must be one of")),
        (
            with(&call("heard"), json!("msg_000009")),
            format!("active_calls.{CALL}: its `heard` names no message of its conversation"),
        ),
        (with(&call("requests"), json!([["a"]])), of_call("requests: must be a list of pairs")),
        (with(&said("role"), json!("robot")), of_message("role: must be one of user, assistant")),
        (with(&said("role"), json!({})), of_message("role: must be a text, not an object")),
        (with(&said("content"), json!(" \u{7} ")), of_message("content: must not be empty")),
        (
            with(&said("content"), json!("x".repeat(16 * 1024 + 1))),
            of_message("content: is 16385 bytes long; at most 16384 are accepted"),
        ),
        (with(&said("sources"), json!(null)), of_message("sources: must not be null")),
        (with(&said("card"), json!({ "card": "fire" })), of_message("card: must be a card and")),
    ];
    for field in [
        "worker_id",
        "mobile_no",
        "conversation_id",
        "urgency",
        "status",
        "timestamp",
        "medium",
        "last_message_at",
    ] {
        cases.push((without(&call(field)), of_call(&format!("{field}: is missing"))));
    }
    for field in ["role", "content", "timestamp", "sources"] {
        cases.push((without(&said(field)), of_message(&format!("{field}: is missing"))));
    }

    let dir = TempDir::new().unwrap();
    for (file, claim) in cases {
        let told = import_text(dir.path(), file.as_bytes(), &[]);
        assert!(!told.is_done, "{claim}");
        assert!(told.err.contains(&format!("\n  {claim}")), "{claim}\n{}", told.err);
        assert_eq!(told.out, "");
    }
    assert!(is_empty(dir.path()));
    let said = import_text(dir.path(), good().to_string().as_bytes(), &[]);
    assert!(said.is_done, "the file without any of it is good: {}", said.err);
}

#[test]
fn a_key_that_stands_twice_is_told_at_every_level() {
    let file = good().to_string();
    let message = r#""role":"user""#;
    let dir = TempDir::new().unwrap();
    for (once, twice, path) in [
        ("{\"active_calls\":", "{\"active_calls\":{},\"active_calls\":", "active_calls".to_owned()),
        (
            &format!("{{\"{CALL}\":"),
            &format!("{{\"{CALL}\":{{}},\"{CALL}\":"),
            format!("active_calls.{CALL}"),
        ),
        (
            "\"urgency\":\"URGENT\"",
            "\"urgency\":\"URGENT\",\"urgency\":\"URGENT\"",
            format!("active_calls.{CALL}.urgency"),
        ),
        (
            "\"urgency\":\"URGENT\"",
            "\"urgency\":\"URGENT\",\"zone\":[{\"a\":1,\"a\":2}]",
            format!("active_calls.{CALL}.zone[0].a"),
        ),
        (
            &format!("{{\"{CONVERSATION}\":"),
            &format!("{{\"{CONVERSATION}\":{{}},\"{CONVERSATION}\":"),
            format!("active_conversations.{CONVERSATION}"),
        ),
        (
            "\"messages\":{",
            "\"messages\":{},\"messages\":{",
            format!("active_conversations.{CONVERSATION}.messages"),
        ),
        (
            "\"msg_000002\":",
            "\"msg_000001\":",
            format!("active_conversations.{CONVERSATION}.messages.msg_000001"),
        ),
        (
            message,
            &format!("{message},{message}"),
            format!("active_conversations.{CONVERSATION}.messages.msg_000001.role"),
        ),
    ] {
        let broken = file.replacen(once, twice, 1);
        assert_ne!(broken, file, "{once}");
        let told = import_text(dir.path(), broken.as_bytes(), &[]);
        assert!(!told.is_done, "{path}");
        let claim = format!("\n  {path}: stands there twice");
        assert!(told.err.contains(&claim), "{claim}\n{}", told.err);
    }
    assert!(is_empty(dir.path()));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let file = good().to_string();
    let dir = TempDir::new().unwrap();
    let step = (file.len() / 24).max(1);

    for end in (0..file.len()).step_by(step) {
        let told = import_text(dir.path(), &file.as_bytes()[..end], &[]);
        assert!(!told.is_done, "cut at {end}");
        assert!(told.err.contains("is no valid JSON: EOF"), "cut at {end}: {}", told.err);
    }

    assert!(is_empty(dir.path()));
}

#[test]
fn what_is_no_json_is_told_where_it_breaks_off() {
    let file = good().to_string();
    let place = format!("active_conversations.{CONVERSATION}.messages.msg_000002");
    let broken: [(Vec<u8>, &str); 6] = [
        (file.replacen("Good morning\"", "Good morning", 1).into_bytes(), &place),
        (file.replacen("Good morning", "\\ud800", 1).into_bytes(), &place),
        (format!("{file}{file}").into_bytes(), "trailing characters"),
        (b"\x1f\x8b\x08\x00".to_vec(), "the file: is no valid JSON"),
        (b"PK\x03\x04 \xff\xfe".to_vec(), "the file: is no valid JSON"),
        ([b"{\"active_calls\":{\"".as_slice(), b"\xff\xff", b"\":{}}}"].concat(), "no valid JSON"),
    ];
    let dir = TempDir::new().unwrap();
    for (file, claim) in broken {
        let told = import_text(dir.path(), &file, &[]);
        assert!(!told.is_done, "{claim}");
        assert!(told.err.contains(claim), "{claim}\n{}", told.err);
    }
    assert!(is_empty(dir.path()));
}

#[test]
fn many_errors_are_told_together_and_bounded() {
    let mut file = Published::default();
    for n in 0..30 {
        file = file.with(&format!("old-{n:02}"), "+15550100", &[("robot", "Hello")]);
    }
    let dir = TempDir::new().unwrap();

    let told = import_text(dir.path(), file.json().to_string().as_bytes(), &[]);

    assert!(told.err.contains("wrong in 30 places; nothing was stored"), "{}", told.err);
    assert_eq!(told.err.matches(".role: must be one of").count(), 20, "{}", told.err);
    assert!(told.err.trim_end().ends_with("and 10 more"), "{}", told.err);
}

#[test]
fn an_error_says_nothing_of_what_was_said_and_upsets_no_terminal() {
    let mut file = Published::default().with("old-1", "+15550100", &[("robot", "my name is Ann")]);
    let key = format!("\u{1b}[2J{}", "k".repeat(300));
    file.calls.insert(key, json!({ "mobile_no": "Ann\u{7}", "urgency": "Ann" }));
    let dir = TempDir::new().unwrap();

    let told = import_text(dir.path(), file.json().to_string().as_bytes(), &[]);

    assert!(!told.is_done);
    assert!(!told.err.contains("Ann"), "{}", told.err);
    assert!(!told.err.contains('\u{1b}') && told.err.contains("\\u{1b}[2Jkkk"), "{}", told.err);
    assert!(told.err.lines().all(|it| it.len() < 300), "{}", told.err);
}

#[test]
fn two_open_calls_of_one_caller_are_refused() {
    let mut file = Published::default();
    for key in ["old-1", "old-2"] {
        file = file.with(key, "+15550100", &[("user", "Hello")]);
        file.calls[key]["status"] = json!("ACTIVE");
    }
    let dir = TempDir::new().unwrap();

    let told = import_text(dir.path(), file.json().to_string().as_bytes(), &[]);

    let claim = "active_calls.old-2.status: active_calls.old-1 is an open call of the same caller";
    assert!(!told.is_done && told.err.contains(claim), "{}", told.err);
    file.calls["old-2"]["call_sid"] = json!("CA2");
    let said = import_text(dir.path(), file.json().to_string().as_bytes(), &[]);
    assert!(said.is_done, "another name, another call: {}", said.err);
}

#[test]
fn what_is_no_file_is_refused() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let missing = dir.path().join("missing.json");

    let told = run(&data, &["import", missing.to_str().unwrap()]);
    assert!(!told.is_done && told.err.contains("cannot open"), "{}", told.err);
    assert!(told.err.contains("No such file"), "{}", told.err);
    let told = run(&data, &["import", dir.path().to_str().unwrap()]);
    assert!(!told.is_done && told.err.contains("is a folder, not a file"), "{}", told.err);
    assert!(!data.exists(), "nothing is made for nothing");
}
