//! Straight to the database where no server runs, and by the mirror where one does.

use std::fs;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::fakes::rtdb::{Fault, Rtdb};
use crate::harness::wait_until;
use crate::support::{
    KEY, aurora, list, mirrored, mirroring, only, posted, printed, record, spooled, text,
};

fn runs(rtdb: &Rtdb) -> Value {
    rtdb.value(&format!("users/{KEY}/runs"))
}

fn n_there(rtdb: &Rtdb) -> usize {
    runs(rtdb).as_object().map_or(0, serde_json::Map::len)
}

#[tokio::test]
async fn what_waits_goes_to_the_database_once() {
    let rtdb = Rtdb::start();
    let dir = tempdir().unwrap();
    let id = record(dir.path(), "offline");
    assert_eq!(only(dir.path())["sync_status"], "pending_sync");
    let mut sync = aurora(dir.path(), &["sync"]);
    mirroring(&mut sync, &rtdb);
    rtdb.go_down();

    let failed = sync.output().unwrap();

    assert!(!failed.status.success());
    assert!(text(&failed.stderr).contains("the database does not take them"));
    assert_eq!(spooled(dir.path()).len(), 1);

    rtdb.come_back();
    assert!(text(&sync.output().unwrap().stdout).contains("the database has 1 more"));
    assert!(text(&sync.output().unwrap().stdout).contains("nothing waits"));
    let mut run = only(dir.path());
    assert_eq!((run["run_id"].clone(), run["sync_status"].clone()), (json!(id), json!("synced")));
    let fields = run.as_object_mut().unwrap();
    for own in ["run_id", "user_id", "sync_status"] {
        fields.remove(own);
    }
    // It keeps numbers as they come: 0.0 is 0 there.
    let there = runs(&rtdb)[&id].clone();
    assert_eq!(there["timestamp"], run["timestamp"], "the time of the work");
    assert_eq!(there["duration_seconds"].as_f64(), run["duration_seconds"].as_f64());
    assert_eq!(there["slug"], "offline");
    assert_eq!(there["status"], "success");
}

#[tokio::test]
async fn it_goes_by_itself_after_the_work() {
    let rtdb = Rtdb::start();
    let dir = tempdir().unwrap();
    record(dir.path(), "earlier");
    let mut exec = aurora(dir.path(), &["exec", "--slug", "x", "--", "true"]);
    mirroring(&mut exec, &rtdb);

    assert!(exec.status().unwrap().success());

    wait_until("both are there", async || n_there(&rtdb) == 2).await;
    wait_until("both are known to be", async || {
        list(dir.path()).iter().all(|it| it["sync_status"] == "synced")
    })
    .await;
}

#[tokio::test]
async fn a_database_that_hangs_holds_nobody_up() {
    let rtdb = Rtdb::start();
    rtdb.set_fault(Fault::Hang);
    let dir = tempdir().unwrap();
    let mut exec = aurora(dir.path(), &["exec", "--slug", "x", "--", "echo", "done"]);
    mirroring(&mut exec, &rtdb);

    let output = exec.output().unwrap();

    // Its output is at its end too: nothing that was left behind holds it open.
    assert_eq!(text(&output.stdout), "done\n");
    assert_eq!(only(dir.path())["sync_status"], "pending_sync");
    rtdb.clear_faults();
}

#[tokio::test]
async fn what_the_database_refuses_is_told_and_kept_and_the_rest_goes() {
    let rtdb = Rtdb::start();
    let dir = tempdir().unwrap();
    let bad = record(dir.path(), "bad");
    for slug in ["a", "b"] {
        record(dir.path(), slug);
    }
    rtdb.set_fault(Fault::Poison(bad.clone()));
    let mut sync = aurora(dir.path(), &["sync"]);
    mirroring(&mut sync, &rtdb);

    let output = sync.output().unwrap();

    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("refuses 1"), "{}", text(&output.stderr));
    assert_eq!(n_there(&rtdb), 2);
    let status_of = |id: &str| {
        let runs = list(dir.path());
        runs.iter().find(|it| it["run_id"] == id).unwrap()["sync_status"].clone()
    };
    assert_eq!(status_of(&bad), "failed");
    rtdb.clear_faults();
    assert!(sync.status().unwrap().success());
    assert_eq!(status_of(&bad), "synced");
    assert_eq!(n_there(&rtdb), 3);
}

#[test]
fn of_what_is_refused_the_latest_thousand_stay_and_which_go_is_told() {
    let dir = tempdir().unwrap();
    let refused = dir.path().join("runs/refused");
    fs::create_dir_all(&refused).unwrap();
    let file = |n| refused.join(format!("run_{}.json", ulid::Ulid::from_parts(n, 7)));
    for n in 0..1_003 {
        fs::write(file(n), "{}").unwrap();
    }

    let words = ["record", "--slug", "x", "--command", "make it", "--duration", "1.5"];
    let output = aurora(dir.path(), &words).output().unwrap();

    assert!(output.status.success());
    let told = text(&output.stderr);
    for n in [0, 2] {
        let name = file(n).file_name().unwrap().to_string_lossy().into_owned();
        assert!(told.contains(&name), "{name} in {told}");
    }
    assert!(told.contains("n_runs=3"), "{told}");
    let stays: Vec<_> = (0..1_003).filter(|it| file(*it).exists()).collect();
    assert_eq!(stays, (3..1_003).collect::<Vec<_>>());
    assert_eq!(spooled(dir.path()).len(), 1);
}

#[tokio::test]
async fn a_server_mirrors_what_it_is_told_and_what_went_before_it_is_not_counted_twice() {
    let rtdb = Rtdb::start();
    let dir = tempdir().unwrap();
    let before = record(dir.path(), "before");
    let mut sync = aurora(dir.path(), &["sync"]);
    mirroring(&mut sync, &rtdb);
    assert!(sync.status().unwrap().success());
    let mut app = mirrored(&rtdb).data_dir(dir.path()).spawn().await;

    let now = aurora::domain::Timestamp::from(std::time::SystemTime::now());
    let ms = u64::try_from(now.as_millis()).unwrap();
    let id = format!("run_{}", ulid::Ulid::from_parts(ms, 1));
    assert_eq!(app.act("/api/runs", &posted(&id, &now.to_string())).await.status, 201);

    wait_until("both are synced", async || {
        let listed = app.get_json("/api/runs").await;
        let runs = listed["runs"].as_array().unwrap();
        runs.len() == 2 && runs.iter().all(|it| it["sync_status"] == "synced")
    })
    .await;
    let mut there: Vec<_> = runs(&rtdb).as_object().unwrap().keys().cloned().collect();
    there.sort();
    let mut expected = [before, id.clone()];
    expected.sort();
    assert_eq!(there, expected);
    assert_eq!(runs(&rtdb)[&id]["lines_migrated"], 120);
    assert_eq!(app.get_json("/api/team/stats").await["total"]["runs"], 2);
    // Without it, the files that it left say the same.
    app.stop_gracefully();
    let text = printed(aurora(dir.path(), &["list"]));
    assert_eq!(text.matches("synced").count(), 2, "{text}");
}
