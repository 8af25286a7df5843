//! A fake Firebase Realtime Database, with the faults of a real one at a switch.
//!
//! # Promises
//! - It speaks the REST protocol over real HTTP on 127.0.0.1; the official Python client passes
//!   (`tests/official/firebase_check.py`).
//! - A write is applied whole or not at all, and [`Rtdb::history`] lists the applied ones in order.
//! - Beside the database it serves `POST /token`, an OAuth token endpoint for service accounts.
//!
//! # Not here
//! Security rules, indexes, priorities and WebSockets. A JWT's claims are checked, not its signature.

#![allow(dead_code, unused_imports)] // Each test binary uses its own part of the handle.

mod asked;
mod faults;
mod front;
mod http;
mod oauth;
mod push_id;
mod query;
mod shared;
mod stream;
mod tree;
mod written;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

pub use self::faults::Fault;
use self::front::Command;
use self::shared::Shared;
pub use self::shared::{Applied, Requests, Seen};

/// The database that [`Rtdb::value`] shows: `ns=` of the emulator, or the host name's first label.
pub const NAMESPACE: &str = "aurora-test";

/// A running fake. Stops when dropped.
pub struct Rtdb {
    shared: Arc<Shared>,
    address: SocketAddr,
    commands: UnboundedSender<Command>,
    thread: Option<JoinHandle<()>>,
}

impl Rtdb {
    /// Starts an empty database on a free port.
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let (commands, receiver) = tokio::sync::mpsc::unbounded_channel();
        let (ready, address) = mpsc::channel();
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("fake-rtdb".into())
            .spawn(move || front::run(for_thread, receiver, &ready))
            .expect("a test machine can start a thread");
        let address = address.recv().expect("the fake binds a free port");
        Self { shared, address, commands, thread: Some(thread) }
    }

    /// `http://127.0.0.1:<port>`, as a database URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:<port>`, as in `FIREBASE_DATABASE_EMULATOR_HOST`.
    pub fn host_port(&self) -> String {
        self.address.to_string()
    }

    /// The stored value at `path` (segments parted by `/`); `null` when nothing is there.
    pub fn value(&self, path: &str) -> Value {
        self.value_in(NAMESPACE, path)
    }

    /// Like [`Rtdb::value`], in another database.
    pub fn value_in(&self, ns: &str, path: &str) -> Value {
        self.shared.value(ns, path)
    }

    /// Writes as if another client did. Not part of the history.
    pub fn put(&self, path: &str, value: Value) {
        self.shared.put(NAMESPACE, path, value);
    }

    /// Writes several values below `path` at once, as if another client did. Not part of the history.
    pub fn patch(&self, path: &str, values: &Value) {
        self.shared.patch(NAMESPACE, path, values);
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.shared.n_streams()
    }

    /// Ends every stream without a word.
    pub fn end_streams(&self) {
        self.shared.end_streams("keep-alive", "null", true);
    }

    /// Adds a fault; one of the same kind is replaced.
    pub fn set_fault(&self, fault: Fault) {
        match fault {
            Fault::Down => self.go_down(),
            Fault::ExpiredCredentials => self.shared.expire_tokens(),
            fault => {
                let cuts = matches!(fault, Fault::AcceptAndClose);
                self.shared.faults().set(fault);
                if cuts {
                    self.command(Command::CutAll);
                }
            }
        }
    }

    /// Takes every fault back, `go_down` included.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
        self.shared.wake_hanging();
        self.shared.restore_owner();
        self.come_back();
    }

    /// Refuses connections and cuts those that are open.
    pub fn go_down(&self) {
        self.command(Command::GoDown);
    }

    /// Accepts connections again, on the same port.
    pub fn come_back(&self) {
        self.command(Command::ComeBack);
    }

    /// What was asked of the database so far, whatever came of it. `POST /token` is not counted.
    pub fn requests(&self) -> Requests {
        self.shared.requests()
    }

    /// How often `POST /token` was asked.
    pub fn token_requests(&self) -> usize {
        self.shared.n_token_requests()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.n_connections()
    }

    /// The applied writes in order.
    pub fn history(&self) -> Vec<Applied> {
        self.shared.history()
    }

    /// Accepts `Authorization: Bearer <token>` from now on.
    pub fn accept_token(&self, token: &str) {
        self.shared.accept_token(token);
    }

    /// Sends `event: keep-alive` to every stream.
    pub fn keep_alive_streams(&self) {
        self.shared.end_streams("keep-alive", "null", false);
    }

    /// Ends every stream with `event: cancel`.
    pub fn cancel_streams(&self) {
        self.shared.end_streams("cancel", "null", true);
    }

    /// Ends every stream with `event: auth_revoked`.
    pub fn revoke_streams(&self) {
        let text = "\"credential is no longer valid\"";
        self.shared.end_streams("auth_revoked", text, true);
    }

    /// A service-account key file whose `token_uri` is this fake's.
    pub fn service_account_json(&self) -> String {
        oauth::service_account_json(&format!("{}/token", self.url()))
    }

    fn command(&self, make: impl FnOnce(mpsc::Sender<()>) -> Command) {
        let (done, wait) = mpsc::channel();
        self.commands.send(make(done)).expect("the fake runs as long as its handle");
        wait.recv().expect("the fake answers its handle");
    }
}

impl Drop for Rtdb {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
