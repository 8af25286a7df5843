//! A stop in mid-call: what is begun is finished, nobody is refused, and it is over within 5 s.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::fakes::chat::{Case, ChatFake, MESSAGE, MODEL};
use crate::fakes::rtdb::{Fault, Rtdb};
use crate::harness::{Builder, EventStream, Got, Reply, TestApp, send, wait_until};
use crate::line::Line;
use crate::mirroring::{mirrored, until_synced};
use crate::streams::act;

/// What an operator is promised.
const STOP: Duration = Duration::from_secs(5);
/// The server's own limit of a stop is in real time, which a busy machine may spend elsewhere. What
/// holds a stop does so each time.
const TRIES: usize = 3;
const CALLERS: usize = 20;
const WORDS: &str = "The lamp on this level is broken";

/// Tries it until the stop was not cut short.
async fn once_in_time(stops: impl AsyncFn() -> bool) {
    for _ in 0..TRIES {
        if stops().await {
            return;
        }
    }
    panic!("the stop was cut short {TRIES} times");
}

/// A server that asks this model, with a deadline longer than a stop may take.
async fn with_model(chat: &ChatFake, builder: Builder) -> TestApp {
    let builder = builder
        .env("AURORA_LLM_URL", chat.url())
        .env("AURORA_LLM_MODEL", MODEL)
        .env("AURORA_ANSWER_DEADLINE_MS", "12000");
    let app = builder.spawn().await;
    wait_until("the model is asked to warm up", async || !chat.requests().is_empty()).await;
    app
}

fn number(n: usize) -> String {
    format!("+1555{n:07}")
}

fn speech(app: &TestApp, ph_no: &str) -> reqwest::RequestBuilder {
    let body = json!({ "speech": WORDS, "ph_no": ph_no });
    app.request(Method::POST, "/api/process-speech").json(&body)
}

/// Callers who speak, each in a task; returns when all of them wait for the model.
async fn waiting_for_model(app: &TestApp, chat: &ChatFake) -> JoinSet<Got> {
    let before = chat.requests().len();
    let mut speaking = JoinSet::new();
    for n in 0..CALLERS {
        speaking.spawn(send(speech(app, &number(n))));
    }
    wait_until("all wait for the model", async || chat.requests().len() == before + CALLERS).await;
    speaking
}

/// All of them have an answer by `by` that is on disk.
async fn assert_answered(speaking: JoinSet<Got>, by: &str) -> Vec<Reply> {
    let answers = speaking.join_all().await;
    assert_eq!(answers.len(), CALLERS);
    let mut replies = Vec::new();
    for got in answers {
        assert_eq!(got.status, 200, "{}", got.text());
        let reply: Reply = got.parse();
        assert_eq!((reply.answered_by.as_str(), reply.durable), (by, true), "{reply:?}");
        replies.push(reply);
    }
    replies
}

/// What `data/lock` tells.
fn lock(app: &TestApp) -> Value {
    let text = fs::read(app.data_dir().join("lock")).expect("there is a lock");
    serde_json::from_slice(&text).expect("it is JSON")
}

/// Whether the server ended by its own limit.
fn is_cut_short(app: &TestApp) -> bool {
    app.stderr().contains("The stop did not end in time")
}

