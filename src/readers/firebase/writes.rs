//! One batch for the database: absolute values by path, later ones in place of earlier ones.
//!
//! # Promises
//! - No path is an ancestor of another: a field of a call that is whole in the batch goes into the
//!   whole, and a whole takes the place of its fields. The database refuses anything else.
//! - Keys are escaped, in paths and inside values.
//!
//! # Not here
//! Limits of the database on key length, depth and text: it refuses them, and the culprit is set aside.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::failed::is_within;
use super::key::escape;
use crate::domain::CallId;

/// How large a batch may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_paths: usize,
    pub max_bytes: usize,
}

impl Default for Limits {
    /// 500 paths and 1 MiB: about a second of a slow uplink, far under the 256 MB of one request.
    fn default() -> Self {
        Self { max_paths: 500, max_bytes: 1024 * 1024 }
    }
}

/// A multi-path update in the making.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Writes {
    entries: BTreeMap<String, Entry>,
    size_bytes: usize,
    seq: u64,
    contested: BTreeSet<CallId>,
    /// Calls that begin, and in which record.
    begun: BTreeMap<CallId, u64>,
    is_urgent: bool,
}

/// Calls of a batch that have to be looked at one by one.
const MAX_CONTESTED: usize = 32;

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    value: Value,
    /// Sequence of the last record that touched the path.
    seq: u64,
    size_bytes: usize,
}

impl Writes {
    pub fn new() -> Self {
        Self::default()
    }

    /// What is set from here on comes from the record `seq`.
    pub fn at(&mut self, seq: u64) -> &mut Self {
        self.seq = seq;
        self
    }

    /// `active_calls/{call_id}`, whole.
    pub fn set_call(&mut self, call_id: &str, whole: impl Into<Value>) {
        self.put(format!("active_calls/{}", escape(call_id)), whole.into());
    }

    /// The entry of a call that begins: nobody can have changed anything in it yet.
    pub fn begin_call(&mut self, call: CallId, whole: impl Into<Value>) {
        self.begun.insert(call, self.seq);
        self.set_call(&call.to_string(), whole);
    }

    /// One field of `active_calls/{call_id}`; `null` removes it.
    pub fn set_call_field(&mut self, call_id: &str, field: &str, value: impl Into<Value>) {
        let path = format!("active_calls/{}/{}", escape(call_id), escape(field));
        self.put(path, value.into());
    }

    /// A value of the call is among those that others may have changed there.
    pub fn contest(&mut self, call: CallId) {
        self.contested.insert(call);
        self.is_urgent = true;
    }

    /// Whether somebody may wait for it: a person took a call over, it became urgent, or the like.
    pub(super) fn is_urgent(&self) -> bool {
        self.is_urgent
    }

    /// Makes of beginnings up to the record `up_to`, which may be there already, values that others
    /// may have changed.
    pub fn contest_beginnings(&mut self, up_to: u64) {
        let begun = std::mem::take(&mut self.begun).into_iter();
        let (doubted, begun): (BTreeMap<_, _>, _) = begun.partition(|it| it.1 <= up_to);
        self.begun = begun;
        for id in doubted.into_keys() {
            self.open(&format!("active_calls/{id}"));
            self.contested.insert(id);
        }
    }

    /// Puts the fields of a whole entry in its place.
    fn open(&mut self, path: &str) {
        let Some(Entry { value: Value::Object(fields), seq, size_bytes }) = self.entries.get(path)
        else {
            return;
        };
        let (fields, seq) = (fields.clone(), *seq);
        self.size_bytes -= size_bytes;
        self.entries.remove(path);
        for (name, value) in fields {
            match value {
                Value::Object(marks) if name == "mirrored" => {
                    for (mark, value) in marks {
                        self.put_escaped(&format!("{path}/mirrored/{mark}"), seq, value);
                    }
                }
                value => self.put_escaped(&format!("{path}/{name}"), seq, value),
            }
        }
    }

    /// Calls of which values have to be looked at before they are written; not those that begin.
    pub(super) fn contested(&self) -> impl Iterator<Item = CallId> {
        let fields = |id: &CallId| {
            let below = format!("active_calls/{id}/");
            let from = (Bound::Included(below.as_str()), Bound::Unbounded);
            let next = self.entries.range::<str, _>(from).next();
            next.is_some_and(|(path, _)| path.starts_with(&below))
        };
        self.contested.iter().copied().filter(fields)
    }

    /// Whether anything of the call or its conversation is in it.
    pub(super) fn has_call(&self, call: CallId) -> bool {
        let paths = [format!("active_calls/{call}"), conversation(call)];
        paths.iter().any(|path| {
            let next = self.entries.range(path.clone()..).next();
            next.is_some_and(|(it, _)| is_within(it, path))
        })
    }

    /// Leaves the calls that have to be looked at to those that `may_be` there.
    pub(super) fn contest_only(&mut self, may_be: impl Fn(CallId) -> bool) {
        self.contested.retain(|it| may_be(*it));
        self.begun.retain(|it, _| may_be(*it));
    }

