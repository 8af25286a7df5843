//! Those who follow the journal: total.json, the archive and the mirror's position, on the folder of
//! a real server, which starts again and goes on.

use std::fs;
use std::path::Path;

use aurora::care::verify;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::commands::{aurora, said, server, until_archived};
use crate::folders::{assert_good, is_put_aside, start, verified};
use crate::harness::TestApp;

/// A stopped server's folder; the journal holds everything, or no longer its beginning.
pub async fn folder(is_cut: bool) -> (TempDir, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let mut app = server(dir.path()).await;
    app.stop_gracefully();
    if is_cut {
        let journal = start(dir.path()).unwrap();
        journal.seal().unwrap();
        drop(journal);
        app.restart().await;
        app.say("+15550101", "It is getting worse").await;
        until_archived(&app).await;
        app.stop_gracefully();
        let journal = start(dir.path()).unwrap();
        // The server may have done it already.
        journal.release(journal.head()).unwrap();
        assert!(journal.first_held() > 1);
    }
    assert_good(dir.path());
    (dir, words(&open_calls(&app).await))
}

/// The conversations of a stopped server's active calls.
async fn open_calls(app: &TestApp) -> serde_json::Value {
    let total = fs::read(app.data_dir().join("total.json")).unwrap();
    serde_json::from_slice(&total).unwrap()
}

fn words(total: &serde_json::Value) -> Vec<String> {
    let conversations = total["active_conversations"].as_object().unwrap().values();
    let messages = conversations.flat_map(|it| it["messages"].as_object().unwrap().values());
    messages.map(|it| it["content"].as_str().unwrap().to_owned()).collect()
}

/// Spoils a page of an index: the rows themselves still read. What stands there now.
pub fn damage_archive(dir: &Path) -> Vec<u8> {
    let path = dir.join("archive.db");
    let db = Connection::open(&path).unwrap();
    let root: u64 = db
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'calls_by_worker'", [], |row| {
            row.get(0)
        })
        .unwrap();
    let page: u64 = db.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    drop(db);
    let mut bytes = fs::read(&path).unwrap();
    let at = ((root - 1) * page) as usize;
    let page = &mut bytes[at..at + page as usize];
    page.fill(0x55);
    let page = page.to_vec();
    fs::write(&path, &bytes).unwrap();
    page
}

/// All that the archive has, and what the index finds.
pub fn archived(dir: &Path) -> (u64, u64, u64) {
    let db = Connection::open(dir.join("archive.db")).unwrap();
    let count = |sql| db.query_row(sql, [], |row| row.get(0)).unwrap();
    (
        count("SELECT count(*) FROM calls"),
        count("SELECT count(*) FROM messages"),
        count("SELECT count(*) FROM words WHERE words MATCH 'fire'"),
    )
}

/// Verify names the file, a start refuses or not, repair makes it good, and the server goes on.
async fn mends(dir: &Path, file: &str, expected: &[String]) -> String {
    let report = verified(dir);
    assert!(report.problems().any(|it| it.file.ends_with(file)), "{report}");
    let output = aurora(dir, &["verify"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));

    let output = aurora(dir, &["repair", "--yes"]);

    let text = said(&output);
    assert!(output.status.success(), "{text}");
    assert_good(dir);
    let mut app = TestApp::builder().data_dir(dir).spawn().await;
    until_archived(&app).await;
    let found = words(&app.total().await);
    assert!(expected.iter().all(|it| found.contains(it)), "{found:?}\n{expected:?}");
    assert_eq!(found.len(), expected.len());
    app.say("+15550101", "We are outside").await;
    app.stop_gracefully();
    assert_good(dir);
    text
}

#[tokio::test]
async fn a_total_that_does_not_read_is_put_aside_and_rebuilt() {
    for damage in [&b"{\"active_calls\":{"[..], b"", b"[1]"] {
        let (dir, expected) = folder(false).await;
        fs::write(dir.path().join("total.json"), damage).unwrap();

        mends(dir.path(), "total.json", &expected).await;

        assert!(is_put_aside(dir.path(), damage));
    }
}

