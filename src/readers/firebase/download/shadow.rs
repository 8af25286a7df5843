//! What the database has of our calls: of each entry only what others may change.
//!
//! # Promises
//! - Only calls that are known here are kept, and of each a bounded part: whatever is written there,
//!   the memory is bounded by our own calls.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::stream::Change;
use crate::domain::CallId;
use crate::readers::firebase::entry::Problem;

/// What is kept of an entry.
const NAMES: [&str; 9] = [
    "admin_id",
    "urgency",
    "admin_notes",
    "final_action",
    "deleted_at",
    "status",
    "updated_at",
    "updated_by",
    "last_message_at",
];
const MIRRORED: &str = "mirrored";
/// Longest value: the longest text that is taken, with every character escaped.
const MAX_VALUE_BYTES: usize = 6 * 4_096;
/// Longest part of a key that is shown.
const SHOWN_KEY: usize = 64;

/// What a change concerned.
#[derive(Debug, Default)]
pub struct Touched {
    pub calls: BTreeSet<CallId>,
    /// Everything was told: what is not in it is not there.
    pub is_whole: bool,
    pub problems: Vec<Problem>,
}

#[derive(Debug, Default)]
pub struct Shadow {
    calls: FxHashMap<CallId, Value>,
}

impl Shadow {
    pub fn get(&self, id: CallId) -> Option<&Value> {
        self.calls.get(&id)
    }

    /// Applies a change. `is_known`: whether it is a call of ours.
    pub fn apply(&mut self, change: &Change, is_known: &dyn Fn(CallId) -> bool) -> Touched {
        let mut touched = Touched::default();
        let path = segments(&change.path);
        if !change.is_patch {
            self.put(&path, &change.data, is_known, &mut touched);
            return touched;
        }
        let Some(children) = children(&change.data) else { return touched };
        for (key, value) in &children {
            let path: Vec<&str> = path.iter().copied().chain(segments(key)).collect();
            self.put(&path, value, is_known, &mut touched);
        }
        touched
    }

    fn put(
        &mut self,
        path: &[&str],
        value: &RawValue,
        is_known: &dyn Fn(CallId) -> bool,
        touched: &mut Touched,
    ) {
        let Some((key, rest)) = path.split_first() else {
            return self.put_all(value, is_known, touched);
        };
        let Ok(id) = key.parse::<CallId>() else {
            if !is_null(value) {
                touched.problem(key, "is no call");
            }
            return;
        };
        if !is_known(id) {
            // It has left: whatever was told of it is settled.
            if self.calls.remove(&id).is_some() {
                touched.calls.insert(id);
            }
            return;
        }
        touched.calls.insert(id);
        if rest.is_empty() {
            match children(value) {
                Some(fields) => {
                    self.calls.insert(id, entry(&fields));
                }
                None => {
                    self.calls.remove(&id);
                    if !is_null(value) {
                        touched.problem(key, "must be a map");
                    }
                }
            }
            return;
        }
        let entry = self.calls.entry(id).or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(fields) = entry {
            put_field(fields, rest, value);
            if fields.is_empty() {
                self.calls.remove(&id);
            }
        }
    }

    fn put_all(
        &mut self,
        value: &RawValue,
        is_known: &dyn Fn(CallId) -> bool,
        touched: &mut Touched,
    ) {
        touched.is_whole = true;
        touched.calls.extend(self.calls.drain().map(|it| it.0));
        let Some(entries) = children(value) else {
            if !is_null(value) {
                let (path, reason) = ("active_calls".to_owned(), "must be a map of calls");
                touched.problems.push(Problem { path, reason });
            }
            return;
        };
        for (key, entry) in &entries {
            self.put(&[key], entry, is_known, touched);
        }
    }
}

impl Touched {
    fn problem(&mut self, key: &str, reason: &'static str) {
        // Somebody may have put any number of keys there.
        if self.problems.len() < 100 {
            let path = format!("active_calls/{}", shown(key));
            self.problems.push(Problem { path, reason });
        }
    }
}

/// The keys of a path.
pub fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|it| !it.is_empty()).collect()
}

/// A key as it may be shown.
pub fn shown(key: &str) -> String {
    key.chars().filter(|it| !it.is_control()).take(SHOWN_KEY).collect()
}

/// The children of a node; `None` if it has none.
pub fn children(value: &RawValue) -> Option<BTreeMap<String, Box<RawValue>>> {
    if !value.get().starts_with('{') {
        return None;
    }
    serde_json::from_str(value.get()).ok()
}

/// A plain value; of any other only that it is none, as a node or a list.
pub fn bounded(value: &RawValue, max_bytes: usize) -> Value {
    let text = value.get();
    if text.starts_with('{') {
        Value::Object(Map::new())
    } else if text.starts_with('[') || text.len() > max_bytes {
        Value::Array(Vec::new())
    } else {
        serde_json::from_str(text).unwrap_or_default()
    }
}

