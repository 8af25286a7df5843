//! Commands on a data folder, and files for them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Map, Value, json};

/// The binary, with nothing of this process's settings.
pub fn aurora(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command.env_clear().env("AURORA_DATA_DIR", data_dir).current_dir("/").stdin(Stdio::null());
    command
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub is_done: bool,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(it: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
        Self { is_done: it.status.code() == Some(0), out: text(it.stdout), err: text(it.stderr) }
    }
}

pub fn run(data_dir: &Path, arguments: &[&str]) -> Said {
    aurora(data_dir).args(arguments).output().expect("the binary is built").into()
}

/// `aurora import -` with that on standard input.
pub fn import_text(data_dir: &Path, text: &[u8], arguments: &[&str]) -> Said {
    let mut child = aurora(data_dir)
        .args(["import", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    // It may stop reading before the end.
    let _ = child.stdin.take().expect("it is piped").write_all(text);
    child.wait_with_output().expect("it ends").into()
}

/// # Panics
/// If it is not done.
pub fn import(data_dir: &Path, file: &Value) -> Said {
    let said = import_text(data_dir, file.to_string().as_bytes(), &[]);
    assert!(said.is_done, "{}", said.err);
    said
}

/// Calls of `aurora export` with these arguments.
///
/// # Panics
/// If it is not done.
pub fn export(data_dir: &Path, arguments: &[&str]) -> Vec<Value> {
    let said = run(data_dir, &[&["export"], arguments].concat());
    assert!(said.is_done, "{}", said.err);
    let is_progress = |it: &str| it.starts_with("Archiving: ") || it.starts_with("Exporting: ");
    assert!(said.err.lines().all(is_progress), "{}", said.err);
    said.out.lines().map(|it| serde_json::from_str(it).expect("a line is JSON")).collect()
}

/// Whether anything was ever stored there.
pub fn is_empty(data_dir: &Path) -> bool {
    std::fs::read_dir(data_dir.join("journal")).map_or(true, |mut it| it.next().is_none())
}

/// A file in the published format.
#[derive(Debug, Clone, Default)]
pub struct Published {
    pub calls: Map<String, Value>,
    pub conversations: Map<String, Value>,
}

impl Published {
    /// Adds an ended call with its conversation, `conversation of KEY`.
    pub fn with(mut self, key: &str, number: &str, said: &[(&str, &str)]) -> Self {
        let messages: Map<String, Value> = (1..)
            .zip(said)
            .map(|(n, (role, content))| (format!("msg_{n:06}"), message(role, content)))
            .collect();
        self.calls.insert(key.to_owned(), call(key, number));
        let conversation = json!({ "call_id": key, "messages": messages });
        self.conversations.insert(conversation_of(key), conversation);
        self
    }

    pub fn json(&self) -> Value {
        json!({ "active_calls": self.calls, "active_conversations": self.conversations })
    }
}

pub fn conversation_of(key: &str) -> String {
    match key.strip_prefix("call_") {
        Some(ulid) => format!("conv_{ulid}"),
        None => format!("conversation of {key}"),
    }
}

/// An ended call with what the published format asks for.
pub fn call(key: &str, number: &str) -> Value {
    json!({
        "worker_id": "worker_1",
        "mobile_no": number,
        "conversation_id": conversation_of(key),
        "urgency": "URGENT",
        "status": "ENDED",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "medium": "Voice",
        "last_message_at": "2026-03-01T12:05:00.000Z",
        "admin_id": null,
        "sync_status": "synced",
    })
}

pub fn message(role: &str, content: &str) -> Value {
    json!({ "role": role, "content": content, "timestamp": "2026-03-01T12:01:00.000Z",
        "sources": "" })
}
