//! The rules of a batch, and that merging equals applying one after the other.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn body(writes: &Writes) -> Value {
    serde_json::from_slice(&writes.to_body(&[])).expect("a JSON body")
}

#[test]
fn a_field_of_a_call_that_is_whole_goes_into_the_whole() {
    let mut writes = Writes::new();

    writes.at(1).set_call("c1", json!({"status": "ACTIVE", "admin_id": "a"}));
    writes.at(2).set_call_field("c1", "status", "TAKEOVER");
    writes.at(3).set_call_field("c1", "admin_id", Value::Null);
    writes.at(4).set_call_field("c2", "status", "ENDED");

    assert_eq!(
        body(&writes),
        json!({"active_calls/c1": {"status": "TAKEOVER"}, "active_calls/c2/status": "ENDED"})
    );
    let seqs: Vec<_> = writes.iter().map(|(_, seq, _)| seq).collect();
    assert_eq!(seqs, [3, 4]);
}

#[test]
fn a_whole_takes_the_place_of_its_fields_and_not_of_its_neighbours() {
    let mut writes = Writes::new();

    writes.at(1).set_call_field("c1", "status", "ACTIVE");
    writes.at(1).set_call_field("c1-b", "status", "ACTIVE");
    writes.at(2).set_call("c1", json!({"status": "ENDED"}));

    assert_eq!(
        body(&writes),
        json!({"active_calls/c1": {"status": "ENDED"}, "active_calls/c1-b/status": "ACTIVE"})
    );
}

#[test]
fn what_is_set_after_a_removal_is_all_there_is() {
    let mut writes = Writes::new();

    writes.remove("active_calls/c1");
    writes.set_call_field("c1", "status", "ACTIVE");

    assert_eq!(body(&writes), json!({"active_calls/c1": {"status": "ACTIVE"}}));
}

#[test]
fn keys_are_escaped_in_paths_and_values_and_the_root_is_out_of_reach() {
    let mut writes = Writes::new();

    writes.set_message("a/b", "m.1", json!({"x.y": {"$z": 1}, "at": {".sv": "timestamp"}}));
    writes.set_call("", json!(1));
    writes.set("", json!(2));

    assert_eq!(
        body(&writes),
        json!({
            "%": 2,
            "active_calls/%": 1,
            "active_conversations/a%2Fb/messages/m%2E1":
                {"x%2Ey": {"%24z": 1}, "at": {".sv": "timestamp"}},
        })
    );
}

#[test]
fn halving_ends_at_single_paths_and_loses_none() {
    let mut writes = Writes::new();
    for i in 0..101 {
        writes.at(i).set_call(&format!("c{i:03}"), json!({"i": i}));
    }

    let mut pieces = vec![writes.clone()];
    let mut singles = Vec::new();
    while let Some(piece) = pieces.pop() {
        if piece.n_paths() == 1 {
            singles.push(piece);
        } else {
            let (first, second) = piece.split_half();
            pieces.extend([second, first]);
        }
    }

    assert_eq!(singles.len(), 101);
    let sizes: usize = singles.iter().map(Writes::size_bytes).sum();
    assert_eq!(sizes, writes.size_bytes());
    assert!(writes.size_bytes() >= writes.to_body(&[]).len() - 2);
}

#[test]
fn a_value_and_its_mark_stay_together_and_a_call_as_long_as_there_is_another() {
    let mut pieces = vec![Writes::new()];
    for call in 0..20 {
        for field in ["admin_id", "mirrored/admin_id", "mirrored/status", "status", "updated_at"] {
            pieces[0].set(&format!("active_calls/c{call:02}/{field}"), 1);
        }
        pieces[0].set(&format!("active_conversations/c{call:02}/call_id"), 1);
    }

    let mut whole = Vec::new();
    while let Some(piece) = pieces.pop() {
        let calls: BTreeSet<_> = piece.iter().map(|it| unit_of(it.0).0.to_owned()).collect();
        if !piece.is_divisible() {
            whole.push(piece);
            continue;
        }
        let (first, second) = piece.split_half();
        assert!(!first.is_empty() && !second.is_empty());
        if calls.len() > 1 {
            let has = |half: &Writes, call: &String| half.iter().any(|it| unit_of(it.0).0 == call);
            assert!(!calls.iter().any(|it| has(&first, it) && has(&second, it)));
        }
        pieces.extend([first, second]);
    }

    whole.sort_by_key(Writes::n_paths);
    assert_eq!(whole.iter().map(Writes::n_paths).sum::<usize>(), 120);
    assert!(whole[..40].iter().all(|it| it.n_paths() == 1));
    assert!(whole[40..].iter().all(|it| it.n_paths() == 4), "who holds it, its status, the marks");
}

proptest! {
    #[test]
    fn a_merged_batch_leaves_what_the_single_writes_would_have_left(
        steps in prop::collection::vec(
            (prop::collection::vec("[ab]", 1..4), prop::option::of(0..3_u8)),
            1..20,
        )
    ) {
        let mut one_by_one = json!({"a": {"a": {"b": 9}}, "b": {"b": {"b": 9}}});
        let mut batch = Writes::new();
        for (keys, value) in &steps {
            let value = value.map_or(Value::Null, |it| json!({"a": it}));
            batch.set(&keys.join("/"), value.clone());
            merge(&mut one_by_one, &keys.join("/"), value);
        }

        let mut at_once = json!({"a": {"a": {"b": 9}}, "b": {"b": {"b": 9}}});
        let paths: Vec<_> = batch.iter().map(|(path, ..)| format!("{path}/")).collect();
        for (path, _, value) in batch.iter() {
            merge(&mut at_once, path, value.clone());
        }

        prop_assert!(paths.windows(2).all(|it| !it[1].starts_with(&it[0])));
        prop_assert_eq!(pruned(at_once), pruned(one_by_one));
    }
}

/// The value without nulls and empty nodes, as the database keeps it.
fn pruned(value: Value) -> Value {
    let Value::Object(children) = value else {
        return value;
    };
    let kept: Map<String, Value> = children
        .into_iter()
        .map(|(key, it)| (key, pruned(it)))
        .filter(|(_, it)| !it.is_null())
        .collect();
    if kept.is_empty() { Value::Null } else { Value::Object(kept) }
}
