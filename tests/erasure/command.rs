//! `aurora erase`: with a server and without one, and never without being asked.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::TestApp;
use crate::support::{CALLER, assert_chain_holds, assert_nothing_left, sentences, whole_call};

pub fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aurora"));
    command
        .env_clear()
        .env("AURORA_DATA_DIR", data_dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .args(["erase", "--caller", CALLER, "--by", "kim"]);
    command
}

async fn run(data_dir: &Path, more: &[&str]) -> Output {
    let mut command = command(data_dir);
    command.args(more);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn receipt(output: &Output) -> Value {
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn without_a_server_the_command_does_the_work() {
    let dir = TempDir::new().unwrap();
    let mut app = TestApp::builder().data_dir(dir.path()).spawn().await;
    whole_call(&app, CALLER, &sentences()).await;
    let open = app.say("+15552220000", "The conveyor is jammed").await;
    app.stop_gracefully();

    let refused = run(dir.path(), &[]).await;
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    let erased = run(dir.path(), &["--yes"]).await;

    let receipt = receipt(&erased);
    assert_eq!((&receipt["n_calls"], &receipt["by"]), (&json!(1), &json!("kim")));
    assert_nothing_left(dir.path());
    assert_chain_holds(dir.path(), true);
    app.restart().await;
    assert_eq!(app.call(open.call()).await["call"]["status"], "ACTIVE");
    assert_eq!(app.get_json("/api/erasures").await["erasures"][0], receipt);
    assert_nothing_left(dir.path());
}

#[tokio::test]
async fn with_a_server_the_command_asks_it() {
    let dir = TempDir::new().unwrap();
    let app = TestApp::builder().data_dir(dir.path()).spawn().await;
    whole_call(&app, CALLER, &sentences()).await;

    let receipt = receipt(&run(dir.path(), &["--yes"]).await);

    assert_eq!(app.get_json("/api/erasures").await["erasures"][0], receipt);
    assert_nothing_left(dir.path());
    app.say(CALLER, "Hello").await;
    let refused = run(dir.path(), &["--yes"]).await;
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("409") && said.contains("end it first"), "{said}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_made() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("nowhere");

    let refused = run(&missing, &["--yes"]).await;

    assert!(!refused.status.success() && !missing.exists());
}