    /// Of calls that are not `there` nobody can have changed anything: they begin.
    pub(super) fn begin_but(&mut self, there: &BTreeSet<CallId>) {
        let contested = std::mem::take(&mut self.contested).into_iter();
        let (contested, begun): (_, BTreeSet<_>) = contested.partition(|it| there.contains(it));
        self.contested = contested;
        self.begun.extend(begun.into_iter().map(|it| (it, u64::MAX)));
    }

    /// Takes out what begins with `prefix`.
    pub(super) fn take_below(&mut self, prefix: &str) -> Self {
        let mut entries = self.entries.split_off(prefix);
        let is_beyond = |path: &&String| !path.starts_with(prefix);
        if let Some(beyond) = entries.keys().find(is_beyond).cloned() {
            self.entries.append(&mut entries.split_off(&beyond));
        }
        let size_bytes = entries.values().map(|it| it.size_bytes).sum();
        self.size_bytes -= size_bytes;
        Self { entries, size_bytes, seq: self.seq, ..Self::default() }
    }

    /// `active_conversations/{conversation_id}`, whole.
    pub fn set_conversation(&mut self, conversation_id: &str, whole: impl Into<Value>) {
        let path = format!("active_conversations/{}", escape(conversation_id));
        self.put(path, whole.into());
    }

    /// `active_conversations/{conversation_id}/messages/{message_id}`, whole.
    pub fn set_message(
        &mut self,
        conversation_id: &str,
        message_id: &str,
        value: impl Into<Value>,
    ) {
        let (conversation, message) = (escape(conversation_id), escape(message_id));
        let path = format!("active_conversations/{conversation}/messages/{message}");
        self.put(path, value.into());
    }

    /// Any path, its keys parted by `/`. The root itself can't be set.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) {
        let keys: Vec<_> = path.trim_start_matches('/').split('/').map(escape).collect();
        self.put(keys.join("/"), value.into());
    }

    /// Removes the node at `path`.
    pub fn remove(&mut self, path: &str) {
        self.set(path, Value::Null);
    }

    /// Leaves out values at paths that `is_forgotten`; what removes them stays.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(&str) -> bool) {
        let size_bytes = &mut self.size_bytes;
        self.entries.retain(|path, it| {
            let stays = it.value.is_null() || !is_forgotten(path);
            if !stays {
                *size_bytes = size_bytes.saturating_sub(it.size_bytes);
            }
            stays
        });
    }

    /// A path whose keys are escaped already.
    pub(super) fn set_escaped(&mut self, path: String, value: Value) {
        self.put(path, value);
    }

    /// Puts back what was refused once; of a call, only in place of what was looked at.
    pub(super) fn put_again(&mut self, path: &str, seq: u64, value: Value) {
        self.put_escaped(path, seq, value);
        let Some(rest) = path.strip_prefix("active_calls/") else { return };
        let (key, field) = rest.split_once('/').unwrap_or((rest, ""));
        let Ok(id) = key.parse() else { return };
        if field.is_empty() {
            self.begun.insert(id, seq);
        } else {
            self.contest(id);
        }
    }

    /// Puts back what was already escaped, as it was.
    pub(super) fn put_escaped(&mut self, path: &str, seq: u64, value: Value) {
        self.seq = seq;
        self.insert(path.to_owned(), value);
    }

    pub fn n_paths(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About the size of the body; never much less.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// Whether a source should stop adding.
    pub fn is_full(&self, limits: Limits) -> bool {
        self.n_paths() >= limits.max_paths
            || self.size_bytes >= limits.max_bytes
            || self.contested.len() >= MAX_CONTESTED
    }

    /// Whether it has to be split before it is sent.
    pub fn exceeds(&self, limits: Limits) -> bool {
        self.n_paths() > limits.max_paths || self.size_bytes > limits.max_bytes
    }

    /// Path, sequence of the last record that touched it, and value; in the order of paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64, &Value)> {
        self.entries.iter().map(|(path, it)| (path.as_str(), it.seq, &it.value))
    }

    /// Path and about the bytes that it takes in the body.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.entries.iter().map(|(path, it)| (path.as_str(), it.size_bytes))
    }

    /// The body of the PATCH on the root, with the paths of our position.
    pub fn to_body(&self, position: &[(String, Value)]) -> Bytes {
        let entries = self.entries.iter().map(|(path, it)| (path.as_str(), &it.value));
        let position = position.iter().map(|(path, it)| (path.as_str(), it));
        let body: BTreeMap<&str, &Value> = entries.chain(position).collect();
        Bytes::from(serde_json::to_vec(&body).expect("JSON values always serialize"))
    }

    /// Whether it can be split: a value that others may change and its mark can't.
    pub fn is_divisible(&self) -> bool {
        let mut units = self.entries.keys().map(|it| unit_of(it));
        let first = units.next();
        units.any(|it| Some(it) != first)
    }

    /// Two batches of about as many values each, one of them empty if it is not divisible. A call
    /// stays in one as long as there is another.
    pub fn split_half(mut self) -> (Self, Self) {
        let units: BTreeSet<_> = self.entries.keys().map(|it| unit_of(it)).collect();
        let units: Vec<_> = units.into_iter().collect();
        let middle = units.len().div_ceil(2);
        let parts = |at: &usize| units[at - 1].0 != units[*at].0;
        let at = (middle..units.len()).find(parts).or_else(|| (1..middle).rev().find(parts));
        let from = units.get(at.unwrap_or(middle)).copied();
        let is_upper = |path: &str| from.is_some_and(|from| unit_of(path) >= from);
        let (upper, lower) = self.entries.clone().into_iter().partition(|(path, _)| is_upper(path));
        self.entries = lower;
        let (begun, contested) = (self.begun.clone(), self.contested.clone());
        let mut second =
            Self { entries: upper, seq: self.seq, begun, contested, ..Self::default() };
        for half in [&mut self, &mut second] {
            half.size_bytes = half.entries.values().map(|it| it.size_bytes).sum();
        }
        (self, second)
    }

    /// The same in pieces that keep to the limits as far as single paths do.
    pub(super) fn pieces(self, limits: Limits) -> Vec<Self> {
        let (mut waiting, mut pieces) = (vec![self], Vec::new());
        while let Some(piece) = waiting.pop() {
            if piece.is_divisible() && piece.exceeds(limits) {
                let (first, second) = piece.split_half();
                waiting.extend([second, first]);
            } else if !piece.is_empty() {
                pieces.push(piece);
            }
        }
        pieces
    }

    fn put(&mut self, path: String, value: Value) {
        self.insert(path, with_escaped_keys(value));
    }

    fn insert(&mut self, path: String, value: Value) {
        let size_bytes = path.len() + json_size(&value) + 4;
        for (end, _) in path.match_indices('/') {
            if let Some(whole) = self.entries.get_mut(&path[..end]) {
                merge(&mut whole.value, &path[end + 1..], value);
                whole.seq = self.seq;
                whole.size_bytes += size_bytes;
                self.size_bytes += size_bytes;
                return;
            }
        }
        self.remove_below(&path);
        let entry = Entry { value, seq: self.seq, size_bytes };
        self.size_bytes += size_bytes;
        if let Some(before) = self.entries.insert(path, entry) {
            self.size_bytes -= before.size_bytes;
        }
    }

    fn remove_below(&mut self, path: &str) {
        let prefix = format!("{path}/");
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let below: Vec<String> = self
            .entries
            .range::<str, _>(from)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&prefix))
            .cloned()
            .collect();
        for path in below {
            if let Some(entry) = self.entries.remove(&path) {
                self.size_bytes -= entry.size_bytes;
            }
        }
    }
}

