//! How soon here is known what somebody changed in the database, while calls go on: on an open
//! dashboard, and in what the caller hears next.
//!
//! From the moment at which the person there lets go of the button. Both ways, theirs to the
//! database and from there to us, are waited out before the database has it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};

use crate::people::speak;
use crate::rtdb::Rtdb;
use crate::server::Server;
use crate::{Asked, at, sorted};

const EDITS: usize = 100;
const WORDS: usize = 50;
const RATE: f64 = 10.0;
/// Not one of those who speak meanwhile.
const CALLER: usize = 1_000_000;
const FOR_EVER: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn measure(asked: &Asked) {
    let rtdb = asked.database();
    let server = Rc::new(Server::start(asked, Some(&rtdb), 1));
    server.until_listening().await;
    let reply = server.say(CALLER, "My number is on the list at the gate office").await;
    let id = |name: &str| reply[name].as_str().expect("a call").to_owned();
    let (call, conversation) = (id("call_id"), id("conversation_id"));
    server.until_synced().await;
    let others = Rc::clone(&server);
    let others = tokio::task::spawn_local(async move { speak(&others, RATE, FOR_EVER).await });

    let mut board = server.get("/api/stream").await;
    let mut delays = Vec::new();
    for n in 0..EDITS {
        let note = format!("note-{n:04}");
        let start = Instant::now();
        tokio::time::sleep(asked.trip()).await;
        edit(&rtdb, &call, json!({ "admin_notes": note }));
        until_told(&mut board, &note).await;
        delays.push(start.elapsed());
    }
    tell("an edit is on an open dashboard after", delays);

    let mut delays = Vec::new();
    for n in 0..WORDS {
        let words = format!("word-{n:04}");
        let start = Instant::now();
        tokio::time::sleep(asked.trip()).await;
        let path = format!("active_conversations/{conversation}/messages/-N{n:04}");
        rtdb.put(&path, json!({ "role": "admin", "content": words }));
        let moved = format!("2099-01-01T00:00:00.{n:03}Z");
        edit(&rtdb, &call, json!({ "last_message_at": moved }));
        loop {
            let asked_at = start.elapsed();
            let answer = server.say(CALLER, "Hello").await;
            if answer["message"].as_str().is_some_and(|it| it.contains(&words)) {
                break delays.push(asked_at);
            }
            assert!(start.elapsed() < PATIENCE, "{words} is not heard: {answer}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    tell("words from there are in the answer to whoever speaks after", delays);
    others.abort();
}

fn edit(rtdb: &Rtdb, call: &str, mut values: Value) {
    values["updated_by"] = json!("Ada");
    values["updated_at"] = json!({ ".sv": "timestamp" });
    rtdb.patch(&format!("active_calls/{call}"), &values);
}

async fn until_told(board: &mut Response, what: &str) {
    let mut told = Vec::new();
    while !told.windows(what.len()).any(|it| it == what.as_bytes()) {
        let piece = tokio::time::timeout(PATIENCE, board.chunk()).await;
        let piece = piece.unwrap_or_else(|_| panic!("{what} is not on the board"));
        told.extend_from_slice(&piece.expect("the stream lasts").expect("the stream goes on"));
    }
}

fn tell(what: &str, delays: Vec<Duration>) {
    let (n, delays) = (delays.len(), sorted(delays.into_iter()));
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|it| at(&delays, it));
    println!("{what}: p50 {p50:.0} ms, p99 {p99:.0} ms, at most {max:.0} ms, of {n}");
}
