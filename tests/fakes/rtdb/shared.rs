//! What the handle and the web server share: databases, tokens, faults, and the book of requests.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::faults::{Fault, Faults};
use super::push_id::PushIds;
use super::stream::{self, Listener};
use super::tree;
use super::written;

/// One applied write: the absolute paths it set and the stored values.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    pub ns: String,
    pub method: String,
    pub changes: Vec<(String, Value)>,
    pub at: Instant,
}

/// One request as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub size_bytes: usize,
}

/// All requests so far.
#[derive(Debug, Clone, Default)]
pub struct Requests {
    pub seen: Vec<Seen>,
}

impl Requests {
    pub fn count(&self) -> usize {
        self.seen.len()
    }

    /// Bytes of all bodies.
    pub fn bytes(&self) -> usize {
        self.seen.iter().map(|it| it.size_bytes).sum()
    }

    /// Paths and queries in order.
    pub fn paths(&self) -> Vec<&str> {
        self.seen.iter().map(|it| it.target.as_str()).collect()
    }
}

#[derive(Default)]
pub struct Shared {
    /// Held for memory work only.
    data: Mutex<Data>,
    faults: Mutex<Faults>,
    tokens: Mutex<Tokens>,
    requests: Mutex<Requests>,
    n_token_requests: AtomicUsize,
    n_connections: AtomicUsize,
    /// The next bytes to a client are to be swallowed and its connection cut.
    cut: AtomicBool,
    hanging: Notify,
    pub push_ids: PushIds,
}

#[derive(Default)]
struct Data {
    databases: HashMap<String, Value>,
    history: Vec<Applied>,
    listeners: Vec<Listener>,
}

/// How a write is told of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Whole,
    /// Value by value.
    Split,
    /// Whole, and not part of the history.
    Unrecorded,
}

struct Tokens {
    accepted: HashSet<String>,
    n_issued: usize,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { accepted: HashSet::from(["owner".to_owned()]), n_issued: 0 }
    }
}

impl Shared {
    pub fn value(&self, ns: &str, path: &str) -> Value {
        let path = tree::segments(path);
        tree::shown(&self.read(ns, |root| tree::get(root, &path).clone()))
    }

    pub fn put(&self, ns: &str, path: &str, value: Value) {
        let path = tree::segments(path);
        let value = written::settle(&value, &Value::Null, path.len(), now_ms())
            .expect("a test puts what the database takes");
        self.data().apply(ns, "PUT", &path, vec![(path.clone(), value)], Heard::Unrecorded);
    }

    pub fn patch(&self, ns: &str, path: &str, values: &Value) {
        let base = tree::segments(path);
        let is_split = self.faults().is_set(&Fault::SplitEvents);
        let values = values.as_object().expect("a test patches with a map");
        let changes = values.iter().map(|(key, value)| {
            let mut path = base.clone();
            path.extend(tree::segments(key));
            let value = written::settle(value, &Value::Null, path.len(), now_ms())
                .expect("a test puts what the database takes");
            (path, value)
        });
        let method = if is_split { "PUT" } else { "PATCH" };
        self.data().apply(ns, method, &base, changes.collect(), Heard::Unrecorded);
    }

    /// Runs `look` on the root of a database.
    pub fn read<T>(&self, ns: &str, look: impl FnOnce(&Value) -> T) -> T {
        look(self.data().databases.get(ns).unwrap_or(&Value::Null))
    }

    /// Runs `decide` on the root and applies the changes it gives, as one step.
    pub fn write<E>(
        &self,
        ns: &str,
        method: &str,
        base: &[String],
        decide: impl FnOnce(&Value) -> Result<Vec<(Vec<String>, Value)>, E>,
    ) -> Result<(), E> {
        let mut data = self.data();
        let changes = decide(data.databases.get(ns).unwrap_or(&Value::Null))?;
        let is_split = self.faults().is_set(&Fault::SplitEvents);
        data.apply(ns, method, base, changes, if is_split { Heard::Split } else { Heard::Whole });
        Ok(())
    }

