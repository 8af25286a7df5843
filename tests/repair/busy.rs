//! `aurora backup` beside a server that is spoken to, and when one of the two is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use reqwest::Method;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{aurora, said, server};
use crate::harness::{TestApp, wait_until};

const CALLERS: usize = 4;

/// The words of each caller that were acknowledged as durable, by their numbers.
type Acknowledged = Mutex<[Vec<u64>; CALLERS]>;

/// Speaks for one caller, a call for every ten words, until it is over or the server is gone.
async fn speak(app: &TestApp, caller: usize, acknowledged: &Acknowledged, is_over: &AtomicBool) {
    let number = format!("+1555020{caller}");
    // What was not acknowledged may have been written: it is not said twice.
    let begin = acknowledged.lock().unwrap()[caller].last().map_or(0, |it| it + 2);
    for n in begin.. {
        if is_over.load(Ordering::Acquire) {
            return;
        }
        let body = json!({ "speech": format!("caller {caller} says word {n}"), "ph_no": number });
        let asked = app.request(Method::POST, "/api/process-speech").json(&body).send();
        let Ok(answer) = asked.await else { return };
        let Ok(reply) = answer.json::<Value>().await else { return };
        if reply["durable"] == true {
            acknowledged.lock().unwrap()[caller].push(n);
        }
        if n % 10 == 9 {
            let body = json!({ "ph_no": number });
            let _ = app.request(Method::POST, "/api/hang-up").json(&body).send().await;
        }
    }
}

async fn all_speak(app: &TestApp, acknowledged: &Acknowledged, is_over: &AtomicBool) {
    join_all((0..CALLERS).map(|it| speak(app, it, acknowledged, is_over))).await;
}

async fn back_up(data: &Path, to: &Path) -> Output {
    let (data, to) = (data.to_owned(), to.display().to_string());
    tokio::task::spawn_blocking(move || aurora(&data, &["backup", &to])).await.unwrap()
}

/// It verifies, a server starts with it, and it has every one of these words in order and once.
async fn holds(copy: &Path, acknowledged: &[Vec<u64>; CALLERS]) {
    let verified = aurora(copy, &["verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
    let mut app = TestApp::builder().data_dir(copy).spawn().await;
    app.until_archived().await;
    assert!(app.say("+15550209", "It goes on").await.durable);
    app.stop_gracefully();
    let db = Connection::open(copy.join("archive.db")).unwrap();
    for (caller, acknowledged) in acknowledged.iter().enumerate() {
        let begin = format!("caller {caller} says word ");
        let mut found = db
            .prepare("SELECT content FROM messages WHERE content GLOB ?1 || '*' ORDER BY id")
            .unwrap();
        let found = found.query_map([&begin], |row| row.get::<_, String>(0)).unwrap();
        let found: Vec<u64> =
            found.map(|it| it.unwrap().strip_prefix(&begin).unwrap().parse().unwrap()).collect();
        assert!(found.is_sorted_by(|a, b| a < b), "in order, once: {found:?}");
        let lost: Vec<_> = acknowledged.iter().filter(|it| !found.contains(it)).collect();
        assert!(lost.is_empty(), "caller {caller} lacks {lost:?}");
    }
}

#[tokio::test]
async fn every_backup_of_a_busy_server_is_whole() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let (acknowledged, is_over) = (Acknowledged::default(), AtomicBool::new(false));
    let mut app = TestApp::builder()
        .data_dir(&data)
        .env("AURORA_ARCHIVE_AFTER_SECONDS", "0")
        .env("AURORA_SEGMENT_MIB", "1")
        .env("AURORA_CHECKPOINT_MIB", "1")
        .env("AURORA_RATE_LIMIT", "100000")
        .spawn()
        .await;
    let n_said = || acknowledged.lock().unwrap().iter().map(Vec::len).sum::<usize>();
    let mut backups: Vec<(PathBuf, [Vec<u64>; CALLERS])> = Vec::new();

    tokio::join!(all_speak(&app, &acknowledged, &is_over), async {
        for n in 0..3 {
            let before = n_said();
            wait_until("more was said", async || n_said() > before + 40).await;
            let known = acknowledged.lock().unwrap().clone();
            let to = dir.path().join(format!("copy {n}"));
            let done = back_up(&data, &to).await;
            assert!(done.status.success(), "{}", said(&done));
            backups.push((to, known));
        }
        // The server dies in the middle of the last one.
        let known = acknowledged.lock().unwrap().clone();
        let to = dir.path().join("of one that died");
        let part = dir.path().join("of one that died.part");
        let (done, ()) = tokio::join!(back_up(&data, &to), async {
            wait_until("it has begun", async || part.exists() || to.exists()).await;
            app.signal("KILL");
        });
        assert!(done.status.success(), "{}", said(&done));
        backups.push((to, known));
    });
    app.wait_for_end();
    app.restart().await;
    let before = n_said();
    tokio::join!(all_speak(&app, &acknowledged, &is_over), async {
        wait_until("more was said", async || n_said() > before + 40).await;
        let known = acknowledged.lock().unwrap().clone();
        let to = dir.path().join("after it came back");
        let done = back_up(&data, &to).await;
        assert!(done.status.success(), "{}", said(&done));
        backups.push((to, known));
        is_over.store(true, Ordering::Release);
    });
    app.stop_gracefully();

    assert_eq!(backups.len(), 5);
    for (copy, known) in &backups {
        holds(copy, known).await;
    }
}

#[tokio::test]
async fn a_backup_that_is_killed_leaves_nothing_under_its_name() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    server(&data).await.stop_gracefully();
    let (copy, part) = (dir.path().join("copy"), dir.path().join("copy.part"));
    let mut n_kills = 0;
    let calls = "openat,write,pwrite64,fsync,fdatasync,rename,mkdir";

    for n in (1..).step_by(4) {
        let killed = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"])
            .arg(format!("inject={calls}:signal=SIGKILL:when={n}"))
            .args([env!("CARGO_BIN_EXE_aurora"), "backup", copy.to_str().unwrap()])
            .env_clear()
            .env("AURORA_DATA_DIR", &data)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .output()
            .unwrap();
        if killed.status.success() {
            break;
        }
        n_kills += 1;
        assert!(!copy.exists(), "kill {n}");
        if part.exists() {
            let again = aurora(&data, &["backup", copy.to_str().unwrap()]);
            assert!(!again.status.success() && said(&again).contains("interrupted backup"));
            std::fs::remove_dir_all(&part).unwrap();
        }
    }

    assert!(n_kills >= 10, "only {n_kills} kills: the work has more steps");
    holds(&copy, &Default::default()).await;
    let good = aurora(&data, &["verify"]);
    assert!(good.status.success(), "{}", said(&good));
}
