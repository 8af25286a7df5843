//! The journal no longer holds what the archive would read: it goes on with what there is, and
//! says what is missing.

use std::fs;
use std::path::Path;

use aurora::domain::{CallStatus, SyncStatus};
use aurora::journal::{Journal, JournalError, Need, Settings};
use aurora::readers::snapshot;

use crate::harness::TestApp;
use crate::support::{
    assert_index_is_whole, find, hang_up, open, path, status, until_archived, until_left, words,
};

/// Of a stopped server, leaves no segment but one that holds nothing yet.
fn remove_history(dir: &Path) {
    let stored = snapshot::load(dir).unwrap();
    let settings = Settings { data_dir: dir.to_owned(), segment_bytes: 1, ..Settings::default() };
    let journal = Journal::open(settings, stored).unwrap().0;
    // Each of these is a batch, and each batch has a segment of its own.
    for _ in 0..2 {
        let event = journal.submit(Need::Durable, |_, draft| {
            draft.push(aurora::domain::Event::RecordLost);
            Ok::<_, JournalError>(())
        });
        event.wait().unwrap();
    }
    journal.close();
    let (state, seq) = journal.snapshot_at_head();
    snapshot::save(dir, &state, journal.position(seq), &|_| SyncStatus::Synced).unwrap();
    drop(journal);
    let segments = fs::read_dir(dir.join("journal")).unwrap().map(|it| it.unwrap().path());
    let mut segments: Vec<_> =
        segments.filter(|it| it.extension() == Some("jsonl".as_ref())).collect();
    segments.sort();
    segments.pop();
    segments.into_iter().for_each(|it| fs::remove_file(it).unwrap());
}

#[tokio::test]
async fn an_archive_whose_records_are_gone_goes_on_and_says_so() {
    let mut app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let kept = app.say("+15550100", "The conveyor is jammed").await;
    let ends = app.say("+15550101", "The door does not close").await;
    until_archived(&app).await;
    app.stop_gracefully();
    let older = fs::read(path(&app)).unwrap();
    app.restart().await;
    app.say("+15550100", "It has stopped now").await;
    app.say("+15550101", "Now it does").await;
    hang_up(&app, "+15550101").await;
    let unknown = app.say("+15550102", "There is smoke in the hall").await;
    hang_up(&app, "+15550102").await;
    until_left(&app, &[ends.call(), unknown.call()]).await;
    app.stop_gracefully();
    let dir = app.data_dir().to_owned();
    tokio::task::spawn_blocking(move || remove_history(&dir)).await.unwrap();

    for before in [Some(older), None] {
        match &before {
            Some(older) => fs::write(path(&app), older).unwrap(),
            None => fs::remove_file(path(&app)).unwrap(),
        }
        app.restart().await;
        until_archived(&app).await;

        let told = status(&app).await;
        assert_eq!(told["healthy"], false, "{told}");
        assert!(told["complete_from"].as_u64().is_some_and(|it| it > 1), "{told}");
        assert!(told["detail"].as_str().is_some_and(|it| it.contains("gone")), "{told}");
        assert_eq!(app.get("/status").await.json()["status"], "degraded");
        app.until_logged("WARN").await;
        let db = open(&path(&app));
        let said = app.messages(kept.conversation()).await;
        assert!(said.len() >= 4);
        assert_eq!(words(&find(&db, kept.call()).unwrap()), said, "the state knew it");
        assert_eq!(find(&db, unknown.call()), None);
        let ended = find(&db, ends.call());
        assert_eq!(ended.is_some(), before.is_some());
        if let Some(ended) = ended {
            assert_eq!((ended.status, ended.messages.len()), (CallStatus::Ended, 2));
        }
        assert_index_is_whole(&path(&app));

        let later = app.say("+15550100", "Thank you").await;
        until_archived(&app).await;
        let call = find(&db, kept.call()).unwrap();
        assert_eq!(words(&call), app.messages(later.conversation()).await);
        drop(db);
        app.stop_gracefully();
    }
}