#[tokio::test]
async fn a_total_that_is_not_what_the_journal_tells_is_put_aside() {
    let (dir, expected) = folder(false).await;
    let path = dir.path().join("total.json");
    let text = fs::read_to_string(&path).unwrap().replace("hall 2", "hall 3");
    fs::write(&path, &text).unwrap();

    mends(dir.path(), "total.json", &expected).await;

    assert!(is_put_aside(dir.path(), text.as_bytes()));
}

#[tokio::test]
async fn the_archive_gives_the_open_calls_back_when_the_journal_cannot() {
    let (dir, expected) = folder(true).await;
    fs::remove_file(dir.path().join("total.json")).unwrap();

    let text = mends(dir.path(), "total.json", &expected).await;

    assert!(text.contains("as the archive has them"), "{text}");
}

#[tokio::test]
async fn an_archive_that_does_not_read_is_rebuilt() {
    let (dir, expected) = folder(false).await;
    let before = archived(dir.path());
    let path = dir.path().join("archive.db");
    let bad = [b"no database at all, but long enough ".as_slice(); 20].concat();
    fs::write(&path, &bad).unwrap();

    mends(dir.path(), "archive.db", &expected).await;

    assert!(is_put_aside(dir.path(), &bad));
    assert_eq!((archived(dir.path()).0, archived(dir.path()).2), (before.0, before.2));
}

#[tokio::test]
async fn what_reads_of_an_archive_comes_over_when_the_journal_no_longer_has_it() {
    let (dir, expected) = folder(true).await;
    let before = archived(dir.path());
    let page = damage_archive(dir.path());

    let text = mends(dir.path(), "archive.db", &expected).await;

    assert!(text.contains("2 calls with"), "{text}");
    assert_eq!((archived(dir.path()).0, archived(dir.path()).2), (before.0, before.2));
    assert!(is_put_aside(dir.path(), &page));
}

#[tokio::test]
async fn a_call_that_the_archive_tells_otherwise_is_told_and_mended() {
    let (dir, expected) = folder(false).await;
    let db = Connection::open(dir.path().join("archive.db")).unwrap();
    let changed =
        db.execute("UPDATE messages SET content = 'Never said' WHERE role = 0 AND id & 1", []);
    assert!(changed.unwrap() > 0);
    drop(db);
    let report = verified(dir.path());
    assert!(report.to_string().contains("what was said in it is not the same"), "{report}");

    mends(dir.path(), "archive.db", &expected).await;

    let db = Connection::open(dir.path().join("archive.db")).unwrap();
    let sql = "SELECT count(*) FROM messages WHERE content = 'Never said'";
    assert_eq!(db.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap(), 0);
}

#[tokio::test]
async fn a_mirrors_position_that_does_not_read_is_put_aside() {
    let (dir, expected) = folder(false).await;
    let path = dir.path().join("readers/firebase.json");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, r#"{"journal_id":"x","acked_"#).unwrap();

    mends(dir.path(), "firebase.json", &expected).await;

    assert!(!path.exists() && is_put_aside(dir.path(), br#""acked_"#));
}

#[tokio::test]
async fn verify_beside_a_server_under_load_finds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let app = server(dir.path()).await;
    let load = async {
        for n in 0..200 {
            app.say(&format!("+1555010{}", n % 7), "There is smoke in the hall").await;
        }
    };
    let path = dir.path().to_owned();
    let looking = tokio::task::spawn_blocking(move || {
        (0..8).map(|_| verify::verify(&path).unwrap()).find(|it| !it.good)
    });
    let (bad, ()) = tokio::join!(looking, load);
    assert!(bad.as_ref().unwrap().is_none(), "{}", bad.unwrap().unwrap());
}
