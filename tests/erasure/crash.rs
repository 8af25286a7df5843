//! Whatever step the process dies at, the next one finishes the erasure.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aurora::care::{CareError, backup, repair, verify};
use serde_json::json;
use tempfile::TempDir;

use crate::command::command;
use crate::harness::TestApp;
use crate::support::{
    CALLER, OTHER, assert_chain_holds, assert_nothing_left, erase, files, holding, needles,
    sentences, until_erased, whole_call,
};

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// Whether it succeeds, and what it says.
async fn run(mut command: Command) -> (bool, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The command, killed at the `n`th of these system calls of one of its threads.
fn killed_at(data_dir: &Path, calls: &str, n: usize) -> Command {
    let erase = command(data_dir);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"])
        .arg(format!("inject={calls}:signal=SIGKILL:when={n}"))
        .arg(erase.get_program())
        .args(erase.get_args())
        .arg("--yes")
        .env_clear()
        .env("AURORA_DATA_DIR", data_dir)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    strace
}

#[tokio::test]
async fn a_kill_at_any_write_of_the_work_is_made_good() {
    let first = TempDir::new().unwrap();
    let mut app = TestApp::builder().data_dir(first.path()).spawn().await;
    whole_call(&app, CALLER, &sentences()).await;
    whole_call(&app, OTHER, &["The conveyor Hupfdohle is jammed".to_owned()]).await;
    app.stop_gracefully();
    let mut n_killed = 0;

    // The last two are the archive's, which makes many of them.
    for (calls, step) in [
        ("rename,renameat,renameat2", 1),
        ("unlink,unlinkat", 1),
        ("fsync,fdatasync", 1),
        ("ftruncate", 1),
        ("pwrite64", 9),
    ] {
        for n in (1..).step_by(step) {
            let dir = TempDir::new().unwrap();
            copy(first.path(), dir.path());
            if run(killed_at(dir.path(), calls, n)).await.0 {
                break;
            }
            n_killed += 1;
            is_told(dir.path());

            let mut again = command(dir.path());
            again.arg("--yes");
            let (is_done, said) = run(again).await;
            assert!(is_done, "after kill {n} at {calls}: {said}");

            assert_nothing_left(dir.path());
            assert!(!holding(dir.path(), &["Hupfdohle"]).is_empty());
            assert_chain_holds(dir.path(), true);
            assert!(!dir.path().join("erasing.json").exists());
        }
    }

    assert!(n_killed >= 12, "only {n_killed} kills: the work has more steps");
}

/// It is under way, which is nothing wrong.
fn is_told(data_dir: &Path) {
    let report = verify::verify(data_dir).unwrap();
    assert!(report.good, "{report}");
    let is_marked = data_dir.join("erasing.json").exists();
    assert_eq!(report.to_string().contains("start it, which finishes the erasure"), is_marked);
}

#[tokio::test]
async fn a_backup_of_what_is_being_erased_finishes_that() {
    let dir = TempDir::new().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let mut app = TestApp::builder().data_dir(&data).spawn().await;
    let call = whole_call(&app, CALLER, &sentences()).await;
    app.stop_gracefully();
    // The second file that a thread renames: the mark is there, and the words are, too.
    assert!(!run(killed_at(&data, "rename,renameat,renameat2", 2)).await.0);
    assert!(data.join("erasing.json").exists());
    assert!(!holding(&data, &needles()).is_empty());

    backup::run(&backup::Options { dir: copy.clone() }, &data).unwrap();

    let restored = TestApp::builder().data_dir(&copy).spawn().await;
    until_erased(&restored).await;
    assert_nothing_left(&copy);
    let receipts = restored.get_json("/api/erasures").await;
    assert_eq!(receipts["erasures"][0]["call_ids"], json!([call]));
}

#[tokio::test]
async fn a_mark_that_does_not_read_is_told_and_left_to_a_person() {
    let dir = TempDir::new().unwrap();
    TestApp::builder().data_dir(dir.path()).spawn().await.stop_gracefully();
    let marker = dir.path().join("erasing.json");
    fs::write(&marker, "{\"receipt_id\":").unwrap();

    let report = verify::verify(dir.path()).unwrap();

    assert_eq!(report.n_problems(), 1, "{report}");
    assert!(report.to_string().contains("erase the caller once more"), "{report}");
    let mut out = Vec::new();
    let done = repair::run(repair::Options { yes: true }, dir.path(), "test", &mut out);
    assert!(matches!(done, Err(CareError::Problems { n_problems: 1 })), "{done:?}");
    assert!(marker.exists());
}

#[tokio::test]
async fn a_server_that_is_killed_meanwhile_finishes_after_its_next_start() {
    let mut app = TestApp::builder().spawn().await;
    for round in 0..8_u64 {
        let call = whole_call(&app, CALLER, &sentences()).await;
        let asked = app.request(reqwest::Method::POST, "/api/erase").bearer_auth(&app.token);
        let asked = asked.json(&json!({ "caller": CALLER, "admin_id": "kim" })).send();
        // The answer is cut off at a later moment each time; most often there is none.
        let _ = tokio::time::timeout(Duration::from_millis(round * 12), asked).await;

        app.kill();
        app.restart().await;

        until_erased(&app).await;
        if app.get_as_supervisor(&format!("/api/call/{call}")).await.status == 200 {
            assert_eq!(erase(&app, CALLER).await.status, 200);
        }
        assert_nothing_left(app.data_dir());
    }
    assert_chain_holds(app.data_dir(), true);
}
