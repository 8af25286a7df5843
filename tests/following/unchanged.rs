//! What the database has is not sent to it again, and what waits takes no room.

use std::sync::Arc;

use aurora::domain::{CallId, Event, Message, MessageAdded, MessageId, Role, Timestamp};
use aurora::journal::{Draft, Journal, JournalError, Need, Settings};
use serde_json::{Value, json};

use crate::edits::until_listening;
use crate::fakes::rtdb::{Applied, Rtdb};
use crate::harness::{TestApp, wait_until};
use crate::mirroring::{assert_equal, mirrored, sync, until_state, until_synced};
use crate::streams::{act, hang_up};

const CALLER: &str = "+15550100";

/// Whose a write is stands beside each, whoever was the last: that is not known here.
const STAMPS: [&str; 2] = ["/updated_by", "/journal_id"];

/// Paths that were written with what they already had.
fn unchanged(history: &[Applied]) -> Vec<String> {
    let (mut there, mut unchanged) = (Value::Null, Vec::new());
    for (path, value) in history.iter().flat_map(|it| &it.changes) {
        let mut node = &mut there;
        for key in path.split('/') {
            if !node.is_object() {
                *node = json!({});
            }
            node = &mut node[key];
        }
        if *node == *value && !STAMPS.iter().any(|it| path.ends_with(it)) {
            unchanged.push(path.clone());
        }
        *node = value.clone();
    }
    unchanged
}

#[tokio::test]
async fn nothing_is_sent_that_the_database_has() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    until_listening(&app).await;
    let reply = app.say(CALLER, "The gate is stuck").await;
    until_synced(&app).await;
    let act = async |what: &str, body: Value| {
        act(&app, reply.call(), what, body).await;
        until_synced(&app).await;
    };
    app.say(CALLER, "I am at hall 3").await;
    app.say(CALLER, "It does not move at all").await;
    until_synced(&app).await;

    for _ in 0..2 {
        act("takeover", json!({ "admin_id": "Kim" })).await;
        act("message", json!({ "admin_id": "Kim", "content": "Help is coming" })).await;
        app.say(CALLER, "Thank you").await;
        act("urgency", json!({ "admin_id": "Kim", "urgency": "urgent" })).await;
        act("handback", json!({ "admin_id": "Kim" })).await;
    }
    app.say(CALLER, "There is a fire now").await;
    until_synced(&app).await;
    act("takeover", json!({ "admin_id": "Kim" })).await;
    assert_equal(&app, &rtdb).await;
    hang_up(&app, CALLER).await;
    wait_until("the call has left", async || {
        rtdb.value("active_calls").is_null() && sync(&app).await["pending"] == 0
    })
    .await;

    let history = rtdb.history();
    assert!(history.len() > 10, "{} writes", history.len());
    assert_eq!(unchanged(&history), [""; 0]);
}

/// As a server that could not mirror has left it: so many messages, all but the first of which wait.
fn fill(app: &TestApp, call: CallId, n_messages: u32, n_waiting: u64) {
    let settings = Settings {
        data_dir: app.data_dir().to_owned(),
        handed_out: Vec::new(),
        node: "local".into(),
        new_id_bits: 7,
        segment_bytes: 64 * 1024 * 1024,
        ring_bytes: 64 * 1024,
    };
    let journal = Journal::open(settings, None).expect("the server has stopped").0;
    let messages: Vec<Event> = (3..n_messages + 3).map(|n| said(call, n)).collect();
    for chunk in messages.chunks(100) {
        let events = chunk.to_vec();
        let push = move |_: &_, draft: &mut Draft<'_>| {
            events.into_iter().for_each(|it| draft.push(it));
            Ok::<_, JournalError>(())
        };
        journal.submit(Need::Durable, push).wait().expect("a disk");
    }
    let file = app.data_dir().join("readers/firebase.json");
    let text = std::fs::read(&file).expect("the mirror's position");
    let mut position: Value = serde_json::from_slice(&text).expect("JSON");
    position["acked_seq"] = json!(journal.head() - n_waiting);
    std::fs::write(&file, position.to_string()).expect("a disk");
    journal.close();
}

fn said(call: CallId, n: u32) -> Event {
    let message = Message {
        id: MessageId(n),
        role: Role::User,
        content: format!("{n} {}", "It is dark here. ".repeat(240)).into(),
        timestamp: Timestamp::from_millis(1_763_640_000_000 + i64::from(n)),
        sources: "".into(),
        answered_by: None,
        card: None,
        remote_key: None,
        by: None,
    };
    Event::MessageAdded(MessageAdded { call_id: call, message: Arc::new(message), request: None })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_writer_takes_no_more_room_for_a_long_backlog_than_for_a_short_one() {
    const N_MESSAGES: u32 = 1_500;
    let mut most = Vec::new();
    for n_waiting in [300, u64::from(N_MESSAGES)] {
        let rtdb = Rtdb::start();
        let builder = mirrored(&rtdb).env("AURORA_REALTIME_SYNC", "off");
        let mut app = builder.spawn().await;
        let reply = app.say(CALLER, "The gate is stuck").await;
        until_synced(&app).await;
        app.stop_gracefully();
        let call = reply.call().parse().expect("an id");
        // On a thread of its own: it waits for the disk.
        std::thread::scope(|scope| scope.spawn(|| fill(&app, call, N_MESSAGES, n_waiting)).join())
            .expect("it is filled");
        rtdb.go_down();
        app.restart().await;
        until_state(&app, "unreachable").await;
        assert!(sync(&app).await["pending"].as_u64() >= Some(n_waiting));
        let mut peak = app.rss_bytes();

        rtdb.come_back();
        app.act("/api/sync/retry", &json!({})).await;
        wait_until("the backlog is drained", async || {
            peak = peak.max(app.rss_bytes());
            sync(&app).await["pending"] == 0
        })
        .await;
        most.push(peak);
    }

    // Those that wait are 6 MB as text, and several times that as a request in the making.
    assert!(most[1] < most[0] + 4_000_000, "{most:?} bytes");
}