    /// Opens a stream; its first event is already in the channel.
    pub fn listen(&self, ns: &str, path: &[String]) -> UnboundedReceiver<Option<String>> {
        let (to, events) = unbounded_channel();
        let mut data = self.data();
        let root = data.databases.get(ns).unwrap_or(&Value::Null);
        let _ = to.send(Some(stream::put_event(&[], tree::get(root, path))));
        data.listeners.push(Listener { ns: ns.to_owned(), path: path.to_vec(), to });
        events
    }

    /// Streams whose client is still there.
    pub fn n_streams(&self) -> usize {
        let mut data = self.data();
        data.listeners.retain(|it| !it.to.is_closed());
        data.listeners.len()
    }

    /// Sends an event to every stream, and ends them all if asked.
    pub fn end_streams(&self, name: &str, text: &str, end: bool) {
        let mut data = self.data();
        for listener in &data.listeners {
            let _ = listener.to.send(Some(stream::event(name, text)));
            if end {
                let _ = listener.to.send(None);
            }
        }
        if end {
            data.listeners.clear();
        }
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().expect("no holder panics")
    }

    pub fn accept_token(&self, token: &str) {
        self.tokens().accepted.insert(token.to_owned());
    }

    pub fn expire_tokens(&self) {
        self.tokens().accepted.clear();
    }

    pub fn restore_owner(&self) {
        self.accept_token("owner");
    }

    pub fn is_accepted(&self, token: &str) -> bool {
        self.tokens().accepted.contains(token)
    }

    pub fn issue_token(&self) -> String {
        let mut tokens = self.tokens();
        tokens.n_issued += 1;
        let token = format!("ya29.test-token-{}", tokens.n_issued);
        tokens.accepted.insert(token.clone());
        token
    }

    pub fn note_request(&self, seen: Seen) {
        let mut requests = self.requests.lock().expect("no holder panics");
        requests.seen.push(seen);
    }

    pub fn requests(&self) -> Requests {
        self.requests.lock().expect("no holder panics").clone()
    }

    pub fn note_token_request(&self) {
        self.n_token_requests.fetch_add(1, Ordering::SeqCst);
    }

    pub fn n_token_requests(&self) -> usize {
        self.n_token_requests.load(Ordering::SeqCst)
    }

    pub fn connection_accepted(&self) {
        self.n_connections.fetch_add(1, Ordering::SeqCst);
    }

    pub fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::SeqCst)
    }

    pub fn history(&self) -> Vec<Applied> {
        self.data().history.clone()
    }

    /// Makes the front swallow the next answer.
    pub fn cut_next_answer(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    pub fn take_cut(&self) -> bool {
        self.cut.swap(false, Ordering::SeqCst)
    }

    /// Waits until the faults are cleared.
    pub async fn hang(&self) {
        self.hanging.notified().await;
    }

    pub fn wake_hanging(&self) {
        self.hanging.notify_waiters();
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        self.data.lock().expect("no holder panics")
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().expect("no holder panics")
    }
}

impl Data {
    fn apply(
        &mut self,
        ns: &str,
        method: &str,
        base: &[String],
        changes: Vec<(Vec<String>, Value)>,
        heard: Heard,
    ) {
        let root = self.databases.entry(ns.to_owned()).or_default();
        for (path, value) in &changes {
            tree::put(root, path, value.clone());
        }
        let is_patch = method == "PATCH" && heard != Heard::Split;
        self.listeners.retain(|it| {
            it.ns != ns
                || stream::events(root, &it.path, base, &changes, is_patch)
                    .into_iter()
                    .all(|event| it.to.send(Some(event)).is_ok())
        });
        if heard != Heard::Unrecorded {
            self.history.push(Applied {
                ns: ns.to_owned(),
                method: method.to_owned(),
                changes: changes.into_iter().map(|(path, value)| (path.join("/"), value)).collect(),
                at: Instant::now(),
            });
        }
    }
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}
