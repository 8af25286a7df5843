//! The pages in a real browser against the real server: the stories in `tests/browser/`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::thread::available_parallelism;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::edits::until_listening;
use crate::fakes::rtdb::{Fault, Rtdb};
use crate::harness::{EventStream, TestApp, wait_until};
use crate::mirroring::{assert_equal, mirrored, sync, until_synced};

/// For a step of a story, which has deadlines of its own, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);

/// A browser fills a core: one more would only take the time that the others have.
static CORES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// The story in its own process; ended with this.
struct Story(Child);

impl Drop for Story {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Plays a story, script and options; `act` does what a line of it asks for.
///
/// # Panics
/// If something in it does not hold, with all that it said.
async fn play(app: &mut TestApp, story: &[&str], mut act: impl AsyncFnMut(&mut TestApp, &str)) {
    let _core = CORES.acquire().await.expect("it is never closed");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("target/test-node/node_modules");
    for module in ["playwright-core", "axe-core"] {
        let module = modules.join(module);
        assert!(module.exists(), "{} is missing: run ./test, which installs it", module.display());
    }
    let browser = browser().expect("no Chromium here: run ./test, which says what is needed");
    let mut child = Command::new("node")
        .args(story)
        .current_dir(root.join("tests/browser"))
        .env("BASE_URL", app.url(""))
        .env("TOKEN", &app.token)
        .env("CHROMIUM", browser)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|err| panic!("no node ({err}): run ./test, which says what is needed"));
    let out = child.stdout.take().expect("it is piped");
    let errors = child.stderr.take().expect("it is piped");
    let mut story = Story(child);
    let (lines, mut said) = mpsc::unbounded_channel();
    for piped in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(errors)] {
        let lines = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(piped).lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
    }
    drop(lines);

    let mut all = String::new();
    loop {
        // The server's answers and what it closes are heard meanwhile.
        match timeout(PATIENCE, said.recv()).await {
            Ok(Some(line)) => {
                all.push_str(&line);
                all.push('\n');
                act(app, &line).await;
            }
            Ok(None) => break,
            Err(_) => panic!("it hangs after:\n{all}"),
        }
    }
    let status = story.0.wait().expect("it was started");
    assert!(status.success(), "{all}\nThe server said:\n{}", app.stderr());
}

fn browser() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    named.into_iter().chain(usual.map(PathBuf::from)).find(|it| it.exists())
}

#[tokio::test]
async fn a_call_can_be_made_seen_taken_over_and_ended_in_a_browser() {
    let mut app = TestApp::spawn().await;

    play(&mut app, &["dashboard.mjs"], async |_, _| {}).await;

    let calls = app.total().await["active_calls"].clone();
    let calls: Vec<_> = calls.as_object().expect("calls").values().collect();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0]["status"], "ENDED");
}

#[tokio::test]
async fn the_board_tells_that_the_server_is_gone_and_is_live_again_by_itself() {
    let mut app = TestApp::spawn().await;
    let mut asked = Vec::new();

    play(&mut app, &["dashboard.mjs", "--restart"], async |app, line| match line {
        "READY-FOR-STOP" => {
            asked.push("stop");
            app.stop_gracefully();
        }
        "READY-FOR-START" => {
            asked.push("start");
            app.restart().await;
        }
        _ => {}
    })
    .await;

    assert_eq!(asked, ["stop", "start"]);
}

#[tokio::test]
async fn two_supervisors_share_the_board_and_every_change_names_its_person() {
    let rtdb = Rtdb::start();
    rtdb.set_fault(Fault::Poison("messages/msg_000003".to_owned()));
    let mut app = mirrored(&rtdb).spawn().await;
    let start = app.board().await.until("initial").await.id;

    play(&mut app, &["supervisors.mjs"], async |app, line| match line {
        "READY-FOR-MENDING" => rtdb.clear_faults(),
        "READY-FOR-AN-EDIT" => {
            wait_until("it listens", async || sync(app).await["listening"] == true).await;
            let calls = rtdb.value("active_calls");
            let mut calls = calls.as_object().expect("there are calls").iter();
            let (id, _) = calls.find(|it| it.1["mobile_no"] == "+15550102").expect("it is there");
            let now = json!({ ".sv": "timestamp" });
            let deletion = json!({ "deleted_at": now, "updated_by": "Sam", "updated_at": now });
            rtdb.patch(&format!("active_calls/{id}"), &deletion);
        }
        _ => {}
    })
    .await;

    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
    let mut board = EventStream::open(&app, "/api/stream", start.as_deref()).await;
    for (name, by) in [("alert_acknowledged", "Kim"), ("call_updated", "Lee"), ("ended", "Lee")] {
        board.until_so(name, |it| it["by"] == by).await;
    }
}

