//! Server-sent events: what a streaming GET is told about a write.

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::tree;

/// One open stream. `None` on the channel ends it.
pub struct Listener {
    pub ns: String,
    pub path: Vec<String>,
    pub to: UnboundedSender<Option<String>>,
}

pub fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

pub fn put_event(path: &[String], value: &Value) -> String {
    let data = json!({"path": format!("/{}", path.join("/")), "data": tree::shown(value)});
    event("put", &data.to_string())
}

/// The events that a stream of `node` gets for a write of `changes` at `base`.
///
/// A PATCH at the node or inside it is one `patch` event, and so is one above it that changes several
/// values in there; all else is a `put` for each change.
pub fn events(
    root: &Value,
    node: &[String],
    base: &[String],
    changes: &[(Vec<String>, Value)],
    is_patch: bool,
) -> Vec<String> {
    let inside = |it: &(Vec<String>, Value)| it.0.len() > node.len() && it.0.starts_with(node);
    let is_above = |it: &(Vec<String>, Value)| node.starts_with(&it.0);
    let is_one_from_above =
        base.len() < node.len() && changes.iter().filter(|it| inside(it)).count() == 1;
    if is_patch && !is_one_from_above && !changes.iter().any(is_above) {
        let at = if base.len() > node.len() { base } else { node };
        let data: Map<String, Value> = changes
            .iter()
            .filter(|it| inside(it))
            .map(|(path, value)| (path[at.len()..].join("/"), tree::shown(value)))
            .collect();
        if data.is_empty() {
            return Vec::new();
        }
        let data = json!({"path": format!("/{}", at[node.len()..].join("/")), "data": data});
        return vec![event("patch", &data.to_string())];
    }
    let puts = changes.iter().filter_map(|(path, value)| {
        if let Some(inside) = path.strip_prefix(node) {
            return Some(put_event(inside, value));
        }
        node.starts_with(path).then(|| put_event(&[], tree::get(root, node)))
    });
    puts.collect()
}
