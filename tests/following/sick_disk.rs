//! A disk that fails under the real server, in every way that a system call can tell.
//!
//! Everything on the journal's files fails from the third turn on, until the tracer lets go.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Builder, EventStream, Reply, TestApp, problem_code, wait_until};
use crate::trap::{heal, paths, tampered};

const A: &str = "+15550100";
const B: &str = "+15550101";
const C: &str = "+15550102";

/// A server whose third turn meets what `injects` says, and the first two turns: of a caller, and
/// of one whom a supervisor cares for.
struct Sick {
    app: TestApp,
    board: EventStream,
    caller: Reply,
    supervised: Reply,
    _folder: TempDir,
}

async fn sick(calls: &str, injects: &[&str]) -> Sick {
    let folder = TempDir::new().expect("there is a place for temporary files");
    // Made here, so that the start does nothing to it.
    fs::create_dir(folder.path().join("journal")).expect("the folder is ours");
    let files: Vec<String> = ["journal/*.jsonl", "journal/next.part", "journal"]
        .iter()
        .flat_map(|it| paths(folder.path(), it))
        .collect();
    let under = tampered(calls, injects, &files);
    let app = TestApp::builder().data_dir(folder.path()).under(under).spawn().await;
    let caller = app.say(A, "There is a fire in hall 2").await;
    let supervised = app.say(B, "The machine makes a strange noise").await;
    assert!(caller.durable && supervised.durable);
    let mut board = app.board().await;
    board.until("initial").await;
    assert_eq!(health(&app).await, (200, "ok".to_owned()));
    Sick { app, board, caller, supervised, _folder: folder }
}

async fn health(app: &TestApp) -> (u16, String) {
    let ready = app.get("/health/ready").await;
    let status = app.get("/status").await.json()["status"].as_str().unwrap_or_default().to_owned();
    (ready.status, status)
}

fn user(words: &str) -> (String, String) {
    ("user".to_owned(), words.to_owned())
}

fn assistant(reply: &Reply) -> (String, String) {
    ("assistant".to_owned(), reply.message.clone())
}

/// The supervisor's three buttons; each is refused with a reason.
async fn changes_are_refused(app: &TestApp, call_id: &str) {
    for (path, body) in [
        ("takeover", json!({ "admin_id": "kim" })),
        ("urgency", json!({ "admin_id": "kim", "urgency": "critical" })),
        ("end", json!({ "admin_id": "kim" })),
    ] {
        let got = app.act(&format!("/api/call/{call_id}/{path}"), &body).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (503, "journal-unwritable"));
        assert!(got.json()["detail"].as_str().is_some_and(|it| it.contains("disk")));
    }
}

/// All lamps are green again, the board was told both times, and there is an alert.
async fn turns_green(app: &TestApp, board: &mut EventStream) {
    wait_until("the disk is back", async || health(app).await == (200, "ok".to_owned())).await;
    board.until_so("health", |it| it["durable"] == true).await;
    let alert = board.until("alert").await;
    assert_eq!(alert.data["kind"], "storage_failed");
}

async fn fails_and_comes_back(calls: &str, injects: &[&str]) {
    let Sick { mut app, mut board, caller, supervised, _folder } = sick(calls, injects).await;

    let mut spoken = Vec::new();
    for n in 0..4 {
        let words = format!("The smoke gets worse, number {n}");
        let reply = app.say(A, &words).await;
        assert!(!reply.durable && !reply.message.is_empty(), "{reply:?}");
        assert_eq!((reply.urgency.as_str(), &reply.call_id), ("critical", &caller.call_id));
        spoken.extend([user(&words), assistant(&reply)]);
    }
    let new = app.say(C, "I smell gas").await;
    assert!(!new.durable && new.answered_by == "card" && new.urgency == "critical");
    changes_are_refused(&app, supervised.call()).await;
    assert_eq!(health(&app).await, (503, "unhealthy".to_owned()));
    let told = board.until_so("health", |it| it["durable"] == false).await;
    assert!(told.data["detail"].as_str().is_some_and(|it| !it.is_empty()));
    // What is not durable is shown to nobody.
    assert_eq!(app.messages(caller.conversation()).await.len(), 2);
    let metrics = app.get_as_supervisor("/metrics").await;
    assert!(metrics.text().contains("aurora_journal_writable 0"));

    heal(&app).await;
    turns_green(&app, &mut board).await;

    let shown = app.messages(caller.conversation()).await;
    assert_eq!(shown[2..], spoken, "each once, in order");
    assert_eq!(app.messages(new.conversation()).await, [user("I smell gas"), assistant(&new)]);
    assert_eq!(app.call(supervised.call()).await["call"]["status"], "ACTIVE");
    assert!(app.say(A, "We are outside").await.durable);
    let shown = app.messages(caller.conversation()).await;
    app.kill();
    app.set_under(Vec::new());
    app.restart().await;
    assert_eq!(app.messages(caller.conversation()).await, shown);
    assert_eq!(app.call(supervised.call()).await["call"]["status"], "ACTIVE");
}