#[tokio::test]
async fn notes_conflicts_and_the_mirrors_panel_are_seen_to_in_a_browser() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).spawn().await;
    until_listening(&app).await;
    let fire = app.say("+15550100", "There is a fire in the warehouse").await;
    let lamp = app.say("+15550101", "The lamp in the corridor is broken").await;
    let over = app.say("+15550102", "When is the canteen open").await;
    let (fire, lamp, over) = (fire.call(), lamp.call(), over.call());
    let act = async |app: &TestApp, call: &str, verb: &str, mut body: Value| {
        body["admin_id"] = json!("Kim");
        let got = app.act(&format!("/api/call/{call}/{verb}"), &body).await;
        assert!(got.status < 300, "{verb}: {}", got.text());
    };
    let urgency = async |app: &TestApp, to: &str| {
        act(app, fire, "urgency", json!({ "urgency": to })).await;
    };
    let there = |call: &str, mut values: Value| {
        values["updated_by"] = json!("Sam");
        values["updated_at"] = json!({ ".sv": "timestamp" });
        rtdb.patch(&format!("active_calls/{call}"), &values);
    };
    act(&app, lamp, "notes", json!({ "admin_notes": "Corridor B" })).await;
    act(&app, over, "end", json!({})).await;

    play(&mut app, &["sides.mjs"], async |app, line| match line {
        "READY-FOR-EDITS" => {
            until_synced(app).await;
            rtdb.go_down();
            wait_until("it hears nothing", async || sync(app).await["listening"] == false).await;
            urgency(app, "urgent").await;
            // What is known of the database's clock may be wrong by some milliseconds.
            let offset_ms = sync(app).await["clock_offset_ms"].as_i64().expect("a number");
            let now_ms = || jiff::Timestamp::now().as_millisecond() + offset_ms;
            let between_ms = now_ms() + 25;
            let takeover = json!({ "admin_id": "Sam", "status": "TAKEOVER", "urgency": "NORMAL" });
            there(fire, takeover);
            rtdb.put(&format!("active_calls/{fire}/updated_at"), json!(between_ms));
            let notes = "Corridor C,\nbeside the lift";
            there(lamp, json!({ "admin_notes": notes, "final_action": "Janitor told" }));
            wait_until("it is later", async || now_ms() > between_ms + 25).await;
            act(app, fire, "takeover", json!({})).await;
            act(app, lamp, "notes", json!({ "admin_notes": "Corridor B, second floor" })).await;
            let conversation = lamp.replace("call_", "conv_");
            let words =
                json!({ "role": "admin", "content": "The janitor is coming", "admin_id": "Sam" });
            let key = "messages/-OAbcdefghijklmnopq_";
            rtdb.put(&format!("active_conversations/{conversation}/{key}"), words);
            let moved = json!({ ".sv": "timestamp" });
            rtdb.put(&format!("active_calls/{lamp}/last_message_at"), moved);
            rtdb.come_back();
        }
        "READY-FOR-TROUBLE" => {
            until_synced(app).await;
            rtdb.set_fault(Fault::Poison("final_action".to_owned()));
            act(app, over, "final-action", json!({ "final_action": "Told at one" })).await;
            there(lamp, json!({ "urgency": "PURPLE" }));
        }
        "READY-FOR-MENDING" => {
            rtdb.clear_faults();
            there(lamp, json!({ "urgency": app.call(lamp).await["call"]["urgency"] }));
        }
        "SWITCHED periodic:30s" => {
            wait_until("no stream is open", async || rtdb.streams() == 0).await;
            urgency(app, "urgent").await;
        }
        "SWITCHED off" => {
            until_synced(app).await;
            there(lamp, json!({ "admin_notes": "Written while nobody listened" }));
            urgency(app, "critical").await;
        }
        "SWITCHED live" => {
            until_listening(app).await;
            urgency(app, "normal").await;
        }
        _ => {}
    })
    .await;

    let call = app.call(lamp).await["call"].clone();
    assert_eq!(call["admin_notes"], "Written while nobody listened");
    let call = app.call(fire).await["call"].clone();
    assert_eq!((&call["admin_id"], &call["urgency"]), (&json!("Kim"), &json!("NORMAL")));
    let (mode, by) = (&sync(&app).await["mode"], &sync(&app).await["mode_by"]);
    assert_eq!((mode, by), (&json!("live"), &json!("default")));
    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
}

