//! Where a server runs, it is told.

use std::fs;
use std::process::Stdio;
use std::time::Instant;

use reqwest::Method;
use serde_json::json;
use tempfile::tempdir;

use crate::harness::{TestApp, problem_code, send, wait_until};
use crate::support::{aurora, end_of, list, only, posted, printed, record, spooled, text};

/// Its first ten letters are the time.
const ID: &str = "run_01KAGRZ23V0000000000000000";

fn at() -> String {
    let id: ulid::Ulid = ID.strip_prefix("run_").unwrap().parse().unwrap();
    aurora::domain::Timestamp::from_millis(i64::try_from(id.timestamp_ms()).unwrap()).to_string()
}

#[tokio::test]
async fn it_has_what_was_told_before_it_ran_and_what_is_told_while_it_runs() {
    let dir = tempdir().unwrap();
    let before = record(dir.path(), "before");
    let app = TestApp::builder().data_dir(dir.path()).spawn().await;
    wait_until("the spool is taken in", async || spooled(dir.path()).is_empty()).await;
    let mut board = app.board().await;

    let data_dir = dir.path().to_owned();
    let now = tokio::task::spawn_blocking(move || record(&data_dir, "now")).await.unwrap();

    let told = board.until("run").await;
    assert_eq!(told.data["run_id"], now);
    assert!(spooled(dir.path()).is_empty());
    let runs = app.get_json("/api/runs").await;
    let ids: Vec<_> = runs["runs"].as_array().unwrap().iter().map(|it| &it["run_id"]).collect();
    assert_eq!(ids, [&json!(now), &json!(before)]);
    let data_dir = dir.path().to_owned();
    let listed = tokio::task::spawn_blocking(move || list(&data_dir)).await.unwrap();
    assert_eq!(listed.len(), 2);
}

#[tokio::test]
async fn telling_twice_is_telling_once_whatever_is_in_between() {
    let dir = tempdir().unwrap();
    let mut app = TestApp::builder().data_dir(dir.path()).spawn().await;
    let run = posted(ID, &at());

    let first = app.act("/api/runs", &run).await;
    assert_eq!((first.status, first.json()["recorded"].clone()), (201, json!(true)));
    let again = app.act("/api/runs", &run).await;
    assert_eq!((again.status, again.json()["recorded"].clone()), (200, json!(false)));
    assert_eq!(app.get_json("/api/runs").await["runs"].as_array().unwrap().len(), 1);

    app.restart().await;
    assert_eq!(app.get_json("/api/runs").await["runs"].as_array().unwrap().len(), 1);
    assert_eq!(app.act("/api/runs", &run).await.status, 200);
    // From the spool, too, as after a hand-over whose answer was lost.
    fs::create_dir_all(dir.path().join("runs")).unwrap();
    fs::write(dir.path().join(format!("runs/{ID}.json")), run.to_string()).unwrap();
    let taken = app.act("/api/runs/take-in", &json!({})).await;
    assert_eq!(taken.json()["taken_in"], 0, "{}", taken.text());
    assert!(spooled(dir.path()).is_empty());

    let stats = app.get_json("/api/team/stats").await;
    assert_eq!(app.get_json("/api/runs").await["runs"].as_array().unwrap().len(), 1, "{stats}");
}