#[tokio::test]
async fn writes_that_fail() {
    fails_and_comes_back("write", &["write:error=EIO:when=3+"]).await;
}

/// The disk takes the words and does not say that they are there.
#[tokio::test]
async fn syncs_that_fail() {
    let injects = ["fdatasync:error=EIO:when=2+", "fsync:error=EIO:when=3+"];
    fails_and_comes_back("fdatasync,fsync", &injects).await;
}

#[tokio::test]
async fn a_full_disk() {
    fails_and_comes_back("write", &["write:error=ENOSPC:when=3+"]).await;
}

#[tokio::test]
async fn a_disk_that_became_read_only() {
    let injects = ["write:error=EROFS:when=3+", "openat:error=EROFS:when=3+"];
    fails_and_comes_back("write,openat", &injects).await;
}

#[tokio::test]
async fn folders_that_cannot_be_synced_or_changed() {
    let injects = ["write:error=EIO:when=3", "rename:error=EIO:when=2+"];
    fails_and_comes_back("write,rename", &injects).await;
}

/// Everybody who waits is told something while the disk is silent, and what they were told is what
/// is on it afterwards.
#[tokio::test]
async fn a_disk_that_hangs() {
    let Sick { mut app, mut board, caller, supervised, _folder } =
        sick("fdatasync", &["fdatasync:delay_enter=60000000:when=2"]).await;

    let asked = Instant::now();
    let path = format!("/api/call/{}/takeover", supervised.call());
    let (deciding, waiting, refused) = tokio::join!(
        app.say(A, "The smoke gets worse"),
        async {
            // The disk hangs in the write of the words above.
            wait_until("it hangs", async || app.get("/health/ready").await.status == 503).await;
            app.say(C, "I smell gas").await
        },
        async {
            wait_until("it hangs", async || app.get("/health/ready").await.status == 503).await;
            let told = board.until_so("health", |it| it["durable"] == false).await;
            assert!(told.data["detail"].as_str().is_some_and(|it| !it.is_empty()));
            app.act(&path, &json!({ "admin_id": "kim" })).await
        },
    );

    assert!(asked.elapsed().as_secs() < 60, "the disk was waited for");
    for reply in [&deciding, &waiting] {
        assert!(!reply.durable && reply.answered_by == "card", "{reply:?}");
        assert_eq!(reply.urgency, "critical");
    }
    assert_eq!((refused.status, problem_code(&refused).as_str()), (503, "journal-unwritable"));
    heal(&app).await;
    turns_green(&app, &mut board).await;
    let shown = app.messages(caller.conversation()).await;
    assert_eq!(shown[2..], [user("The smoke gets worse"), assistant(&deciding)]);
    let total = app.total().await;
    let calls = total["active_calls"].as_object().expect("there are calls");
    let new = calls.values().find(|it| it["mobile_no"] == C).expect("it is written down later");
    let conversation = new["conversation_id"].as_str().unwrap_or_default();
    assert_eq!(new["urgency"], "CRITICAL");
    let said = app.messages(conversation).await;
    assert_eq!(said, [user("I smell gas"), assistant(&waiting)], "as it was heard");
    // Withdrawn, so that it does not happen behind the supervisor's back.
    assert_eq!(app.call(supervised.call()).await["call"]["status"], "ACTIVE");
    assert!(app.say(C, "I am outside").await.durable);
    app.kill();
}

