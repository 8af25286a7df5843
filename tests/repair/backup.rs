//! A backup of a journal that is written to, sealed and removed meanwhile holds every word that was
//! durable before it began, and a server starts with it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aurora::care::backup;
use aurora::domain::{Event, SyncStatus};
use aurora::journal::{Journal, Need, Settings};
use aurora::readers::archive::{self, Store};
use aurora::readers::snapshot;
use rusqlite::Connection;

use crate::commands::{aurora, said, server, until_archived};
use crate::folders::{assert_good, held, start};
use crate::harness::{TestApp, wait_until};
use crate::support::{say, settings};

const CALLERS: u64 = 3;

fn back_up(data: &Path, to: &Path) {
    backup::run(&backup::Options { dir: to.to_owned() }, data).unwrap();
}

/// Everything that was ever said, in the archive and in the journal of a folder.
fn words(dir: &Path) -> BTreeSet<String> {
    let db = Connection::open(dir.join("archive.db")).unwrap();
    let mut found = db.prepare("SELECT content FROM messages").unwrap();
    let found = found.query_map([], |row| row.get(0)).unwrap();
    let mut words: BTreeSet<String> = found.map(|it| it.unwrap()).collect();
    let journal = start(dir).unwrap();
    for record in held(&journal) {
        if let Event::MessageAdded(it) = &record.event {
            words.insert(it.message.content.to_string());
        }
    }
    words
}

/// Ends the load.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn every_word_that_was_durable_is_in_the_backup() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let settings = Settings { segment_bytes: 20_000, ..settings(&data) };
    let (journal, _) = Journal::open(settings, None).unwrap();
    let is_over = AtomicBool::new(false);
    let durable = Mutex::new(BTreeSet::new());
    let n_removed = AtomicU64::new(0);

    let mut store = Store::open(&archive::path(&data)).unwrap();
    store.begin_at(journal.position(0), false).unwrap();
    std::thread::scope(|scope| {
        // Whatever happens here, the others end.
        let _end = Ending(&is_over);
        for caller in 0..CALLERS {
            let (journal, durable, is_over) = (&journal, &durable, &is_over);
            scope.spawn(move || {
                for n in 0.. {
                    if is_over.load(Ordering::Acquire) {
                        return;
                    }
                    let words = format!("caller {caller} says {n}");
                    // A call of its own for every twenty words.
                    let call = caller * 1_000_000 + n / 20;
                    say(journal, Need::Durable, call, words.clone()).wait().unwrap();
                    durable.lock().unwrap().insert(words);
                    std::thread::sleep(Duration::from_micros(500));
                }
            });
        }
        let store = &mut store;
        scope.spawn(|| {
            let mut reader = journal.read_after(0);
            while !is_over.load(Ordering::Acquire) {
                let batch = reader.next_batch(1_000, 1_000_000).unwrap();
                store.apply(journal.id(), batch.iter().map(|it| &**it)).unwrap();
                let is_durable = store.checkpoint().unwrap();
                let (state, seq) = journal.snapshot_at_head();
                let pending = |_: &_| SyncStatus::PendingSync;
                snapshot::save(&data, &state, journal.position(seq), &pending).unwrap();
                if is_durable {
                    let removed = journal.release(reader.position().min(seq)).unwrap();
                    n_removed.fetch_add(removed.n_segments as u64, Ordering::Relaxed);
                }
            }
        });
        for n in 0..10 {
            let said = durable.lock().unwrap().clone();
            let copy = dir.path().join(format!("copy {n}"));

            back_up(&data, &copy);

            assert!(!dir.path().join(format!("copy {n}.part")).exists());
            assert_good(&copy);
            let found = words(&copy);
            let lost: Vec<_> = said.difference(&found).collect();
            assert!(lost.is_empty(), "backup {n} lacks {lost:?}");
        }
    });
    journal.close();
    assert!(n_removed.load(Ordering::Relaxed) > 0, "segments were removed meanwhile");
}

#[tokio::test]
async fn work_that_waits_for_a_server_is_in_the_backup_and_a_restored_one_takes_it_in() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let mut app = server(&data).await;
    app.stop_gracefully();
    let record = ["run", "record", "--command", "x", "--slug"];
    for slug in ["waits", "sent", "refused", "torn"] {
        assert!(aurora(&data, &[&record[..], &[slug]].concat()).status.success());
    }
    let runs = data.join("runs");
    for entry in fs::read_dir(&runs).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let of = |slug: &str| text.contains(&format!("\"slug\":\"{slug}\""));
        for place in ["sent", "refused"].into_iter().filter(|it| of(it)) {
            fs::create_dir(runs.join(place)).unwrap();
            fs::rename(&path, runs.join(place).join(path.file_name().unwrap())).unwrap();
        }
        if of("torn") {
            fs::write(&path, &text[..text.len() / 2]).unwrap();
        }
    }
    fs::write(runs.join("1-2.begun"), "{}").unwrap();
    let verified = aurora(&data, &["verify"]);
    assert!(!verified.status.success());
    assert!(said(&verified).contains("aurora run list"), "{}", said(&verified));

    let output = aurora(&data, &["backup", copy.to_str().unwrap()]);

    assert!(output.status.success(), "{}", said(&output));
    assert_good(&copy);
    let verified = said(&aurora(&copy, &["verify"]));
    assert!(verified.contains("1 wait, 1 were refused"), "{verified}");
    assert!(!copy.join("runs/1-2.begun").exists());
    let aside = fs::read_dir(copy.join("runs/aside")).unwrap().count();
    assert_eq!(aside, 2, "the torn one and why");
    let restored = TestApp::builder().data_dir(&copy).spawn().await;
    wait_until("they are taken in", async || {
        let page = restored.get_json("/api/runs").await;
        let is_there = |slug| page["runs"].as_array().unwrap().iter().any(|it| it["slug"] == slug);
        ["waits", "sent", "refused"].into_iter().all(is_there)
    })
    .await;
}

#[tokio::test]
async fn a_restored_server_goes_on_as_another_history() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let mut app = server(&data).await;
    app.say("+15550101", "The last word before it").await;
    until_archived(&app).await;
    let before = app.total().await;

    let output = aurora(&data, &["backup", copy.to_str().unwrap()]);

    assert!(output.status.success(), "{}", said(&output));
    app.say("+15550101", "What comes after is not in it").await;
    app.stop_gracefully();
    assert_good(&copy);
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&copy), mode(&copy.join("admin.token"))), (0o700, 0o600));
    fs::rename(&data, dir.path().join("old")).unwrap();
    fs::rename(&copy, &data).unwrap();

    let mut restored = TestApp::builder().data_dir(&data).spawn().await;

    let after = restored.total().await;
    assert_eq!(after["active_conversations"], before["active_conversations"]);
    assert_ne!(after["journal_id"], before["journal_id"]);
    assert_eq!(restored.token, app.token);
    restored.say("+15550101", "It goes on").await;
    until_archived(&restored).await;
    restored.stop_gracefully();
    assert_good(&data);
    let db = Connection::open(data.join("archive.db")).unwrap();
    let sql = "SELECT count(*) FROM words WHERE words MATCH 'fire OR goes'";
    let n: u64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(n >= 2, "old and new words are found");
}
