//! What a careless hand or another time leaves in place of `archive.db`: rebuilt, caught up, or
//! refused by name. Nothing is taken for empty that is not.

use std::fs;
use std::path::Path;

use aurora::domain::CallStatus;
use rusqlite::Connection;

use crate::harness::TestApp;
use crate::support::{
    assert_index_is_whole, contents, find, hang_up, open, path, status, until_archived, until_left,
    words,
};

async fn spawn() -> TestApp {
    TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await
}

/// A call that has ended and left, and one that goes on and is held.
async fn two_calls(app: &TestApp, number: &str) -> [String; 2] {
    let (ends, stays) = (format!("{number}1"), format!("{number}2"));
    let ended = app.say(&ends, "The conveyor is jammed").await.call().to_owned();
    app.say(&ends, "It has stopped now").await;
    hang_up(app, &ends).await;
    let goes_on = app.say(&stays, "There is a fire in the warehouse").await.call().to_owned();
    let held = format!("/api/call/{goes_on}/takeover");
    assert_eq!(app.act(&held, &serde_json::json!({ "admin_id": "Ann" })).await.status, 204);
    until_left(app, &[&ended]).await;
    until_archived(app).await;
    [ended, goes_on]
}

fn remove(archive: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", archive.display()));
    }
}

#[tokio::test]
async fn a_lost_archive_is_read_again_from_the_journal() {
    let mut app = spawn().await;
    for n in 0..5 {
        two_calls(&app, &format!("+1555010{n}")).await;
    }
    app.stop_gracefully();
    let before = contents(&path(&app));

    remove(&path(&app));
    app.restart().await;
    until_archived(&app).await;

    assert_eq!(contents(&path(&app)), before);
    assert_index_is_whole(&path(&app));
    let status = status(&app).await;
    assert_eq!((&status["healthy"], &status["calls"]), (&true.into(), &10.into()), "{status}");
    assert!(!app.stderr().contains("WARN"), "{}", app.stderr());
}

#[tokio::test]
async fn a_damaged_archive_stops_the_start_and_is_left_as_it_is() {
    let mut app = spawn().await;
    let [ended, _] = two_calls(&app, "+1555010").await;
    app.stop_gracefully();
    let (path, whole) = (path(&app), fs::read(path(&app)).unwrap());
    let mut header = whole.clone();
    header[..100].fill(0x5a);
    let mut schema = whole.clone();
    schema[100..4096].fill(0xff);
    let half = whole[..whole.len() / 8192 * 4096].to_vec();

    for damaged in [header, schema, half, b"This is no database, but a note.".to_vec()] {
        fs::write(&path, &damaged).unwrap();
        let refused = app.try_restart().await.expect_err("unreadable is not empty");
        assert!(!refused.status.success());
        for told in [&*path.display().to_string(), "aurora repair", "backup"] {
            assert!(refused.stderr.contains(told), "{told}: {}", refused.stderr);
        }
        assert!(fs::read(&path).unwrap() == damaged, "nothing was changed");
    }

    fs::write(&path, whole).unwrap();
    app.restart().await;
    assert!(find(&open(&path), &ended).is_some());
}

#[tokio::test]
async fn an_archive_of_a_newer_aurora_is_refused() {
    let mut app = spawn().await;
    two_calls(&app, "+1555010").await;
    app.stop_gracefully();
    Connection::open(path(&app)).unwrap().pragma_update(None, "user_version", 99).unwrap();

    let refused = app.try_restart().await.expect_err("it cannot know what is in it");

    assert!(refused.stderr.contains("version 99"), "{}", refused.stderr);
    assert!(refused.stderr.contains("start a newer one"), "{}", refused.stderr);
}

#[tokio::test]
async fn an_older_archive_catches_up() {
    let mut app = spawn().await;
    two_calls(&app, "+1555010").await;
    app.stop_gracefully();
    let older = fs::read(path(&app)).unwrap();
    app.restart().await;
    two_calls(&app, "+1555011").await;
    hang_up(&app, "+15550102").await;
    until_archived(&app).await;
    app.stop_gracefully();
    let newest = contents(&path(&app));

    fs::write(path(&app), older).unwrap();
    app.restart().await;
    until_archived(&app).await;

    app.stop_gracefully();
    assert_eq!(contents(&path(&app)), newest);
    assert_index_is_whole(&path(&app));
}

#[tokio::test]
async fn an_archive_ahead_of_its_journal_is_refused() {
    let mut app = spawn().await;
    two_calls(&app, "+1555010").await;
    app.stop_gracefully();
    let kept = tempfile::TempDir::new().unwrap();
    let (data, copy) = (app.data_dir().to_owned(), |from: &Path, to: &Path| {
        for file in fs::read_dir(from.join("journal")).unwrap() {
            let file = file.unwrap();
            fs::create_dir_all(to.join("journal")).unwrap();
            fs::copy(file.path(), to.join("journal").join(file.file_name())).unwrap();
        }
        fs::copy(from.join("total.json"), to.join("total.json")).unwrap();
    });
    copy(&data, kept.path());
    app.restart().await;
    let [later, _] = two_calls(&app, "+1555011").await;
    app.stop_gracefully();

    copy(kept.path(), &data);
    let refused = app.try_restart().await.expect_err("two histories are not one");

    assert!(refused.stderr.contains("the journal ends at"), "{}", refused.stderr);
    assert!(refused.stderr.contains("aurora repair"), "{}", refused.stderr);
    assert!(find(&open(&path(&app)), &later).is_some(), "nothing was changed");
    remove(&path(&app));
    app.restart().await;
    until_archived(&app).await;
    assert_eq!(status(&app).await["healthy"], true);
}

#[tokio::test]
async fn an_archive_that_has_read_another_journal_keeps_what_it_has() {
    let mut other = spawn().await;
    let [ended, went_on] = two_calls(&other, "+1555020").await;
    other.stop_gracefully();
    let mut app = spawn().await;
    let own = two_calls(&app, "+1555010").await;
    app.stop_gracefully();

    fs::copy(path(&other), path(&app)).unwrap();
    app.restart().await;
    until_archived(&app).await;

    let db = open(&path(&app));
    for call in own {
        assert!(find(&db, &call).is_some_and(|it| it.messages.len() >= 2), "{call}");
    }
    assert_eq!(words(&find(&db, &ended).unwrap()).len(), 4);
    // Nobody will ever hear how that one went on.
    let went_on = find(&db, &went_on).unwrap();
    assert_eq!(went_on.status, CallStatus::Ended);
    assert_eq!(went_on.ended_at, Some(went_on.last_message_at));
    assert_eq!(status(&app).await["complete_from"], 1);
    app.until_logged("another journal").await;
}
