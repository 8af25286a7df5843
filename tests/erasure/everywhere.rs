//! After an erasure no file holds the number or a word, and nobody is sent one; others stay.

use std::fs;
use std::path::Path;

use aurora::care::repair;
use aurora::domain::Field;
use rusqlite::Connection;
use serde_json::json;

use crate::harness::{Elsewhere, EventStream, TestApp};
use crate::support::{
    CALLER, OTHER, WORDS, assert_chain_holds, assert_nothing_left, erase, holding, needles,
    sentences, until_left, whole_call,
};

/// Damages the folder of a stopped server in three ways, each of which sets the caller's words aside.
fn damage(data_dir: &Path) {
    let segment = data_dir.join("journal/00000001.jsonl");
    let text = fs::read_to_string(&segment).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut of_theirs = lines.iter_mut().filter(|it| it.contains(WORDS[0]));
    // Its id still reads.
    let line = of_theirs.next().unwrap();
    *line = line.replace("\"crc\":\"", "\"crc\":\"x");
    fs::write(&segment, lines.join("\n") + "\n").unwrap();
    let total = data_dir.join("total.json");
    fs::write(&total, fs::read_to_string(&total).unwrap() + "}").unwrap();
    let archive = data_dir.join("archive.db");
    let mut bytes = fs::read(&archive).unwrap();
    bytes[..100].fill(b'x');
    fs::write(&archive, bytes).unwrap();
}

#[tokio::test]
async fn what_a_repair_set_aside_is_cleaned_or_named() {
    let mut app = TestApp::spawn().await;
    let call = whole_call(&app, CALLER, &sentences()).await;
    app.restart().await;
    app.stop_gracefully();
    damage(app.data_dir());
    let mut out = Vec::new();
    repair::run(repair::Options { yes: true }, app.data_dir(), "test", &mut out).unwrap();
    let aside = holding(&app.data_dir().join("quarantine"), &needles());
    for file in ["00000001.jsonl", "total.json", "archive.db"] {
        assert!(aside.iter().any(|it| it.ends_with(file)), "{file}: {aside:?}");
    }

    app.restart().await;
    let receipt = erase(&app, CALLER).await.json();

    assert_eq!(receipt["call_ids"], json!([call]));
    let left: Vec<String> = serde_json::from_value(receipt["left"].clone()).unwrap();
    let [left] = left.as_slice() else { panic!("{left:?}") };
    assert!(left.starts_with("quarantine/") && left.ends_with("-archive.db"), "{left}");
    fs::remove_file(app.data_dir().join(left)).unwrap();
    assert_nothing_left(app.data_dir());
}

#[tokio::test]
async fn a_line_that_may_be_anybodys_is_named_in_the_receipt() {
    let app = TestApp::spawn().await;
    whole_call(&app, CALLER, &sentences()).await;
    let quarantine = app.data_dir().join("quarantine");
    fs::create_dir(&quarantine).unwrap();
    for (name, text) in [
        ("torn.jsonl", "\"content\":\"Who said this?\"}}}\n"),
        ("torn.jsonl.txt", "Stood in torn.jsonl\n"),
        ("firebase.json", "{\"acked_seq\":\n7}"),
        ("chain.jsonl", "damaged\n"),
    ] {
        fs::write(quarantine.join(name), text).unwrap();
    }

    let receipt = erase(&app, CALLER).await.json();

    assert_eq!(receipt["left"], json!(["quarantine/torn.jsonl"]));
}

const OTHERS_WORDS: &str = "The conveyor Hupfdohle is jammed";

