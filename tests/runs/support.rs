//! A command line of somebody's, and what it leaves.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

use crate::fakes::rtdb::{NAMESPACE, Rtdb};
use crate::harness::{Builder, TestApp};

/// Whoever works there.
pub const USER: &str = "ada@example.com";
/// As a key in the database.
pub const KEY: &str = "ada@example%2Ecom";

/// `aurora run …` with no environment but what is needed.
pub fn aurora(data_dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command
        .arg("run")
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AURORA_DATA_DIR", data_dir)
        .env("AURORA_USER", USER)
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// The same, with a database to send to.
pub fn mirroring(command: &mut Command, rtdb: &Rtdb) {
    command
        .env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port())
        .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"));
}

pub fn mirrored(rtdb: &Rtdb) -> Builder {
    TestApp::builder()
        .env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port())
        .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"))
}

/// What it prints.
///
/// # Panics
/// Unless it succeeds.
pub fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    text(&output.stdout)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `run record` of something small; the run's id.
pub fn record(data_dir: &Path, slug: &str) -> String {
    let words = ["record", "--slug", slug, "--command", "make it", "--duration", "1.5"];
    printed(aurora(data_dir, &words)).trim().to_owned()
}

/// `run list --json`
pub fn list(data_dir: &Path) -> Vec<Value> {
    let text = printed(aurora(data_dir, &["list", "--json", "--limit", "200"]));
    text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
}

/// The one run that is known there.
///
/// # Panics
/// If there is another number.
pub fn only(data_dir: &Path) -> Value {
    let runs = list(data_dir);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].clone()
}

/// Files that wait.
pub fn spooled(data_dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(data_dir.join("runs")) else { return Vec::new() };
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    names.filter(|it| it.ends_with(".json")).collect()
}

/// A run as somebody else's tool would post it.
pub fn posted(id: &str, at: &str) -> Value {
    json!({
        "run_id": id,
        "user_id": USER,
        "timestamp": at,
        "slug": "migrate",
        "command": "make migrate",
        "status": "success",
        "duration_seconds": 12.5,
        "automation_seconds": 600,
        "lines_migrated": 120,
        "manual_estimate_seconds": 4_200,
    })
}

pub fn signal(child: &Child, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(done.unwrap().success());
}

/// What a process that was begun with pipes says until its end.
pub fn end_of(child: Child) -> Output {
    child.wait_with_output().unwrap()
}
