//! The copies in the database go, whenever it can be reached; and what it refused does not stay.

use std::fs;

use serde_json::{Value, json};

use crate::fakes::rtdb::{Fault, NAMESPACE, Rtdb};
use crate::harness::{Builder, TestApp, wait_until};
use crate::support::{CALLER, OTHER, WORDS, assert_nothing_left, erase, sentences, whole_call};

pub fn mirrored(rtdb: &Rtdb) -> Builder {
    TestApp::builder()
        .env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port())
        .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"))
}

async fn sync(app: &TestApp) -> Value {
    app.get_json("/api/sync").await
}

pub async fn until_synced(app: &TestApp) {
    wait_until("the mirror has everything", async || {
        let sync = sync(app).await;
        sync["state"] == "synced" && sync["pending"] == 0
    })
    .await;
}

/// # Panics
/// If the database knows anything of the caller, or forgot the other one.
pub fn assert_gone(rtdb: &Rtdb) {
    let all = format!("{}{}", rtdb.value("active_calls"), rtdb.value("active_conversations"));
    for word in WORDS.iter().chain([&CALLER]) {
        assert!(!all.contains(word), "{all}");
    }
    assert!(all.contains(OTHER) && all.contains("conveyor"), "{all}");
}

pub async fn some_calls(app: &TestApp) {
    whole_call(app, OTHER, &["The conveyor is jammed".to_owned()]).await;
    whole_call(app, CALLER, &sentences()).await;
}

#[tokio::test]
async fn the_copies_go() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    some_calls(&app).await;
    until_synced(&app).await;

    assert_eq!(erase(&app, CALLER).await.status, 200);

    until_synced(&app).await;
    assert_gone(&rtdb);
    assert_nothing_left(app.data_dir());
}

#[tokio::test]
async fn the_copies_go_when_the_database_is_back_after_a_restart() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).spawn().await;
    some_calls(&app).await;
    until_synced(&app).await;
    rtdb.go_down();

    assert_eq!(erase(&app, CALLER).await.status, 200);
    assert_nothing_left(app.data_dir());
    app.restart().await;
    rtdb.come_back();

    until_synced(&app).await;
    assert_gone(&rtdb);
}

#[tokio::test]
async fn the_copies_go_from_a_database_that_begins_anew() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).spawn().await;
    some_calls(&app).await;
    until_synced(&app).await;
    rtdb.go_down();
    assert_eq!(erase(&app, CALLER).await.status, 200);
    app.stop_gracefully();
    // Its place is lost: the whole state is sent, in which the call is not.
    fs::remove_file(app.data_dir().join("readers/firebase.json")).unwrap();

    rtdb.come_back();
    app.restart().await;

    until_synced(&app).await;
    assert_gone(&rtdb);
}

#[tokio::test]
async fn what_the_database_refused_is_forgotten_and_no_retry_brings_it_back() {
    for runs in [true, false] {
        let rtdb = Rtdb::start();
        rtdb.set_fault(Fault::Poison("messages/msg_000003".to_owned()));
        let mut app = mirrored(&rtdb).spawn().await;
        some_calls(&app).await;
        wait_until("a value was refused", async || {
            let sync = sync(&app).await;
            sync["pending"] == 0 && sync["failed"].as_array().is_some_and(|it| !it.is_empty())
        })
        .await;
        let file = app.data_dir().join("readers/firebase.json");
        assert!(fs::read_to_string(&file).unwrap().contains(WORDS[1]));
        if !runs {
            // Without a mirror the file is there all the same.
            app.set_env("FIREBASE_DATABASE_EMULATOR_HOST", "");
            app.set_env("FIREBASE_DATABASE_URL", "");
            app.restart().await;
        }

        assert_eq!(erase(&app, CALLER).await.status, 200);

        assert_nothing_left(app.data_dir());
        rtdb.clear_faults();
        if !runs {
            app.set_env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port());
            app.set_env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"));
            app.restart().await;
        }
        app.act("/api/sync/retry", &json!({})).await;
        until_synced(&app).await;
        assert_eq!(sync(&app).await["failed"], json!([]));
        assert_gone(&rtdb);
    }
}
