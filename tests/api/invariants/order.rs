//! Followers: the cloud that no turn waits for, and the one order that everybody sees.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::fakes::chat::{Case, ChatFake};
use crate::fakes::rtdb::{Fault, NAMESPACE, Rtdb};
use crate::harness::{Builder, TestApp, wait_until};
use crate::model::spawn_with_model;
use crate::store::records;

/// Below every patience with a remote part.
const PROMPT: Duration = Duration::from_millis(900);

fn mirrored_to(firebase: &Rtdb) -> Builder {
    TestApp::builder()
        .env("FIREBASE_DATABASE_EMULATOR_HOST", firebase.host_port())
        .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"))
}

#[tokio::test]
async fn no_cloud_on_the_turn_path() {
    let (firebase, model) = (Rtdb::start(), ChatFake::start());
    // A redis that takes connections and says nothing.
    let redis = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let clouded = mirrored_to(&firebase)
        .env("REDIS_URL", format!("redis://{}", redis.local_addr().unwrap()))
        .env("AURORA_ANSWER_DEADLINE_MS", "12000");
    let app = spawn_with_model(&model, clouded).await;
    model.otherwise(Case::Hangs);

    let failures = [
        Fault::Hang,
        Fault::Down,
        Fault::AcceptAndClose,
        Fault::Slow(Duration::from_secs(20)),
        Fault::Status { status: 401, times: 1_000 },
        Fault::Status { status: 500, times: 1_000 },
    ];
    for (n, fault) in failures.into_iter().enumerate() {
        firebase.set_fault(fault.clone());
        let asked = firebase.requests().count();
        let mut took = Vec::new();
        for attempt in 0..3 {
            let begun = Instant::now();
            let caller = format!("+1555{n}{attempt}");
            let reply = app.say(&caller, "There is a fire").await;
            let again = app.say(&caller, "It is in hall 2").await;
            assert!(reply.durable && again.durable);
            // What a supervisor does waits for nothing remote either.
            let take_over = format!("/api/call/{}/takeover", reply.call());
            assert_eq!(app.act(&take_over, &json!({ "admin_id": "kim" })).await.status, 204);
            took.push(begun.elapsed());
        }
        // The best of a few: the machine may be busy with something else meanwhile.
        assert!(took.iter().min().unwrap() < &PROMPT, "{took:?} with {fault:?}");
        firebase.clear_faults();
        if matches!(fault, Fault::Hang) {
            wait_until("the mirror goes on", async || firebase.requests().count() > asked).await;
        }
    }
}

/// The state without what the mirror does to it meanwhile.
async fn settled(app: &TestApp) -> Value {
    wait_until("the mirror is behind nothing", async || {
        app.get_json("/api/sync").await["state"] == "synced"
    })
    .await;
    app.total().await
}

#[tokio::test]
async fn one_order() {
    let firebase = Rtdb::start();
    let mut app = mirrored_to(&firebase).spawn().await;
    let mut board = app.board().await;
    board.until("initial").await;

    // Twenty callers at once on ten lines, and a supervisor among them.
    let app_ref = &app;
    stream::iter(0..20)
        .for_each_concurrent(20, async |n| {
            for turn in 0..6 {
                let said = format!("Number {n} says {turn}: smoke in hall {n}");
                let reply = app_ref.say(&format!("+1555{}", n % 10), &said).await;
                if turn == 3 && n < 5 {
                    let path = format!("/api/call/{}", reply.call());
                    let kim = json!({ "admin_id": "kim", "content": "I am here." });
                    for action in ["takeover", "message", "handback"] {
                        app_ref.act(&format!("{path}/{action}"), &kim).await;
                    }
                }
            }
        })
        .await;

    // On disk: one sequence.
    let disk = records(app.data_dir());
    let seqs: Vec<u64> = disk.iter().map(|it| it["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());

    // On the board: the same, without what only the server needs.
    let is_shown = |it: &&Value| it["type"] != "words_heard";
    let expected: Vec<u64> =
        disk.iter().filter(is_shown).filter_map(|it| it["seq"].as_u64()).collect();
    let mut shown = Vec::new();
    while shown.last() != expected.last() {
        let event = board.next().await.unwrap();
        let seq = event.id.as_ref().and_then(|it| it.rsplit_once('-'));
        shown.extend(seq.map(|it| it.1.parse::<u64>().unwrap()));
    }
    assert_eq!(shown, expected);

    // In Firebase, and after a restart, even after a crash: the same state.
    let total = settled(&app).await;
    for (id, call) in total["active_calls"].as_object().unwrap() {
        let conversation = call["conversation_id"].as_str().unwrap();
        let mirrored = firebase.value(&format!("active_conversations/{conversation}/messages"));
        let own = &total["active_conversations"][conversation]["messages"];
        for (name, message) in own.as_object().unwrap() {
            for field in ["role", "content", "timestamp"] {
                assert_eq!(mirrored[name][field], message[field], "{name} of {id}");
            }
        }
        assert_eq!(mirrored.as_object().unwrap().len(), own.as_object().unwrap().len());
        for field in ["urgency", "status", "last_message_at"] {
            assert_eq!(firebase.value(&format!("active_calls/{id}/{field}")), call[field]);
        }
    }
    app.kill();
    app.restart().await;
    assert_eq!(settled(&app).await, total);
}

#[tokio::test]
async fn readers_catch_up() {
    let firebase = Rtdb::start();
    let mut app = mirrored_to(&firebase).spawn().await;
    let first = app.say("+15550100", "There is a fire").await;
    let mut board = app.board().await;
    board.until("initial").await;
    settled(&app).await;

    // Everybody is cut off; calls go on, through a crash.
    firebase.go_down();
    let cut_off = board;
    for n in 0..50 {
        app.say("+15550100", &format!("Before the crash {n}")).await;
    }
    app.kill();
    app.restart().await;
    for n in 0..50 {
        app.say("+15550100", &format!("After the crash {n}")).await;
    }
    assert!(app.get_json("/api/sync").await["pending"].as_u64().unwrap() >= 200);

    // A browser comes back where it was, and gets what it missed: once, in order.
    let mut board = cut_off.resume(&app).await;
    let mut missed = Vec::new();
    while missed.len() < 200 {
        let event = board.next().await.unwrap();
        assert!(!matches!(event.name.as_str(), "gap" | "initial"), "{event:?}");
        if event.name == "new_messages" {
            missed.push(event.data["messages"][0]["content"].as_str().unwrap().to_owned());
        }
    }
    let said: Vec<String> =
        app.messages(first.conversation()).await.into_iter().map(|it| it.1).collect();
    assert_eq!(missed, said[2..]);

    // The mirror comes to the same state.
    firebase.come_back();
    let total = settled(&app).await;
    let path = format!("active_conversations/{}/messages", first.conversation());
    let own = total["active_conversations"][first.conversation()]["messages"].as_object();
    let mirrored = firebase.value(&path);
    assert_eq!(mirrored.as_object().unwrap().len(), own.unwrap().len());
    for (name, message) in own.unwrap() {
        assert_eq!(mirrored[name]["content"], message["content"]);
    }

    // A place of another journal is no place: the browser is told, and begins anew.
    board.last_id = Some("0000-3".to_owned());
    let mut anew = board.resume(&app).await;
    assert_eq!(anew.next().await.unwrap().name, "gap");
    assert_eq!(anew.next().await.unwrap().name, "initial");
}
