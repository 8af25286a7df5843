//! Small words for the tests: somebody who calls, and every byte of the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Got, TestApp, send, wait_until};

/// Who is to be forgotten, and words that nobody else says.
pub const CALLER: &str = "+15557391846";
pub const OTHER: &str = "+15552220000";
pub const WORDS: [&str; 3] = ["Quastenflosser", "zyklopenhaft", "Wrmpfl7"];

/// What the caller says, one utterance a word.
pub fn sentences() -> Vec<String> {
    WORDS.iter().map(|it| format!("There is a fire beside the {it} shelf")).collect()
}

pub async fn hang_up(app: &TestApp, number: &str) {
    let got = app.post_json("/api/hang-up", &json!({ "ph_no": number })).await;
    assert_eq!(got.status, 204, "{}", got.text());
}

/// A call of that number from beginning to end; its id.
pub async fn whole_call(app: &TestApp, number: &str, sentences: &[String]) -> String {
    let mut call = String::new();
    for sentence in sentences {
        call = app.say(number, sentence).await.call().to_owned();
    }
    hang_up(app, number).await;
    call
}

pub async fn until_left(app: &TestApp, call: &str) {
    wait_until("the ended call has left", async || {
        app.total().await["active_calls"].get(call).is_none()
    })
    .await;
}

pub async fn delete(app: &TestApp, call: &str, body: &Value) -> Got {
    let request = app.request(Method::DELETE, &format!("/api/calls/{call}"));
    send(request.bearer_auth(&app.token).json(body)).await
}

pub async fn erase(app: &TestApp, number: &str) -> Got {
    app.act("/api/erase", &json!({ "caller": number, "admin_id": "kim" })).await
}

/// Waits until no erasure is under way.
pub async fn until_erased(app: &TestApp) {
    wait_until("the erasure is finished", async || {
        app.get_json("/api/erasures").await["under_way"].is_null()
    })
    .await;
}

/// Every file below the folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Which files hold one of the needles, in letters of any case.
pub fn holding(folder: &Path, needles: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(folder) {
        // What is written meanwhile may be renamed away.
        let Ok(bytes) = fs::read(&path) else { continue };
        let bytes = bytes.to_ascii_lowercase();
        for needle in needles {
            let needle = needle.to_ascii_lowercase();
            if memchr::memmem::find(&bytes, needle.as_bytes()).is_some() {
                found.push(format!("{needle} in {}", path.display()));
            }
        }
    }
    found
}

/// The number and the words, as they may stand in any file.
pub fn needles() -> Vec<&'static str> {
    let mut needles = vec![CALLER.trim_start_matches('+')];
    needles.extend(WORDS);
    needles
}

/// # Panics
/// If a byte of the caller is left.
pub fn assert_nothing_left(folder: &Path) {
    assert_eq!(holding(folder, &needles()), [""; 0]);
}

pub fn assert_chain_holds(folder: &Path, shows_rewriting: bool) {
    let journal = folder.join("journal");
    let report = aurora::journal::chain::verify(&journal, |_, _| ()).unwrap();
    assert_eq!(report.problems, [""; 0]);
    let chain = fs::read_to_string(journal.join("chain.jsonl")).unwrap_or_default();
    assert_eq!(chain.contains("\"rewritten\":true"), shows_rewriting, "{chain}");
}