pub fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn entry(fields: &BTreeMap<String, Box<RawValue>>) -> Value {
    let mut entry = Map::new();
    for (name, value) in fields {
        put_field(&mut entry, &[name], value);
    }
    Value::Object(entry)
}

fn put_field(fields: &mut Map<String, Value>, path: &[&str], value: &RawValue) {
    match path {
        [MIRRORED] => {
            fields.remove(MIRRORED);
            for (name, value) in children(value).iter().flatten() {
                put_field(fields, &[MIRRORED, name], value);
            }
        }
        [MIRRORED, name] if NAMES.contains(name) => {
            let marks = fields.entry(MIRRORED).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(marks) = marks {
                put_plain(marks, name, value);
                if marks.is_empty() {
                    fields.remove(MIRRORED);
                }
            }
        }
        [name] if NAMES.contains(name) => put_plain(fields, name, value),
        // Somebody put something below a plain value, which makes a node of it.
        [name, _, ..] if NAMES.contains(name) && !is_null(value) => {
            fields.insert((*name).to_owned(), Value::Object(Map::new()));
        }
        _ => {}
    }
}

fn put_plain(fields: &mut Map<String, Value>, name: &str, value: &RawValue) {
    if is_null(value) {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), bounded(value, MAX_VALUE_BYTES));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use ulid::Ulid;

    use super::*;

    fn id(n: u128) -> CallId {
        CallId(Ulid::from_parts(1_763_640_000_000, n))
    }

    fn change(path: &str, data: Value, is_patch: bool) -> Change {
        let data = serde_json::value::to_raw_value(&data).expect("JSON");
        Change { path: path.to_owned(), data, is_patch }
    }

    #[test]
    fn puts_and_patches_at_any_depth_come_to_the_same() {
        let (a, known) = (id(1), |it: CallId| it == id(1));
        let (mut one, mut other) = (Shadow::default(), Shadow::default());

        let whole = json!({ a.to_string(): {
            "status": "ACTIVE", "urgency": "URGENT", "worker_id": "w",
            "mirrored": { "status": "ACTIVE", "urgency": "3:URGENT", "x": "y" } } });
        assert!(one.apply(&change("/", whole, false), &known).is_whole);
        let path = |rest: &str| format!("{a}/{rest}");
        let names = json!({ path("status"): "ACTIVE", path("mirrored/status"): "ACTIVE",
            path("urgency"): "CRITICAL", path("mirrored/urgency"): "3:URGENT",
            path("mirrored/x"): 1, path("worker_id"): "w" });
        other.apply(&change("/", names, true), &known);
        assert_ne!(one.get(a), other.get(a));
        let touched =
            other.apply(&change(&format!("/{a}/urgency"), json!("URGENT"), false), &known);

        assert_eq!((touched.calls, touched.is_whole), (BTreeSet::from([a]), false));
        assert_eq!(one.get(a), other.get(a));
        let gone = change(&format!("/{a}"), Value::Null, false);
        assert_eq!(one.apply(&gone, &known).calls, BTreeSet::from([a]));
        assert_eq!(one.get(a), None);
        other.apply(&change(&format!("/{a}"), json!({ "urgency": null }), true), &known);
        assert_eq!(other.get(a).expect("it is there").get("urgency"), None);
    }

    #[test]
    fn whatever_is_there_a_bounded_part_of_our_own_calls_is_kept() {
        let (a, known) = (id(1), |it: CallId| it == id(1));
        let mut shadow = Shadow::default();
        let strange = json!({
            id(2).to_string(): { "status": "ACTIVE" },
            "constructor": 1, "": {}, "\u{7}x".repeat(400): [1, 2],
            a.to_string(): {
                "urgency": ["CRITICAL"], "admin_notes": "x".repeat(1_000_000),
                "admin_id": { "a": { "b": 1 } }, "mirrored": [1, 2], "unknown": "x".repeat(10_000) },
        });

        let touched = shadow.apply(&change("/", strange, false), &known);

        let kept = json!({ "urgency": [], "admin_notes": [], "admin_id": {} });
        assert_eq!(shadow.get(a), Some(&kept));
        assert_eq!(shadow.calls.len(), 1);
        assert_eq!(touched.problems.len(), 3);
        assert!(touched.problems.iter().all(|it| it.path.len() < 100));
        for odd in [json!([1, 2]), json!("x"), json!(7)] {
            let touched = shadow.apply(&change(&format!("/{a}"), odd.clone(), false), &known);
            assert_eq!((shadow.get(a), touched.problems.len()), (None, 1), "{odd}");
            let touched = shadow.apply(&change("/", odd.clone(), false), &known);
            assert_eq!(touched.problems.len(), 1, "{odd}");
        }
        shadow.apply(&change(&format!("/{a}/status/deep/er"), json!(1), false), &known);
        assert_eq!(shadow.get(a), Some(&json!({ "status": {} })));
    }
}
