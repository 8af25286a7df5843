//! The rules of the Realtime Database let nobody do more than they should. Aurora itself is not
//! bound by them: it comes with a service account.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use aurora::domain::Field;
use serde_json::{Map, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn rules() -> Value {
    let text = std::fs::read_to_string(root().join("firebase/database.rules.json"))
        .expect("the rules are there");
    let all: Value = serde_json::from_str(&text).expect("the rules are JSON");
    all["rules"].clone()
}

/// All nodes of the rules, each with its path.
fn nodes<'a>(path: &str, node: &'a Value, all: &mut Vec<(String, &'a Map<String, Value>)>) {
    let Some(map) = node.as_object() else { return };
    all.push((path.to_owned(), map));
    for (name, child) in map.iter().filter(|it| !it.0.starts_with('.')) {
        nodes(&format!("{path}/{name}"), child, all);
    }
}

fn with<'a>(all: &'a [(String, &Map<String, Value>)], rule: &str) -> BTreeSet<&'a str> {
    let has = all.iter().filter(|it| it.1.get(rule).is_some_and(|it| *it != Value::Bool(false)));
    has.map(|it| it.0.as_str()).collect()
}

#[test]
fn nothing_is_open_but_what_is_named_here() {
    let rules = rules();
    let mut all = Vec::new();
    nodes("", &rules, &mut all);

    assert_eq!((&rules[".read"], &rules[".write"]), (&Value::Bool(false), &Value::Bool(false)));
    let readable = ["/active_calls", "/active_conversations", "/users/$uid"];
    assert_eq!(with(&all, ".read"), BTreeSet::from(readable));
    let of_a_call = |name: &str| format!("/active_calls/$call_id/{name}");
    let mut writable: BTreeSet<String> =
        Field::ALL.iter().map(|it| of_a_call(it.as_str())).collect();
    // With them goes who and when, and what tells that there are new words.
    writable.extend(["status", "updated_at", "updated_by", "last_message_at"].map(of_a_call));
    writable.insert("/active_conversations/$conversation_id/messages/$message_id".to_owned());
    writable.insert("/users/$uid".to_owned());
    let written: BTreeSet<String> = with(&all, ".write").into_iter().map(str::to_owned).collect();
    assert_eq!(written, writable);
}

#[test]
fn every_door_asks_who_comes_and_what_they_bring() {
    let rules = rules();
    let mut all = Vec::new();
    nodes("", &rules, &mut all);

    for (path, node) in &all {
        for rule in [".read", ".write"] {
            let Some(text) = node.get(rule).and_then(Value::as_str) else { continue };
            assert!(text.starts_with("auth != null && "), "{path} {rule}: {text}");
            let is_own = path.starts_with("/users/") && text.contains("auth.uid === $uid");
            let is_supervisor = text.contains("auth.token.supervisor === true");
            assert!(is_own != is_supervisor, "{path} {rule}: {text}");
            assert!(!text.contains("||") || text.contains("(!newData.exists() ||"), "{text}");
        }
    }
    for field in Field::ALL {
        let node = &rules["active_calls"]["$call_id"][field.as_str()];
        let write = node[".write"].as_str().expect("it may be written");
        for asked in ["mirrored').exists()", "updated_at').val() === now", "updated_by').exists()"]
        {
            assert!(write.contains(asked), "{field:?}: {write}");
        }
        assert!(node[".validate"].is_string(), "{field:?}");
    }
    let message = &rules["active_conversations"]["$conversation_id"]["messages"]["$message_id"];
    let run = &rules["users"]["$uid"]["runs"]["$run_id"];
    for closed in [message, run] {
        assert_eq!(closed["$other"][".validate"], Value::Bool(false));
        assert!(closed[".validate"].as_str().is_some_and(|it| it.contains("hasChildren")));
    }
    assert!(rules["active_calls"][".indexOn"].as_array().is_some_and(|it| !it.is_empty()));
}

#[test]
fn the_project_file_names_the_rules() {
    let text = std::fs::read_to_string(root().join("firebase/firebase.json")).expect("it is there");
    let project: Value = serde_json::from_str(&text).expect("it is JSON");

    let rules = project["database"]["rules"].as_str().expect("a file is named");
    assert!(root().join("firebase").join(rules).exists(), "{rules}");
    assert_eq!(project["emulators"]["database"]["port"], 9000, "as the documents say");
}

#[test]
fn requests_are_allowed_and_refused_as_they_should_be() {
    let module = root().join("target/test-node/node_modules/targaryen");
    assert!(module.exists(), "{} is missing: run ./test, which installs it", module.display());

    let done = Command::new("node")
        .arg(root().join("tests/rules/rules.mjs"))
        .output()
        .unwrap_or_else(|err| panic!("no node ({err}): run ./test, which says what is needed"));

    let said = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&said));
}
