//! One database: a JSON tree without arrays, nulls or empty nodes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The segments of `a/b/c`; empty ones are skipped.
pub fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// The node at `path`; `null` when nothing is there.
pub fn get<'a>(root: &'a Value, path: &[String]) -> &'a Value {
    path.iter().try_fold(root, |node, key| node.get(key)).unwrap_or(&Value::Null)
}

/// Puts a settled value; `null` removes the node and every parent that is left empty.
pub fn put(node: &mut Value, path: &[String], value: Value) {
    let Some((head, rest)) = path.split_first() else {
        *node = value;
        return;
    };
    if !node.is_object() {
        if value.is_null() {
            return;
        }
        *node = Value::Object(Map::new());
    }
    let Value::Object(children) = node else {
        return;
    };
    let child = children.entry(head.clone()).or_insert(Value::Null);
    put(child, rest, value);
    if child.is_null() {
        children.remove(head);
    }
    if children.is_empty() {
        *node = Value::Null;
    }
}

/// The value as a client reads it: a node with mostly small integer keys is an array.
pub fn shown(value: &Value) -> Value {
    let Value::Object(children) = value else {
        return value.clone();
    };
    let indices: Option<Vec<usize>> = children.keys().map(|key| array_index(key)).collect();
    if let Some(highest) = indices.as_ref().and_then(|it| it.iter().max())
        && *highest < 2 * children.len()
    {
        let items = (0..=*highest).map(|i| children.get(&i.to_string()).map_or(Value::Null, shown));
        return Value::Array(items.collect());
    }
    let shown_children = children.iter().map(|(key, it)| (key.clone(), shown(it)));
    Value::Object(shown_children.collect())
}

/// A tag that changes with the value.
pub fn etag(value: &Value) -> String {
    if value.is_null() {
        return "null_etag".to_owned();
    }
    STANDARD.encode(&Sha256::digest(value.to_string().as_bytes())[..18])
}

fn array_index(key: &str) -> Option<usize> {
    let canonical = key == "0" || !key.starts_with('0');
    key.parse().ok().filter(|_| canonical && key.len() <= 9)
}
