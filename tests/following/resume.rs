//! A stream that was cut goes on where it was: nothing missing, nothing twice, or an honest gap.

use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::harness::{Event, EventStream, PATIENCE, TestApp};
use crate::line::{Line, Raw};
use crate::streams::{act, whole_life};

const CALLER: &str = "+15550100";

/// The next event that is not a control event.
async fn next_change(stream: &mut EventStream) -> Event {
    loop {
        let event = stream.next().await.expect("the stream goes on");
        if event.id.is_some() || event.name == "gap" {
            return event;
        }
    }
}

async fn changes(stream: &mut EventStream, n: usize) -> Vec<Event> {
    let mut all = Vec::with_capacity(n);
    while all.len() < n {
        all.push(next_change(stream).await);
    }
    all
}

#[tokio::test]
async fn a_resume_from_any_place_brings_exactly_what_was_missed() {
    let app = TestApp::spawn().await;
    let reply = app.say(CALLER, "Hello").await;
    let paths =
        ["/api/stream".to_owned(), format!("/api/conversation/{}/stream", reply.conversation())];
    for path in paths {
        let mut reference = EventStream::open(&app, &path, None).await;
        let initial = reference.until("initial").await;
        app.say("+15550101", "I only ask").await;
        act(&app, reply.call(), "urgency", json!({ "admin_id": "Kim", "urgency": "urgent" })).await;
        app.say(CALLER, "The lamp is broken").await;
        act(&app, reply.call(), "urgency", json!({ "admin_id": "Kim", "urgency": "normal" })).await;
        let n = if path == "/api/stream" { 7 } else { 4 };
        let all = changes(&mut reference, n).await;

        let ids = std::iter::once(&initial).chain(&all).map(|it| it.id.clone());
        for (place, id) in ids.enumerate() {
            let mut resumed = EventStream::open(&app, &path, id.as_deref()).await;
            assert_eq!(changes(&mut resumed, n - place).await, all[place..], "{path} {place}");
            let after = id.expect("changes have an id");
            let mut reloaded =
                EventStream::open(&app, &format!("{path}?after={after}"), None).await;
            assert_eq!(changes(&mut reloaded, n - place).await, all[place..], "{path} {place}");
        }
    }
}

#[tokio::test]
async fn the_header_counts_more_than_the_address_with_which_the_page_was_loaded() {
    let app = TestApp::spawn().await;
    let mut board = app.board().await;
    let loaded = board.until("initial").await.id.expect("changes have an id");
    app.say(CALLER, "Hello").await;
    let last = changes(&mut board, 3).await[1].clone().id;

    let path = format!("/api/stream?after={loaded}");
    let mut resumed = EventStream::open(&app, &path, last.as_deref()).await;

    let missed = next_change(&mut resumed).await;
    assert_eq!(missed.data["messages"][0]["role"], "assistant");
}

#[tokio::test]
async fn a_place_that_is_not_ours_is_told_as_a_gap_and_begins_anew() {
    let (app, other) = (TestApp::spawn().await, TestApp::spawn().await);
    let reply = app.say(CALLER, "Hello").await;
    other.say(CALLER, "Hello").await;
    let foreign = other.board().await.until("initial").await.id.expect("changes have an id");
    let own = app.board().await.until("initial").await.id.expect("changes have an id");
    let (journal, seq) = own.rsplit_once('-').expect("an id is a position");
    let next = seq.parse::<u64>().expect("a number") + 1;
    let conversation = format!("/api/conversation/{}/stream", reply.conversation());

    for path in ["/api/stream", conversation.as_str()] {
        for place in [
            foreign.clone(),
            format!("{journal}-{next}"),
            format!("{journal}-9999999999999999999"),
            format!("{journal}-99999999999999999999999"),
            format!("{journal}--1"),
            "garbage".to_owned(),
            "-".to_owned(),
            "x".repeat(4_000),
        ] {
            let mut stream = EventStream::open(&app, path, Some(&place)).await;
            let (gap, initial) = (next_change(&mut stream).await, next_change(&mut stream).await);
            assert_eq!((gap.name.as_str(), gap.id), ("gap", None), "{path} {place}");
            assert_eq!(initial.name, "initial", "{path} {place}");
            assert_eq!(initial.id.as_ref(), Some(&own), "{path} {place}");
        }
    }
}

