//! Folders that no command can work with: each says what it is, and what to do.

use std::fs;

use aurora::domain::JournalId;
use aurora::journal::line::{FORMAT, Header, write_header};

use crate::commands::{aurora, said, server};
use crate::harness::TestApp;

fn each_command(target: &str) -> [Vec<&str>; 3] {
    [vec!["verify"], vec!["repair", "--yes"], vec!["backup", target]]
}

#[test]
fn a_folder_that_is_missing_or_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("copy");
    let target = target.to_str().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "not a folder").unwrap();

    for (place, what) in [(dir.path().join("nowhere"), "no data folder"), (file, "is a file")] {
        for arguments in each_command(target) {
            let output = aurora(&place, &arguments);
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{text}");
            for part in [what, "AURORA_DATA_DIR", place.to_str().unwrap()] {
                assert!(text.contains(part), "`{part}` is missing in: {text}");
            }
        }
    }
    assert!(!dir.path().join("nowhere").exists());
    assert!(!dir.path().join("copy").exists() && !dir.path().join("copy.part").exists());
}

#[test]
fn a_newer_folder_is_left_to_the_newer_aurora() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("copy");
    let data = dir.path().join("data");
    fs::create_dir_all(data.join("journal")).unwrap();
    let mut line = Vec::new();
    let header = Header { format: FORMAT + 1, ..Header::new(JournalId::from_bits(7), 1) };
    write_header(&header, &mut line);
    fs::write(data.join("journal/00000001.jsonl"), &line).unwrap();

    for arguments in each_command(target.to_str().unwrap()) {
        let output = aurora(&data, &arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("format version") && text.contains("newer"), "{text}");
    }
    assert_eq!(fs::read(data.join("journal/00000001.jsonl")).unwrap(), line);
    assert!(!target.exists());
}

#[tokio::test]
async fn one_folder_is_for_one_server_and_no_repair_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut app = server(dir.path()).await;

    let output = aurora(dir.path(), &["repair", "--yes"]);
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("in use") && text.contains("stop that one"), "{text}");
    let second = TestApp::builder().data_dir(dir.path()).try_spawn().await.unwrap_err();
    assert!(second.stderr.contains("in use"), "{}", second.stderr);

    app.say("+15550101", "Still here").await;
    app.stop_gracefully();
    let output = aurora(dir.path(), &["repair"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[tokio::test]
async fn a_repair_that_cannot_ask_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    server(dir.path()).await.stop_gracefully();
    let total = dir.path().join("total.json");
    fs::write(&total, "{").unwrap();

    let output = aurora(dir.path(), &["repair"]);

    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("total.json goes to quarantine") && text.contains("--yes"), "{text}");
    assert_eq!(fs::read_to_string(&total).unwrap(), "{");
    assert!(!dir.path().join("quarantine").exists());
}

#[tokio::test]
async fn a_backup_goes_to_a_place_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    server(&data).await.stop_gracefully();
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("something"), "precious").unwrap();
    fs::create_dir(dir.path().join("left.part")).unwrap();

    for (target, what) in [
        (full.clone(), "not empty"),
        (full.join("something"), "not empty"),
        (data.join("copy"), "within the data folder"),
        (dir.path().join("left"), "interrupted backup"),
        (dir.path().join("no/such/place"), "cannot find"),
    ] {
        let output = aurora(&data, &["backup", target.to_str().unwrap()]);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(what), "`{what}` is missing in: {text}");
    }
    assert_eq!(fs::read_to_string(full.join("something")).unwrap(), "precious");
}

#[tokio::test]
async fn verify_prints_json_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    server(dir.path()).await.stop_gracefully();

    let output = aurora(dir.path(), &["verify", "--json"]);

    assert!(output.status.success(), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["good"], true);
    assert_eq!(report["chain_head"].as_str().unwrap().len(), 64);
    assert_eq!(report["parts"].as_array().unwrap().len(), 5);
}
