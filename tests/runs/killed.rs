//! Whoever records is killed, at whatever moment: the work is known of, once.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use aurora::domain::Timestamp;
use aurora::journal::{DataLock, HolderState};
use tempfile::tempdir;

use crate::harness::{TestApp, wait_until};
use crate::support::{aurora, list, only, recorded, signal, spooled};

/// Files of work that is under way.
fn begun(data_dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(data_dir.join("runs")) else { return Vec::new() };
    let paths = entries.map(|it| it.unwrap().path());
    paths.filter(|it| it.extension().is_some_and(|it| it == "begun")).collect()
}

/// Something that goes on until it is killed, when its beginning is known.
async fn under_way(data_dir: &Path) -> Child {
    let words = ["exec", "--slug", "long", "--lines", "3", "--", "sleep", "1000"];
    let child = aurora(data_dir, &words).stdout(Stdio::null()).spawn().unwrap();
    wait_until("its beginning is known", async || !begun(data_dir).is_empty()).await;
    child
}

/// And what it began, which lives on.
fn kill(mut child: Child) {
    let pid = child.id().to_string();
    let left = Command::new("pgrep").args(["-P", &pid]).output().unwrap().stdout;
    signal(&child, "KILL");
    child.wait().unwrap();
    let left = String::from_utf8(left).unwrap();
    assert!(Command::new("kill").args(left.split_whitespace()).status().unwrap().success());
}

#[test]
fn it_is_on_disk_before_a_server_is_told() {
    for words in
        [&["record", "--slug", "x", "--command", "y"][..], &["exec", "--slug", "x", "--", "true"]]
    {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join("admin.token"), "a").unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let lock = DataLock::take(dir.path()).unwrap();
        lock.announce(HolderState::Serving, Some(server.local_addr().unwrap()));
        let mut child = aurora(dir.path(), words).stdout(Stdio::null()).spawn().unwrap();

        let (mut asked, _) = server.accept().unwrap();
        let waiting = spooled(dir.path());
        signal(&child, "KILL");
        child.wait().unwrap();

        let mut request = String::new();
        let _ = asked.read_to_string(&mut request);
        assert_eq!(waiting.len(), 1, "{words:?}");
        assert_eq!(spooled(dir.path()), waiting);
        assert!(begun(dir.path()).is_empty());
        drop(lock);
        assert_eq!(only(dir.path())["status"], "success");
    }
}

#[test]
fn what_the_server_has_does_not_wait_for_it() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("admin.token"), "a").unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let lock = DataLock::take(dir.path()).unwrap();
    lock.announce(HolderState::Serving, Some(server.local_addr().unwrap()));
    let words = ["exec", "--slug", "x", "--", "true"];
    let mut child = aurora(dir.path(), &words).stdout(Stdio::null()).spawn().unwrap();

    let (mut asked, _) = server.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        let mut part = [0; 4_096];
        let n = asked.read(&mut part).unwrap();
        assert_ne!(n, 0, "{}", String::from_utf8_lossy(&request));
        request.extend_from_slice(&part[..n]);
    }
    let answer = "HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    asked.write_all(answer.as_bytes()).unwrap();

    assert!(child.wait().unwrap().success());
    assert!(spooled(dir.path()).is_empty() && begun(dir.path()).is_empty());
}

#[tokio::test]
async fn work_whose_witness_is_killed_was_interrupted_when_it_was_last_seen() {
    let dir = tempdir().unwrap();
    let child = under_way(dir.path()).await;
    // As long as it goes on nobody takes it for ended.
    assert!(list(dir.path()).is_empty());
    let mark = begun(dir.path()).pop().unwrap();
    kill(child);
    // It was seen a minute after it began.
    let file = fs::File::options().write(true).open(&mark).unwrap();
    let seen = SystemTime::now() + Duration::from_secs(60);
    file.set_modified(seen).unwrap();

    let run = only(dir.path());

    assert_eq!((&run["status"], &run["slug"]), (&"interrupted".into(), &"long".into()));
    assert_eq!((&run["command"], &run["lines_migrated"]), (&"sleep 1000".into(), &3.into()));
    assert_eq!(run["timestamp"], Timestamp::from(seen).to_string());
    let lasted = run["duration_seconds"].as_f64().unwrap();
    assert!((60.0..90.0).contains(&lasted), "{run}");
    assert!(begun(dir.path()).is_empty());
    // Asked again, it is the same one.
    assert_eq!(only(dir.path())["run_id"], run["run_id"]);
}

#[tokio::test]
async fn a_server_takes_it_in_too_and_leaves_what_goes_on() {
    let dir = tempdir().unwrap();
    kill(under_way(dir.path()).await);
    let dead = begun(dir.path()).pop().unwrap();
    let lives = aurora(dir.path(), &["exec", "--slug", "lives", "--", "sleep", "1000"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("its beginning is known", async || begun(dir.path()).len() == 2).await;

    let app = TestApp::builder().data_dir(dir.path()).spawn().await;

    assert_eq!(recorded(&app, 1).await[0]["slug"], "long");
    assert!(!dead.exists() && begun(dir.path()).len() == 1);
    signal(&lives, "TERM");
    assert_eq!(lives.wait_with_output().unwrap().status.code(), Some(128 + 15));
    let runs = recorded(&app, 2).await;
    assert!(runs.iter().all(|it| it["status"] == "interrupted"), "{runs:?}");
    assert!(begun(dir.path()).is_empty());
}

#[tokio::test]
async fn a_kill_between_the_end_and_the_record_makes_one_run_and_a_torn_mark_none() {
    let dir = tempdir().unwrap();
    kill(under_way(dir.path()).await);
    let mark = begun(dir.path()).pop().unwrap();
    let id = crate::support::record(dir.path(), "whole");
    // The finished run stands where the mark stood, and has not got its own name yet.
    fs::rename(dir.path().join(format!("runs/{id}.json")), &mark).unwrap();
    fs::write(mark.with_file_name("1-2.begun"), "{\"run_id\":").unwrap();

    assert_eq!(only(dir.path())["run_id"], id);

    assert_eq!(spooled(dir.path()), [format!("{id}.json")]);
    assert!(dir.path().join("runs/aside/1-2.begun").exists());
    assert!(begun(dir.path()).is_empty());
}