#[tokio::test]
async fn nothing_of_the_caller_is_left_and_others_stay() {
    let mut app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let left = whole_call(&app, CALLER, &sentences()).await;
    let other = whole_call(&app, OTHER, &[OTHERS_WORDS.to_owned()]).await;
    until_left(&app, &left).await;
    until_left(&app, &other).await;
    app.set_env("AURORA_ARCHIVE_AFTER_SECONDS", "3600");
    app.restart().await;
    let stays = whole_call(&app, CALLER, &sentences()).await;
    // What people wrote about them, here and in Firebase, goes as well.
    for call in [&left, &stays] {
        for (path, field) in [("notes", "admin_notes"), ("final-action", "final_action")] {
            let body = json!({ "admin_id": "kim", field: sentences()[0] });
            let got = app.act(&format!("/api/call/{call}/{path}"), &body).await;
            assert_eq!(got.status, 204, "{}", got.text());
        }
    }
    let (field, value) = (Field::AdminNotes, &*sentences()[1]);
    let there = Elsewhere { call: &stays, field, value, by: "sam", before_ms: 60_000 };
    app.edited_elsewhere(&[there]).await;
    // What it holds now is in total.json, too.
    app.restart().await;
    let conflicts = app.get_json("/api/conflicts").await["conflicts"].clone();
    assert_eq!(conflicts.as_array().map(Vec::len), Some(1));
    let goes_on = app.say(OTHER, OTHERS_WORDS).await;
    let quarantine = app.data_dir().join("quarantine");
    fs::create_dir(&quarantine).unwrap();
    let aside = quarantine.join("00000001.lines");
    fs::write(&aside, format!("theirs {CALLER}\n{left} Quastenflosser\nnobody's\n")).unwrap();
    let before = holding(app.data_dir(), &needles());
    for file in ["total.json", "archive.db", ".jsonl", ".lines"] {
        assert!(before.iter().any(|it| it.ends_with(file)), "{file}: {before:?}");
    }

    app.until_archived().await;
    let search = format!("/api/search?q={}", WORDS[0]);
    let found = app.get_json(&search).await["results"].to_string();
    for place in ["message", "admin_notes", "final_action"] {
        assert!(found.contains(&format!(r#""found_in":"{place}""#)), "{place} in {found}");
    }

    let got = erase(&app, CALLER).await;

    assert_eq!(got.status, 200, "{}", got.text());
    assert_eq!(app.get_json(&search).await["results"], json!([]));
    // The index writes only how a word differs from the one before it.
    let archive = Connection::open(app.data_dir().join("archive.db")).unwrap();
    archive
        .execute_batch("CREATE VIRTUAL TABLE temp.terms USING fts5vocab(main, words, row)")
        .unwrap();
    let terms = |sql| archive.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(terms("SELECT count(*) FROM temp.terms WHERE term = 'quastenflosser'"), 0);
    assert_eq!(terms("SELECT count(*) FROM temp.terms WHERE term = 'hupfdohle'"), 1);
    drop(archive);
    let receipt = got.json();
    let mut ids = vec![left.clone(), stays.clone()];
    ids.sort();
    let mut erased: Vec<String> = serde_json::from_value(receipt["call_ids"].clone()).unwrap();
    erased.sort();
    assert_eq!(erased, ids);
    assert_eq!((&receipt["n_calls"], &receipt["n_messages"]), (&json!(2), &json!(12)));
    assert_ne!(receipt["chain_before"], receipt["chain_after"]);
    assert_nothing_left(app.data_dir());
    assert_eq!(app.get_json("/api/conflicts").await["conflicts"], json!([]));
    assert_eq!(fs::read_to_string(&aside).unwrap(), "nobody's\n");
    assert!(!app.data_dir().join("erasing.json").exists());
    assert!(!holding(app.data_dir(), &["Hupfdohle"]).is_empty());
    for call in &ids {
        assert_eq!(app.get_as_supervisor(&format!("/api/call/{call}")).await.status, 404);
    }
    assert_eq!(app.call(goes_on.call()).await["call"]["status"], "ACTIVE");
    assert_chain_holds(app.data_dir(), true);

    for keeps_archive in [true, false] {
        app.stop_gracefully();
        if !keeps_archive {
            for end in ["", "-wal", "-shm"] {
                let _ = fs::remove_file(app.data_dir().join(format!("archive.db{end}")));
            }
        }
        app.restart().await;
        app.until_archived().await;
        assert_nothing_left(app.data_dir());
        assert!(!holding(app.data_dir(), &["Hupfdohle"]).is_empty());
    }
    assert!(!app.stderr().contains(CALLER));
}

#[tokio::test]
async fn boards_drop_the_call_and_nobody_is_sent_its_words_again() {
    let app = TestApp::spawn().await;
    app.say(OTHER, OTHERS_WORDS).await;
    let mut board = app.board().await;
    let initial = board.until("initial").await;
    let place = initial.id.clone().unwrap();
    let call = whole_call(&app, CALLER, &sentences()).await;
    board.until("ended").await;

    assert_eq!(erase(&app, CALLER).await.status, 200);

    let erased = board.until("call_erased").await;
    assert_eq!(erased.data["call_id"], call);
    let mut back = EventStream::open(&app, "/api/stream", Some(&place)).await;
    let mut heard = String::new();
    loop {
        let event = back.next().await.unwrap();
        heard.push_str(&format!("{event:?}"));
        if event.name == "initial" {
            break;
        }
    }
    assert!(heard.contains("gap"), "{heard}");
    for word in WORDS {
        assert!(!heard.contains(word), "{heard}");
    }
}

#[tokio::test]
async fn a_caller_of_whom_nothing_is_known_leaves_a_receipt_of_nothing() {
    let app = TestApp::spawn().await;

    let got = erase(&app, CALLER).await;

    assert_eq!((got.status, &got.json()["n_calls"]), (200, &json!(0)));
    assert_eq!(got.json()["left"], json!([]));
    assert_nothing_left(app.data_dir());
}

#[tokio::test]
async fn a_database_that_a_repair_set_aside_is_named_in_the_receipt() {
    let app = TestApp::spawn().await;
    whole_call(&app, CALLER, &sentences()).await;
    let quarantine = app.data_dir().join("quarantine");
    fs::create_dir(&quarantine).unwrap();
    let aside = quarantine.join("2026-01-01-archive.db");
    fs::write(&aside, format!("damaged where it begins\n{CALLER}\n")).unwrap();

    let receipt = erase(&app, CALLER).await.json();

    assert_eq!(receipt["left"], json!(["quarantine/2026-01-01-archive.db"]));
    let bytes = fs::read_to_string(&aside).unwrap();
    assert!(bytes.contains(CALLER), "no half of a database is of use to anybody");
}