async fn until_stopping(app: &TestApp) {
    wait_until("it says that it stops", async || lock(app)["state"] == "stopping").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_in_flight_are_finished_and_new_calls_are_answered_meanwhile() {
    let chat = ChatFake::start();
    let mut app = with_model(&chat, TestApp::builder()).await;
    chat.otherwise(Case::SlowFirst(Duration::from_millis(1_500)));
    let held = app.say(&number(CALLERS), "There is a fire in the warehouse").await;
    let speaking = waiting_for_model(&app, &chat).await;

    let asked = Instant::now();
    app.signal("TERM");
    until_stopping(&app).await;
    // A new call, a turn of another one, and a look, on a connection that was open before.
    let new = send(speech(&app, &number(CALLERS + 1))).await;
    let known = send(speech(&app, held.ph_no.as_str())).await;
    let look = app.get_as_supervisor(&format!("/api/call/{}", held.call())).await;

    let replies = assert_answered(speaking, "model").await;
    assert!(app.wait_for_end().success(), "{}", app.stderr());
    assert!(asked.elapsed() < STOP, "{:?}", asked.elapsed());
    assert!(replies.iter().all(|it| it.message == MESSAGE));
    for got in [&new, &known, &look] {
        assert_eq!((got.status, got.header("connection")), (200, "close"), "{}", got.text());
    }
    let new: Reply = new.parse();
    assert_eq!((new.answered_by.as_str(), new.durable), ("card", true));
    app.restart().await;
    for reply in replies.iter().chain([&new]) {
        let said = app.messages(reply.conversation()).await;
        let expected = [("user", WORDS), ("assistant", &reply.message)];
        assert!(said.iter().map(|it| (it.0.as_str(), it.1.as_str())).eq(expected), "{said:?}");
    }
    assert_eq!(app.messages(held.conversation()).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_answer_for_a_model_that_takes_longer_than_a_stop() {
    once_in_time(stops_before_the_model_answers).await;
}

async fn stops_before_the_model_answers() -> bool {
    let chat = ChatFake::start();
    let mut app = with_model(&chat, TestApp::builder()).await;
    chat.otherwise(Case::HangsAfter("{\"urgency\":".to_owned()));
    let speaking = waiting_for_model(&app, &chat).await;

    let (status, _) = app.stop_gracefully();

    if is_cut_short(&app) {
        return false;
    }
    assert!(status.success(), "{}", app.stderr());
    assert_answered(speaking, "card").await;
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_hangs_holds_a_stop() {
    once_in_time(stops_while_all_hangs).await;
}

async fn stops_while_all_hangs() -> bool {
    let (chat, rtdb) = (ChatFake::start(), Rtdb::start());
    let mut app = with_model(&chat, mirrored(&rtdb)).await;
    let held = app.say(&number(CALLERS), "There is a fire in the warehouse").await;
    until_synced(&app).await;
    rtdb.set_fault(Fault::Hang);
    chat.otherwise(Case::Hangs);
    let path = format!("/api/conversation/{}/stream", held.conversation());
    let mut unread = Line::open(&app, &path, None).await;
    assert_eq!(unread.next().await.expect("it begins").name, "initial");
    act(&app, held.call(), "takeover", json!({ "admin_id": "Kim" })).await;
    // More than the connection holds.
    for _ in 0..300 {
        let words = json!({ "admin_id": "Kim", "content": "x".repeat(12_000) });
        act(&app, held.call(), "message", words).await;
    }
    let mut half = Vec::new();
    for text in [
        "POST /api/process-speech HTTP/1.1\r\nHost: a\r\nContent-Type: app",
        "POST /api/process-speech HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
         Content-Length: 100\r\n\r\n{\"speech\":",
        "",
    ] {
        let mut stream = TcpStream::connect(app.host_port()).await.expect("it accepts");
        stream.write_all(text.as_bytes()).await.expect("it reads");
        half.push(stream);
    }
    let speaking = waiting_for_model(&app, &chat).await;

    let (status, _) = app.stop_gracefully();

    if is_cut_short(&app) {
        return false;
    }
    assert!(status.success(), "{}", app.stderr());
    assert_answered(speaking, "card").await;
    let total = fs::read(app.data_dir().join("total.json")).expect("there is a last checkpoint");
    let total: Value = serde_json::from_slice(&total).expect("it is JSON");
    app.restart().await;
    let initial = app.board().await.until("initial").await;
    assert_eq!(initial.data["seq"], total["journal_seq"], "the checkpoint is the last word");
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn boards_see_all_that_was_finished_and_are_told_to_come_back_one_by_one() {
    const BOARDS: usize = 60;
    let chat = ChatFake::start();
    let mut app = with_model(&chat, TestApp::builder()).await;
    let mut boards = Vec::new();
    for _ in 0..BOARDS {
        let mut board = app.board().await;
        board.until("initial").await;
        boards.push(board);
    }
    chat.otherwise(Case::SlowFirst(Duration::from_millis(500)));
    let speaking = waiting_for_model(&app, &chat).await;

    let (status, took) = app.stop_gracefully();

    assert!(status.success() && took < STOP, "{took:?}: {}", app.stderr());
    let replies = assert_answered(speaking, "model").await;
    let mut told = BTreeSet::new();
    let mut seen = Vec::new();
    for board in &mut boards {
        let mut n_answers = 0;
        while let Some(event) = board.next().await {
            n_answers += usize::from(event.data["messages"][0]["role"] == "assistant");
        }
        assert_eq!(n_answers, replies.len(), "the answers came before the end");
        let [_, last] = board.retries_ms[..] else { panic!("{:?}", board.retries_ms) };
        assert!((1_000..4_000).contains(&last), "{last}");
        told.insert(last);
        seen.push(board.last_id.clone());
    }
    // Of 3,000 places: two that fall together are no wonder, ten are.
    assert!(told.len() > BOARDS - 10, "{told:?}");
    let (first, last) = (told.first().expect("many"), told.last().expect("many"));
    assert!(last - first > 1_500, "{told:?}");

    app.restart().await;
    let said = app.say(&number(0), "There is a fire in the warehouse").await;
    for board in &boards {
        let mut resumed: EventStream = board.resume(&app).await;
        // What carries no id is about the stream and the mirror, and comes when it likes.
        let next = loop {
            let next = resumed.next().await.expect("it goes on");
            if next.id.is_some() {
                break next;
            }
        };
        assert_eq!(next.data["conversation_id"], said.conversation(), "nothing missed: {next:?}");
        assert_eq!(next.data["messages"][0]["role"], "user", "nothing twice: {next:?}");
    }
    assert!(seen.iter().all(|it| it == &seen[0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_server_waits_for_the_one_that_stops() {
    let chat = ChatFake::start();
    let mut old = with_model(&chat, TestApp::builder()).await;
    chat.otherwise(Case::SlowFirst(Duration::from_millis(1_500)));
    let expected = json!({ "pid": old.pid(), "address": old.host_port(), "state": "serving" });
    assert_eq!(lock(&old), expected);
    let speaking = waiting_for_model(&old, &chat).await;

    old.signal("TERM");
    until_stopping(&old).await;
    let next = TestApp::builder()
        .data_dir(old.data_dir())
        .env("AURORA_BIND", old.host_port())
        .spawn()
        .await;

    let replies = assert_answered(speaking, "model").await;
    assert!(old.wait_for_end().success(), "{}", old.stderr());
    assert!(next.stderr().contains("Waits for the Aurora that is stopping"), "{}", next.stderr());
    let expected = json!({ "pid": next.pid(), "address": next.host_port(), "state": "serving" });
    assert_eq!(lock(&next), expected);
    for reply in &replies {
        assert_eq!(next.messages(reply.conversation()).await[1].1, reply.message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_hangs_is_cut_short_and_loses_nothing() {
    let mut app = TestApp::spawn().await;
    let said = app.say(&number(0), WORDS).await;
    // Opening it to write waits for somebody who reads: a disk that does not answer.
    let beside = app.data_dir().join("total.json.new");
    let made = Command::new("mkfifo").arg(&beside).status();
    assert!(made.is_ok_and(|it| it.success()), "`mkfifo` is needed (coreutils)");

    // Without the limit it would never end.
    let (status, _) = app.stop_gracefully();

    assert_eq!(status.code(), Some(1));
    assert!(is_cut_short(&app), "{}", app.stderr());
    fs::remove_file(&beside).expect("it can be removed");
    app.restart().await;
    assert_eq!(app.messages(said.conversation()).await.len(), 2);
}
