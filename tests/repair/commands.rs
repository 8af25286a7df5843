//! The commands as a person runs them, on the folder of a real server.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::harness::{TestApp, wait_until};

/// Runs `aurora` with these arguments; its answer to a question is no terminal.
pub fn aurora(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aurora"))
        .args(arguments)
        .env_clear()
        .env("AURORA_DATA_DIR", dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub fn said(output: &Output) -> String {
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// A server with two calls, one of them ended and archived.
pub async fn server(dir: &Path) -> TestApp {
    let app =
        TestApp::builder().data_dir(dir).env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    app.say("+15550100", "There is a fire").await;
    app.say("+15550101", "I smell gas in hall 2").await;
    let hung_up = app.post_json("/api/hang-up", &json!({ "ph_no": "+15550100" })).await;
    assert_eq!(hung_up.status, 204);
    until_archived(&app).await;
    app
}

/// The archive has everything, and what is over has left the state.
pub async fn until_archived(app: &TestApp) {
    wait_until("what is over has left", async || {
        let total = app.total().await;
        let calls = total["active_calls"].as_object().unwrap();
        calls.values().all(|it| it["status"] != "ENDED")
    })
    .await;
    app.until_archived().await;
}
