//! A disk that is full, a file that rots while it is used: callers do not notice, and the archive
//! says so.

use std::fs;
use std::os::unix::fs::FileExt;

use rusqlite::Connection;
use serde_json::json;

use crate::harness::{TestApp, wait_until};
use crate::support::{
    assert_index_is_whole, find, hang_up, open, path, status, until_archived, until_left, words,
};

#[tokio::test]
async fn an_archive_that_finds_no_room_goes_on_when_there_is_some() {
    let app = TestApp::builder()
        .env("AURORA_ARCHIVE_AFTER_SECONDS", "0")
        .survives_full_disk()
        .spawn()
        .await;
    let before = app.say("+15550100", "The conveyor is jammed").await;
    until_archived(&app).await;

    // The journal is a small file, and the archive is a large one.
    app.fill_disk_at(24 * 1024);
    let reply = app.say("+15550100", "It has stopped now").await;
    assert!(reply.durable, "the journal has room");
    hang_up(&app, "+15550100").await;
    wait_until("the archive fails", async || status(&app).await["state"] == "failing").await;

    assert_eq!(app.get("/status").await.json()["status"], "degraded");
    assert_eq!(app.get("/health/ready").await.status, 200, "calls can be taken");
    let told = status(&app).await;
    assert!(told["detail"].as_str().is_some_and(|it| !it.is_empty()), "{told}");
    let mut board = app.board().await;
    let initial = board.until("initial").await;
    if initial.data["health"]["archive"] == "" {
        board.until_so("health", |it| it["archive"] != "").await;
    }
    assert_eq!(app.call(before.call()).await["call"]["status"], "ENDED", "it stays meanwhile");
    let failures = |text: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix("aurora_archive_failures_total "));
        line.and_then(|it| it.parse::<u64>().ok()).unwrap_or(0)
    };
    wait_until("it is tried again", async || failures(app.get("/metrics").await.text()) >= 3).await;
    let warnings = app.stderr().matches("The archive cannot go on").count();
    assert_eq!(warnings, 1, "an outage is one line, not one a try");

    app.free_disk();
    until_left(&app, &[before.call()]).await;
    until_archived(&app).await;

    board.until_so("health", |it| it["archive"] == "").await;
    let found = find(&open(&path(&app)), before.call()).unwrap();
    assert_eq!((words(&found).len(), words(&found)[2].1.as_str()), (4, "It has stopped now"));
    assert_index_is_whole(&path(&app));
    assert_eq!(app.get("/status").await.json()["status"], "ok");
    app.until_logged("The archive goes on.").await;
}

#[tokio::test]
async fn a_full_disk_does_not_stop_the_start() {
    let dir = tempfile::TempDir::new().unwrap();
    let mut before = TestApp::builder().data_dir(dir.path()).spawn().await;
    let first = before.say("+15550100", "The conveyor is jammed").await;
    until_archived(&before).await;
    before.kill();

    for is_lost in [false, true] {
        if is_lost {
            for end in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(dir.path().join(format!("archive.db{end}")));
            }
        }
        let mut app = TestApp::builder().data_dir(dir.path()).finds_full_disk().spawn().await;
        let reply = app.say("+15550100", "There is a fire in the warehouse").await;
        assert!(!reply.durable && reply.call() == first.call());
        wait_until("the archive fails", async || status(&app).await["state"] == "failing").await;

        app.free_disk();
        wait_until("the disk is back", async || app.get("/health/ready").await.status == 200).await;
        until_archived(&app).await;

        let found = find(&open(&path(&app)), first.call()).unwrap();
        assert_eq!(words(&found), app.messages(first.conversation()).await);
        assert_index_is_whole(&path(&app));
        app.kill();
    }
}

#[tokio::test]
async fn an_archive_that_rots_stops_and_calls_go_on() {
    let mut app = TestApp::spawn().await;
    app.say("+15550100", "The conveyor is jammed").await;
    let head = app.get("/status").await.json()["journal"]["head_seq"].clone();
    wait_until("all of it is on disk", async || status(&app).await["durable_seq"] == head).await;

    rot(&app, "calls");
    let reply = app.say("+15550101", "There is a fire in the warehouse").await;

    assert!(reply.durable);
    wait_until("it is found out", async || status(&app).await["state"] == "stopped").await;
    let told = app.get("/status").await.json();
    assert_eq!((&told["status"], &told["archive"]["healthy"]), (&json!("degraded"), &json!(false)));
    assert!(told["archive"]["detail"].as_str().is_some_and(|it| it.contains("aurora repair")));
    assert!(app.get("/metrics").await.text().contains("aurora_archive_healthy 0\n"));
    app.until_logged("The archive has stopped").await;
    assert!(app.say("+15550101", "It burns").await.durable, "calls are answered");

    // What the journal has is not lost with the file.
    app.stop_gracefully();
    for end in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{end}", path(&app).display()));
    }
    app.restart().await;
    until_archived(&app).await;
    assert_eq!(words(&find(&open(&path(&app)), reply.call()).unwrap()).len(), 4);
}

/// Makes nonsense of a table's first page, and lets the server forget what it has read of it.
fn rot(app: &TestApp, table: &str) {
    let db = Connection::open(path(app)).unwrap();
    let page: u64 = db
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
        .unwrap();
    let file = fs::File::options().write(true).open(path(app)).unwrap();
    file.write_all_at(&[0xff; 4096], (page - 1) * 4096).unwrap();
    // A change by somebody else; none is written for what stays the same.
    for change in ["+", "-"] {
        let sql = format!("UPDATE about SET complete_from = complete_from {change} 1");
        db.execute(&sql, []).unwrap();
    }
}