#[tokio::test]
async fn after_a_restart_a_stream_goes_on_where_it_was() {
    let mut app = TestApp::spawn().await;
    let reply = app.say(CALLER, "Hello").await;
    let (mut board, mut conversation) = (app.board().await, app.listen(reply.conversation()).await);
    tokio::join!(board.until("initial"), conversation.until("initial"));
    let mut cut = (app.board().await, app.listen(reply.conversation()).await);
    tokio::join!(cut.0.until("initial"), cut.1.until("initial"));
    app.say(CALLER, "The lamp is broken").await;
    app.say("+15550101", "I only ask").await;
    let (seen, heard) = (changes(&mut board, 5).await, changes(&mut conversation, 2).await);

    for kill in [false, true] {
        if kill {
            app.kill();
        }
        app.restart().await;

        // These read nothing before the restart, so they miss all of it.
        let mut resumed = (cut.0.resume(&app).await, cut.1.resume(&app).await);
        assert_eq!(changes(&mut resumed.0, 5).await, seen, "killed: {kill}");
        assert_eq!(changes(&mut resumed.1, 2).await, heard, "killed: {kill}");
        // These have everything, and hear what comes next.
        let mut current = board.resume(&app).await;
        let said = format!("Still there? {kill}");
        app.say("+15550102", &said).await;
        let next = current.until_so("new_messages", |it| it["messages"][0]["content"] == said);
        assert_eq!(next.await.data["total_messages"], if kill { 3 } else { 1 });
    }
}

/// A call that a supervisor holds: what the supervisor says is the quickest way to much text.
async fn held_call(app: &TestApp) -> (String, String) {
    let reply = app.say(CALLER, "Hello").await;
    act(app, reply.call(), "takeover", json!({ "admin_id": "Kim" })).await;
    (reply.call().to_owned(), reply.conversation().to_owned())
}

/// The supervisor says so much, several things at a time.
async fn speak(app: &TestApp, call: &str, times: usize, size_bytes: usize) {
    let words = json!({ "admin_id": "Kim", "content": "x".repeat(size_bytes) });
    let said = (0..times).map(|_| act(app, call, "message", words.clone()));
    futures_util::stream::iter(said).buffer_unordered(16).collect::<()>().await;
}

/// Number of the message that it brings, if it is that.
fn number(event: &Raw) -> Option<usize> {
    let data: Value = serde_json::from_str(&event.data).expect("data is JSON");
    data["messages"][0]["message_id"].as_str()?.strip_prefix("msg_")?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_delays_nobody_and_catches_up() {
    let app = TestApp::spawn().await;
    let (call, conversation) = held_call(&app).await;
    let path = format!("/api/conversation/{conversation}/stream");
    let mut slow = Line::open(&app, &path, None).await;
    assert_eq!(slow.next().await.expect("it begins").name, "initial");
    let mut quick = app.listen(&conversation).await;
    quick.until("initial").await;

    // Far more than the connection holds, less than the server keeps in memory.
    for n in 1..=40 {
        speak(&app, &call, 25, 12_000).await;
        let last = format!("msg_{:06}", n * 25 + 2);
        quick.until_so("new_messages", |it| it["messages"][0]["message_id"] == last).await;
    }

    let mut numbers = Vec::new();
    while numbers.last() != Some(&1_002) {
        numbers.extend(number(&slow.next().await.expect("the stream goes on")));
    }
    assert_eq!(numbers, (3..=1_002).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_too_far_behind_is_told_and_begins_anew() {
    let app = TestApp::spawn().await;
    let (call, conversation) = held_call(&app).await;
    let path = format!("/api/conversation/{conversation}/stream");
    let mut slow = Line::open(&app, &path, None).await;
    let initial = slow.next().await.expect("it begins");

    // More than the connection and the server's memory hold together.
    speak(&app, &call, 1_800, 15_000).await;

    let (mut before, mut gaps) = (Vec::new(), 0);
    let catching_up = async {
        loop {
            let event = slow.next().await.expect("the stream goes on");
            match event.name.as_str() {
                "gap" => gaps += 1,
                "initial" => return event,
                _ => before.extend(number(&event)),
            }
        }
    };
    let anew = tokio::time::timeout(PATIENCE, catching_up).await.expect("it begins anew in time");
    let data: Value = serde_json::from_str(&anew.data).expect("data is JSON");
    assert_eq!((gaps, &data["total_messages"]), (1, &json!(1_802)));
    assert!(before.iter().copied().eq(3..3 + before.len()), "no hole before the gap: {before:?}");
    assert!(before.len() < 1_800);

    let mut late = Line::open(&app, &path, initial.id.as_deref()).await;
    for name in ["gap", "initial"] {
        assert_eq!(late.next().await.expect("it begins anew").name, name);
    }
    let metrics = app.get("/metrics").await;
    assert!(metrics.text().contains("stream_gaps_total 2"), "{}", metrics.text());
}

#[tokio::test]
async fn a_conversation_that_ended_can_still_be_followed_to_its_end() {
    let app = TestApp::spawn().await;
    let reply = app.say(CALLER, "Hello").await;
    let mut stream = app.listen(reply.conversation()).await;
    stream.until("initial").await;
    let cut = stream.last_id.clone();
    whole_life(&app, CALLER).await;

    let path = format!("/api/conversation/{}/stream", reply.conversation());
    let mut resumed = EventStream::open(&app, &path, cut.as_deref()).await;

    let last = changes(&mut resumed, 9).await.pop().expect("nine");
    assert_eq!(last.name, "ended");
}