/// What is written together or not at all, calls in a row: a value that others may change and its
/// mark, for either without the other would look like somebody's edit; and who holds a call with
/// its status. Any other path is by itself.
pub(super) fn unit_of(path: &str) -> (&str, &str) {
    let rest = path.strip_prefix("active_calls/").unwrap_or_default();
    let Some((key, name)) = rest.split_once('/') else { return (path, "") };
    let name = name.strip_prefix("mirrored/").unwrap_or(name);
    let name = if name == "status" { "admin_id" } else { name };
    (&path[..path.len() - rest.len() + key.len()], name)
}

fn conversation(call: CallId) -> String {
    format!("active_conversations/{}", call.conversation())
}

/// Sets the node at `path` (escaped keys parted by `/`) inside `whole`; `null` removes it.
pub(super) fn merge(whole: &mut Value, path: &str, value: Value) {
    let (key, rest) = match path.split_once('/') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    if !whole.is_object() {
        if value.is_null() {
            return; // Nothing below a plain value: nothing to remove.
        }
        *whole = Value::Object(Map::new());
    }
    let Value::Object(children) = whole else {
        return;
    };
    match rest {
        Some(rest) => merge(children.entry(key).or_insert(Value::Null), rest, value),
        None if value.is_null() => {
            children.remove(key);
        }
        None => {
            children.insert(key.to_owned(), value);
        }
    }
}

fn with_escaped_keys(value: Value) -> Value {
    match value {
        Value::Object(children) => {
            let children = children.into_iter();
            let escaped = children.map(|(key, it)| {
                // Server values such as `{".sv": "timestamp"}` are the database's own.
                let key = if key == ".sv" { key } else { escape(&key).into_owned() };
                (key, with_escaped_keys(it))
            });
            Value::Object(escaped.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(with_escaped_keys).collect()),
        plain => plain,
    }
}

pub(super) fn json_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 16,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|it| json_size(it) + 1).sum::<usize>(),
        Value::Object(children) => {
            let children = children.iter();
            2 + children.map(|(key, it)| key.len() + json_size(it) + 4).sum::<usize>()
        }
    }
}

#[cfg(test)]
#[path = "writes_tests.rs"]
mod tests;
