//! What is exported is what was said.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Published, export, import};

/// Any words that are kept as they are.
fn words() -> impl Strategy<Value = String> {
    any::<String>()
        .prop_map(|it| aurora::domain::clean(&it).into_owned())
        .prop_filter("nothing was said", |it| !it.is_empty())
}

fn role() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["user", "assistant", "admin", "system"])
}

fn time() -> impl Strategy<Value = String> {
    (0..4_102_444_800_000_i64).prop_map(|it| aurora::domain::Timestamp::from_millis(it).to_string())
}

fn a_message() -> impl Strategy<Value = Value> {
    let answered = prop::sample::select(vec![None, Some("card"), Some("model"), Some("fallback")]);
    (role(), words(), time(), answered, any::<Option<u16>>()).prop_map(
        |(role, content, timestamp, answered_by, step)| {
            let mut message =
                json!({ "role": role, "content": content, "timestamp": timestamp, "sources": "" });
            if let Some(by) = answered_by {
                message["answered_by"] = json!(by);
                message["sources"] = json!("Fire card");
            }
            if let Some(step) = step {
                message["card"] = json!({ "card": "fire", "step": step });
            }
            message
        },
    )
}

fn a_call() -> impl Strategy<Value = (Value, Vec<Value>)> {
    let name = prop::sample::select(vec![None, Some("Kim"), Some("Søren \"S\"")]);
    (time(), time(), time(), name, any::<[bool; 3]>(), vec(a_message(), 0..8)).prop_map(
        |(timestamp, last, ended, name, [is_critical, is_text, is_held], messages)| {
            let call = json!({
                "worker_id": "worker_1",
                "mobile_no": "+15550100",
                "urgency": if is_critical { "CRITICAL" } else { "NORMAL" },
                "status": "ENDED",
                "timestamp": timestamp,
                "medium": if is_text { "Text" } else { "Voice" },
                "last_message_at": last,
                "admin_id": name,
                "ended_at": ended,
                "end_reason": "hang_up",
                "legal_hold": is_held,
            });
            (call, messages)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn an_export_says_what_was_said(calls in vec(a_call(), 1..12)) {
        let mut file = Published::default();
        let mut expected = Vec::new();
        for (n, (call, messages)) in calls.into_iter().enumerate() {
            let id = format!("call_01KJMR8P0000000000000000{n:02}");
            let conversation = id.replace("call_", "conv_");
            let (mut published, mut exported) = (call.clone(), call);
            published["conversation_id"] = json!(conversation);
            file.calls.insert(id.clone(), published);
            let numbered = (1..).zip(&messages).map(|(n, it)| (format!("msg_{n:06}"), it.clone()));
            let said = json!({ "call_id": id, "messages": numbered.clone().collect::<serde_json::Map<_, _>>() });
            file.conversations.insert(conversation.clone(), said);
            exported["call_id"] = json!(id);
            exported["conversation_id"] = json!(conversation);
            exported["messages"] = numbered
                .map(|(id, mut it)| {
                    it["message_id"] = json!(id);
                    it
                })
                .collect();
            exported["supervisors"] = exported["admin_id"].as_str().into_iter().collect();
            exported["actions"] = json!([]);
            if exported["legal_hold"] == false {
                exported.as_object_mut().unwrap().remove("legal_hold");
            }
            expected.push(exported);
        }
        let dir = TempDir::new().unwrap();

        import(dir.path(), &file.json());

        let mut found = export(dir.path(), &[]);
        found.sort_by_key(|it| it["call_id"].to_string());
        for call in &mut found {
            call.as_object_mut().unwrap().remove("last_seq");
        }
        prop_assert_eq!(found, expected);
    }
}