#[tokio::test]
async fn many_at_once_are_told_to_it() {
    let app = TestApp::spawn().await;
    let begun: Vec<_> = (0..20)
        .map(|_| {
            aurora(app.data_dir(), &["exec", "--slug", "x", "--", "true"])
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in begun {
        let output = tokio::task::spawn_blocking(move || end_of(child)).await.unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
    }

    // One that the server was too slow for is in the spool.
    app.act("/api/runs/take-in", &json!({})).await;
    let runs = app.get_json("/api/runs?limit=200").await;
    assert_eq!(runs["runs"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_server_that_hangs_holds_nobody_up_and_has_it_later() {
    let app = TestApp::spawn().await;
    app.signal("STOP");
    let data_dir = app.data_dir().to_owned();
    let began = Instant::now();

    let id = tokio::task::spawn_blocking(move || record(&data_dir, "late")).await.unwrap();

    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert_eq!(spooled(app.data_dir()), [format!("{id}.json")]);
    app.signal("CONT");
    let mut sync = aurora(app.data_dir(), &["sync"]);
    // It may not have got its token in hand yet.
    wait_until("the server has it", async || {
        sync.output().unwrap();
        spooled(app.data_dir()).is_empty()
    })
    .await;
    assert_eq!(only(app.data_dir())["run_id"], id);
}

#[tokio::test]
async fn what_is_no_run_is_refused() {
    let app = TestApp::spawn().await;
    let good = posted(ID, &at());
    let with = |name: &str, value: serde_json::Value| {
        let mut run = good.clone();
        run[name] = value;
        run
    };
    assert_eq!(app.post_json("/api/runs", &good).await.status, 401);
    for wrong in [
        with("user_id", json!("")),
        with("user_id", json!("x".repeat(201))),
        with("user_id", json!(["ada"])),
        with("timestamp", json!("2020-01-01T00:00:00.000Z")),
        with("timestamp", json!(12)),
        with("slug", json!("x".repeat(65))),
        with("command", json!("a\nb")),
        with("status", json!("fine")),
        with("duration_seconds", json!(-1)),
        with("duration_seconds", json!(1e300)),
        with("lines_migrated", json!(-1)),
        with("lines_migrated", json!(5_000_000_000_u64)),
        with("run_id", json!("run_../../x")),
        with("call_id", json!(ID.replace("run_", "call_"))),
        with("more", json!(1)),
        json!([good]),
        json!({}),
    ] {
        let got = app.act("/api/runs", &wrong).await;
        assert_eq!(got.status, 422, "{wrong}: {}", got.text());
        assert_eq!(problem_code(&got), "invalid-request");
    }
    let long = with("command", json!("x".repeat(20_000)));
    assert_eq!(app.act("/api/runs", &long).await.status, 413);
    let broken = app.request(Method::POST, "/api/runs").bearer_auth(&app.token);
    let broken = broken.header("content-type", "application/json").body("{");
    assert_eq!(send(broken).await.status, 400);
    for wrong in ["/api/runs?limit=0", "/api/runs?cursor=x", "/api/team/stats?days=0"] {
        assert_eq!(app.get_as_supervisor(wrong).await.status, 422, "{wrong}");
    }
    assert_eq!(app.get_json("/api/runs").await["runs"], json!([]));
}

#[tokio::test]
async fn pages_and_people() {
    let app = TestApp::spawn().await;
    let now = std::time::SystemTime::now();
    let now = aurora::domain::Timestamp::from(now).as_millis();
    for n in 0..7_u64 {
        let ms = u64::try_from(now).unwrap() - n * 1_000;
        let id = ulid::Ulid::from_parts(ms, u128::from(n));
        let at = aurora::domain::Timestamp::from_millis(i64::try_from(ms).unwrap());
        let mut run = posted(&format!("run_{id}"), &at.to_string());
        run["user_id"] = json!(if n % 2 == 0 { "ada" } else { "bob" });
        run["status"] = json!(if n == 6 { "failed" } else { "success" });
        assert_eq!(app.act("/api/runs", &run).await.status, 201);
    }

    let mut found = Vec::new();
    let mut next = String::from("/api/runs?limit=3&user_id=ada");
    loop {
        let page = app.get_json(&next).await;
        found.extend(page["runs"].as_array().unwrap().iter().map(|it| it["timestamp"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("/api/runs?limit=3&user_id=ada&cursor={cursor}");
    }
    assert_eq!(found.len(), 4);
    assert!(found.windows(2).all(|it| it[0].as_str() > it[1].as_str()), "{found:?}");

    let stats = app.get_json("/api/team/stats?days=2").await;
    assert_eq!(stats["total"]["runs"], 7);
    assert_eq!(stats["total"]["hours_saved"], 6.0);
    assert_eq!(stats["total"]["lines_migrated"], 840);
    assert_eq!(stats["series"].as_array().unwrap().len(), 2);
    let people = stats["people"].as_array().unwrap();
    assert_eq!((&people[0]["user_id"], &people[0]["runs"]), (&json!("ada"), &json!(4)));
    assert_eq!(people[0]["success_rate"], 0.75);
    assert_eq!((&people[1]["user_id"], &people[1]["success_rate"]), (&json!("bob"), &json!(1.0)));
    let data_dir = app.data_dir().to_owned();
    let shown = tokio::task::spawn_blocking(move || printed(aurora(&data_dir, &["team"])));
    let shown = shown.await.unwrap();
    assert!(shown.contains("ada") && shown.contains("75%"), "{shown}");
}