#[tokio::test]
async fn past_calls_are_searched_narrowed_and_read_in_a_browser() {
    let mut app = TestApp::spawn().await;
    for n in 0..59 {
        app.say(&format!("+155501{n:02}"), &format!("I see zebra {n} at the gate")).await;
    }
    app.say("+15550107", "There is zebra seven again").await;
    let number = "+15550199";
    let call = app.say(number, "A zebra in <b>bold</b> <img src=x> letters").await;
    let acts = [
        ("takeover", "Kim", ""),
        ("message", "Kim", "I am with you"),
        ("handback", "Kim", ""),
        ("end", "Lee", ""),
    ];
    for (verb, by, content) in acts {
        let path = format!("/api/call/{}/{verb}", call.call());
        let got = app.act(&path, &json!({ "admin_id": by, "content": content })).await;
        assert!(got.status < 300, "{verb}: {}", got.text());
    }
    let written = json!({ "admin_id": "Lee", "admin_notes": "The <i>okapi</i> is safe" });
    let got = app.act(&format!("/api/call/{}/notes", call.call()), &written).await;
    assert_eq!(got.status, 204, "{}", got.text());
    let hold = json!({ "admin_id": "Lee", "legal_hold": true });
    let got = app.act(&format!("/api/calls/{}/hold", call.call()), &hold).await;
    assert_eq!(got.status, 200, "{}", got.text());

    play(&mut app, &["history.mjs"], async |_, _| {}).await;
}

#[tokio::test]
async fn past_calls_are_deleted_had_back_held_and_erased_in_a_browser() {
    let mut app = TestApp::builder().survives_full_disk().spawn().await;

    play(&mut app, &["keeping.mjs"], async |app, line| match line {
        "READY-FOR-FULL-DISK" => {
            app.fill_disk();
            assert!(!app.say("+15550190", "Hello").await.durable);
        }
        "READY-FOR-FREE-DISK" => app.free_disk(),
        _ => {}
    })
    .await;

    let receipts = app.get_json("/api/erasures").await;
    let receipts = receipts["erasures"].as_array().expect("a list");
    assert_eq!(receipts.len(), 1);
    assert_eq!((&receipts[0]["by"], &receipts[0]["n_calls"]), (&json!("Kim"), &json!(2)));
}

#[tokio::test]
async fn the_team_is_seen_at_work_in_a_browser() {
    let mut app = TestApp::spawn().await;
    let record = async |app: &TestApp, n: u64, user: &str, slug: &str, status: &str| {
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).expect("after 1970");
        // The last of them a few days ago.
        let ms = now - 1_000 - n * 8 * 60 * 60 * 1000;
        let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).expect("now")).expect("now");
        let run = json!({
            "run_id": format!("run_{}", ulid::Ulid::from_parts(ms, n.into())),
            "user_id": user,
            "timestamp": format!("{at:.3}"),
            "slug": slug,
            "command": "make migrate PART=orders",
            "status": status,
            "duration_seconds": 75.5,
            "automation_seconds": 600,
            "lines_migrated": 120,
            "manual_estimate_seconds": 3_600,
        });
        let got = app.act("/api/runs", &run).await;
        assert_eq!(got.status, 201, "{}", got.text());
    };
    for n in 0..9 {
        let user = if n % 3 == 0 { "<b>bob</b>" } else { "ada@example.com" };
        let status = ["success", "success", "failed"][usize::try_from(n % 3).expect("small")];
        record(&app, n, user, "migrate", status).await;
    }

    play(&mut app, &["team.mjs"], async |app, line| match line {
        "READY-FOR-A-RUN" => record(app, 0, "ada@example.com", "just-now", "success").await,
        "READY-FOR-STOP" => {
            app.stop_gracefully();
        }
        "READY-FOR-START" => app.restart().await,
        _ => {}
    })
    .await;
}