#[tokio::test]
async fn a_checkpoint_that_fails_is_told_and_costs_nothing_but_old_segments() {
    let folder = TempDir::new().expect("there is a place for temporary files");
    let files = paths(folder.path(), "total.json.new");
    let mut app = small_checkpoints()
        .data_dir(folder.path())
        .under(tampered("openat", &["openat:error=EIO:when=1+"], &files))
        .spawn()
        .await;
    let mut board = app.board().await;
    assert_eq!(app.metric("checkpoint_healthy").await, 1);

    let talk = async || {
        let words = "The door on this level does not close. ".repeat(100);
        let turns = (0..8).map(|n| app.say(if n % 2 == 0 { A } else { B }, &words));
        let replies = futures_util::future::join_all(turns).await;
        assert!(replies.iter().all(|it| it.durable));
    };
    wait_until("a checkpoint failed while there were several segments", async || {
        talk().await;
        app.metric("checkpoint_failures_total").await > 0
            && app.metric("journal_segments").await > 2
    })
    .await;
    // Callers and their words are as safe as ever, so it is ready.
    assert_eq!(health(&app).await, (200, "degraded".to_owned()));
    let told = app.get("/status").await.json()["checkpoint"].clone();
    assert_eq!((&told["healthy"], &told["saved_seq"]), (&json!(false), &json!(0)), "{told}");
    assert!(told["detail"].as_str().is_some_and(|it| it.contains("total.json.new")), "{told}");
    let seen = board.until_so("health", |it| it["checkpoint"] != "").await;
    assert_eq!((&seen.data["durable"], &seen.data["archive"]), (&json!(true), &json!("")));
    assert_eq!(app.metric("checkpoint_healthy").await, 0);
    assert_eq!(app.metric("checkpoint_lag_records").await, told["behind"].as_u64().unwrap_or(0));
    assert_eq!(app.metric("journal_first_held_seq").await, 1, "a start would need them");
    let warnings = app.stderr().matches("A checkpoint could not be written").count();
    assert_eq!(warnings, 1, "however often it is tried");
    let total = folder.path().join("total.json");
    assert!(!total.exists());

    heal(&app).await;
    wait_until("it is tried again, also when nobody speaks", async || {
        health(&app).await == (200, "ok".to_owned())
    })
    .await;
    assert!(total.exists());
    board.until_so("health", |it| it["checkpoint"] == "").await;
    assert_eq!(app.metric("checkpoint_healthy").await, 1);
    assert!(app.metric("checkpoint_bytes").await > 0);
    wait_until("old segments are gone", async || {
        talk().await;
        app.metric("journal_first_held_seq").await > 1
    })
    .await;

    let shown = app.total().await["active_conversations"].clone();
    app.kill();
    app.set_under(Vec::new());
    app.restart().await;
    assert_eq!(app.total().await["active_conversations"], shown);
}

fn small_checkpoints() -> Builder {
    TestApp::builder()
        .env("AURORA_CHECKPOINT_MIB", "1")
        .env("AURORA_SEGMENT_MIB", "1")
        .env("AURORA_MAX_TURNS", "100000")
}

/// One line that names the place and says what to do.
async fn refuses(builder: Builder, place: &Path, remedy: &str) {
    let exit = builder.try_spawn().await.expect_err("it cannot start");

    assert_eq!(exit.status.code(), Some(1), "{}", exit.stderr);
    let lines: Vec<&str> = exit.stderr.lines().filter(|it| it.starts_with("aurora: ")).collect();
    assert_eq!(lines.len(), 1, "{}", exit.stderr);
    let place = place.display().to_string();
    assert!(lines[0].contains(&place) && lines[0].contains(remedy), "{place}: {}", lines[0]);
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_is_refused_with_what_to_do() {
    let folder = TempDir::new().expect("there is a place for temporary files");
    let file = folder.path().join("file");
    fs::write(&file, "not a folder").expect("the folder is ours");
    let on = |path: &Path| TestApp::builder().data_dir(path);

    refuses(on(&file), &file, "AURORA_DATA_DIR").await;
    refuses(on(&file.join("below")), &file, "AURORA_DATA_DIR").await;
    refuses(on(Path::new("/proc/aurora")), Path::new("/proc/aurora"), "AURORA_DATA_DIR").await;
    let bad = folder.path().join("bad");
    fs::create_dir(&bad).expect("the folder is ours");
    fs::write(bad.join("journal"), "not a folder").expect("the folder is ours");
    refuses(on(&bad), &bad.join("journal"), "AURORA_DATA_DIR").await;

    // A good one, on a disk that is not.
    let good = folder.path().join("good");
    let app = on(&good).spawn().await;
    assert!(app.say(A, "There is a fire").await.durable);
    drop(app);
    for (file, error, remedy) in [
        ("lock", "EROFS", "mount it writable"),
        ("lock", "EACCES", "let the user that runs Aurora"),
        ("journal", "EIO", "if the disk is sick"),
        ("journal/00000001.jsonl", "EACCES", "let the user that runs Aurora"),
        ("admin.token", "EACCES", "let the user that runs Aurora"),
        ("total.json", "EIO", "if the disk is sick"),
    ] {
        let inject = format!("openat:error={error}:when=1+");
        let place = good.join(file);
        let under = tampered("openat", &[&inject], &[place.display().to_string()]);
        refuses(on(&good).under(under), &place, remedy).await;
    }
    let app = on(&good).spawn().await;
    let calls: Value = app.total().await["active_calls"].clone();
    assert_eq!(calls.as_object().map(serde_json::Map::len), Some(1), "nothing was changed");
}
