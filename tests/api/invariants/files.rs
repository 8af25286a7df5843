//! Unreadable is not empty: what the server does with damaged files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fakes::rtdb::Rtdb;
use crate::harness::{Exit, TestApp};
use crate::store::segments;

/// A folder with a crashed server's call in it.
async fn store(dir: &Path) {
    let mut app = TestApp::builder().data_dir(dir).spawn().await;
    app.say("+15550100", "There is a fire").await;
    app.say("+15550100", "It is in hall 2").await;
    app.kill();
}

async fn refusal(dir: &Path, settings: &[(&str, String)]) -> Exit {
    let mut builder = TestApp::builder().data_dir(dir);
    for (name, value) in settings {
        builder = builder.env(name, value.clone());
    }
    let exit = builder.try_spawn().await.expect_err("damage stops the start");
    assert!(!exit.status.success());
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
    exit
}

/// Everything in the folder but the lock, and SQLite's memory of its log, which holds no data and is
/// made anew by whoever looks.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("lock") && !path.ends_with("archive.db-shm") {
                let bytes = fs::read(&path).unwrap();
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn unreadable_is_not_empty() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    store(dir).await;
    let journal = segments(dir).pop().unwrap();
    let good = fs::read(&journal).unwrap();

    // One damaged byte in the third line of the journal.
    let line_start = good.iter().enumerate().filter(|it| *it.1 == b'\n').nth(1).unwrap().0 + 1;
    let mut bad = good.clone();
    bad[line_start + 60] ^= 1;
    fs::write(&journal, &bad).unwrap();
    let before = contents(dir);
    let said = refusal(dir, &[]).await.stderr;
    let file = journal.file_name().unwrap().to_str().unwrap();
    for part in [file, "line 3", "damaged", "aurora repair", "backup"] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }
    assert_eq!(contents(dir), before, "nothing was changed");
    assert!(!said.contains("hall 2"), "not a caller's words");
    fs::write(&journal, &good).unwrap();

    // `total.json` that is no JSON, is cut short, is empty, or is another thing.
    let total = dir.join("total.json");
    let mut app = TestApp::builder().data_dir(dir).spawn().await;
    app.stop_gracefully();
    let whole = fs::read(&total).unwrap();
    for damage in [&whole[..whole.len() / 2], b"", b"{}", b"[1]", b"\0\0\0\0"] {
        fs::write(&total, damage).unwrap();
        let before = contents(dir);
        let said = refusal(dir, &[]).await.stderr;
        for part in ["total.json", "line ", "backup", "aurora repair"] {
            assert!(said.contains(part), "`{part}` is missing in: {said}");
        }
        assert_eq!(contents(dir), before, "nothing was changed");
    }
    // The way out that the message names is one.
    fs::remove_file(&total).unwrap();
    let mut app = TestApp::builder().data_dir(dir).spawn().await;
    assert_eq!(app.total().await["active_calls"].as_object().unwrap().len(), 1);
    app.stop_gracefully();

    // The mirror's position.
    let firebase = Rtdb::start();
    let mirror = [("FIREBASE_DATABASE_EMULATOR_HOST", firebase.host_port())];
    let position = dir.join("readers").join("firebase.json");
    fs::create_dir_all(position.parent().unwrap()).unwrap();
    fs::write(&position, r#"{"journal_id": "x", "acked_"#).unwrap();
    let said = refusal(dir, &mirror).await.stderr;
    for part in ["firebase.json", "line 1", "aurora repair"] {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }

    // The supervisors' token.
    fs::write(dir.join("admin.token"), "short\n").unwrap();
    let said = refusal(dir, &[]).await.stderr;
    assert!(said.contains("admin.token") && said.contains("remove the file"), "{said}");
}

#[tokio::test]
async fn a_torn_last_line_is_cut_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    store(dir).await;
    let journal = segments(dir).pop().unwrap();
    let good = fs::read(&journal).unwrap();
    fs::write(&journal, [&good, &br#"{"seq":99,"at":"2026-11-20T12:"#[..]].concat()).unwrap();

    let mut app = TestApp::builder().data_dir(dir).spawn().await;

    let said = app.stderr();
    let file = journal.file_name().unwrap().to_str().unwrap();
    assert!(said.contains("WARN") && said.contains(file), "{said}");
    assert!(fs::read(&journal).unwrap().starts_with(&good));
    let reply = app.say("+15550100", "We are outside").await;
    assert_eq!(app.messages(reply.conversation()).await.len(), 6);
    app.kill();
    app.restart().await;
    assert_eq!(app.messages(reply.conversation()).await.len(), 6);
}

#[tokio::test]
async fn a_state_of_another_journal_stops_the_start() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&one, &other] {
        let mut app = TestApp::builder().data_dir(dir.path()).spawn().await;
        app.say("+15550100", "There is a fire").await;
        app.stop_gracefully();
    }
    fs::copy(one.path().join("total.json"), other.path().join("total.json")).unwrap();

    let said = refusal(other.path(), &[]).await.stderr;

    assert!(said.contains("does not fit the journal"), "{said}");
}
