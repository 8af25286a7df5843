//! A disk that is full, and a database that does not answer: an erasure waits, says so and is
//! finished.

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use crate::fakes::rtdb::{Fault, Rtdb};
use crate::harness::{TestApp, wait_until};
use crate::mirror::{assert_gone, mirrored, some_calls, until_synced};
use crate::support::{
    CALLER, OTHER, assert_chain_holds, assert_nothing_left, erase, holding, needles, sentences,
    until_erased, whole_call,
};
use crate::trap::{heal, tampered};

/// Each of the files that an erasure writes anew cannot be written, until there is room again.
#[tokio::test]
async fn an_erasure_that_finds_the_disk_full_is_finished_when_there_is_room() {
    for (file, calls, inject) in [
        ("journal/00000001.rewrite", "write", "write:error=ENOSPC:when=1+"),
        ("archive.db-wal", "pwrite64", "pwrite64:error=ENOSPC:when=1+"),
        ("total.json.new", "openat", "openat:error=ENOSPC:when=1+"),
        ("erasures.jsonl", "write", "write:error=ENOSPC:when=1+"),
    ] {
        let folder = TempDir::new().unwrap();
        let mut app = TestApp::builder().data_dir(folder.path()).spawn().await;
        whole_call(&app, OTHER, &["The conveyor Hupfdohle is jammed".to_owned()]).await;
        let call = whole_call(&app, CALLER, &sentences()).await;
        app.until_archived().await;
        let files = [folder.path().join(file).display().to_string()];
        app.stop_gracefully();
        app.set_under(tampered(calls, &[inject], &files));
        app.restart().await;

        let asking = erase(&app, CALLER);
        let healing = async {
            wait_until("it says that it waits", async || {
                let said = app.stderr();
                said.contains("An erasure is not done yet")
                    || said.contains("The archive cannot go on for now")
            })
            .await;
            assert!(!holding(app.data_dir(), &needles()).is_empty() || file == "erasures.jsonl");
            assert_eq!(app.get_json("/api/erasures").await["erasures"], json!([]), "{file}");
            // Callers are answered meanwhile.
            assert!(!app.say(OTHER, "Is anybody there?").await.message.is_empty());
            heal(&app).await;
        };
        let (got, ()) = tokio::join!(asking, healing);

        // Under way when it had waited for a while; else the receipt.
        assert!(matches!(got.status, 200 | 202), "{file}: {}", got.text());
        until_erased(&app).await;
        assert_nothing_left(app.data_dir());
        assert!(!holding(app.data_dir(), &["Hupfdohle"]).is_empty());
        let receipts = app.get_json("/api/erasures").await["erasures"].clone();
        assert_eq!(receipts[0]["call_ids"], json!([call]), "{file}");
        app.stop_gracefully();
        assert_chain_holds(app.data_dir(), true);
    }
}

/// Where no file may grow, nothing is begun that could not be said.
#[tokio::test]
async fn an_erasure_on_a_full_disk_is_refused_or_finished() {
    let app = TestApp::builder().survives_full_disk().spawn().await;
    let call = whole_call(&app, CALLER, &sentences()).await;
    app.fill_disk();

    let got = erase(&app, CALLER).await;

    assert!(matches!(got.status, 500 | 503), "{} {}", got.status, got.text());
    app.free_disk();
    wait_until("there is room, and nothing is under way", async || {
        app.get("/health/ready").await.status == 200
            && matches!(erase(&app, CALLER).await.status, 200 | 202)
    })
    .await;
    until_erased(&app).await;
    assert_nothing_left(app.data_dir());
    let receipts = app.get_json("/api/erasures").await["erasures"].to_string();
    assert!(receipts.contains(&call), "{receipts}");
}

#[tokio::test]
async fn a_database_that_hangs_keeps_no_word_on_the_disk() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    some_calls(&app).await;
    until_synced(&app).await;
    rtdb.set_fault(Fault::Hang);
    let n_before = rtdb.requests().count();
    app.say(OTHER, "The conveyor is still jammed").await;
    wait_until("a request hangs", async || rtdb.requests().count() > n_before).await;

    let asking = erase(&app, CALLER);
    let looking = async {
        wait_until("no word is left here", async || holding(app.data_dir(), &needles()).is_empty())
            .await;
        assert!(app.say(OTHER, "Is anybody there?").await.durable);
        rtdb.clear_faults();
    };
    let (got, ()) = tokio::join!(asking, looking);

    assert!(matches!(got.status, 200 | 202), "{}", got.text());
    until_erased(&app).await;
    until_synced(&app).await;
    assert_gone(&rtdb);
    assert!(fs::exists(app.data_dir().join("erasures.jsonl")).unwrap());
}
