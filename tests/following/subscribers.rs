//! A thousand who follow, leave and come back: all see the same.

use std::process::Command;
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::harness::{TestApp, wait_until};
use crate::line::{Line, Raw};

const SEED: u64 = 20_261_120;
const SUBSCRIBERS: usize = 1_000;
/// Of them so many follow the board, the others the busy conversation.
const ON_THE_BOARD: usize = 300;
const TURNS: usize = 150;
const LAST: &str = "That was all";
/// For this test's connections and for the server's, which inherits the limit.
const OPEN_FILES: u64 = 4_096;

/// Where a subscriber connects; enough to come back after a cut.
#[derive(Debug)]
struct Place {
    host: String,
    token: String,
    path: String,
}

/// Follows to the last words, with cuts at random; what was told, without control events.
async fn follow(
    place: Arc<Place>,
    mut random: StdRng,
    ready: Arc<tokio::sync::Semaphore>,
) -> Vec<Raw> {
    let open = async |last: Option<&str>| {
        Line::open_at(&place.host, &place.token, &place.path, last).await
    };
    let mut line = open(None).await;
    let mut told: Vec<Raw> = Vec::new();
    let mut until_cut = random.random_range(1..60);
    loop {
        let event = line.next().await.expect("the stream goes on");
        assert_ne!(event.name, "gap", "nobody is so far behind");
        if event.id.is_none() {
            continue;
        }
        assert_eq!(event.name == "initial", told.is_empty(), "it begins once");
        if told.is_empty() {
            ready.add_permits(1);
        }
        let is_last = event.data.contains(LAST);
        told.push(event);
        if is_last {
            return told;
        }
        until_cut -= 1;
        if until_cut == 0 {
            until_cut = random.random_range(1..60);
            drop(line);
            line = open(told.last().and_then(|it| it.id.as_deref())).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_subscribers_see_the_same_whatever_cuts_them_off() {
    allow_open_files(OPEN_FILES);
    let app = TestApp::spawn().await;
    let busy = app.say("+15550100", "Hello").await;
    let place =
        |path: String| Arc::new(Place { host: app.host_port(), token: app.token.clone(), path });
    let board = place("/api/stream".to_owned());
    let conversation = place(format!("/api/conversation/{}/stream", busy.conversation()));
    let ready = Arc::new(tokio::sync::Semaphore::new(0));
    let (mut on_board, mut in_conversation) = (JoinSet::new(), JoinSet::new());
    for n in 0..SUBSCRIBERS {
        let random = StdRng::seed_from_u64(SEED + n as u64);
        if n < ON_THE_BOARD {
            on_board.spawn(follow(Arc::clone(&board), random, Arc::clone(&ready)));
        } else {
            in_conversation.spawn(follow(Arc::clone(&conversation), random, Arc::clone(&ready)));
        }
    }
    let all_there = ready.acquire_many(SUBSCRIBERS as u32).await;
    drop(all_there.expect("it stays open"));

    for turn in 0..TURNS {
        let number = format!("+1555011{:02}", turn % 20);
        let other = app.say(&number, "I only ask");
        let busy = app.say("+15550100", "The lamp on this level is broken");
        tokio::join!(busy, other);
    }
    app.say("+15550100", LAST).await;

    let on_board = on_board.join_all().await;
    let in_conversation = in_conversation.join_all().await;
    for told in [&on_board, &in_conversation] {
        for other in told {
            // What they began with also tells of the mirror, and so depends on the moment.
            assert_eq!(other[0].id, told[0][0].id);
            let (other, first) = (&other[1..], &told[0][1..]);
            assert!(other == first, "{:?}", first_difference(other, first));
        }
    }
    let seqs: Vec<u64> = on_board[0].iter().filter_map(Raw::seq).collect();
    let all: Vec<u64> = (seqs[0]..seqs[0] + seqs.len() as u64).collect();
    assert_eq!(seqs, all, "the board sees every record of these calls");
    let said = app.messages(busy.conversation()).await;
    let heard = in_conversation[0].iter().filter(|it| it.name == "new_messages");
    let heard: Vec<String> = heard.map(content).collect();
    let expected = said[2..said.len() - 1].iter().map(|it| it.1.clone());
    assert_eq!(heard, expected.collect::<Vec<_>>());
    wait_until("nobody follows any more", async || {
        app.get("/status").await.json()["live"]["subscribers"] == 0
    })
    .await;
}

fn content(event: &Raw) -> String {
    let data: Value = serde_json::from_str(&event.data).expect("data is JSON");
    data["messages"][0]["content"].as_str().unwrap_or_default().to_owned()
}

fn first_difference<'a>(a: &'a [Raw], b: &'a [Raw]) -> (usize, Option<&'a Raw>, Option<&'a Raw>) {
    let place = a.iter().zip(b).position(|it| it.0 != it.1).unwrap_or(a.len().min(b.len()));
    (place, a.get(place), b.get(place))
}

/// Raises the soft limit of this process, and so of the servers that it starts, if it is lower.
fn allow_open_files(n: u64) {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("tests run on Linux");
    let line = limits.lines().find(|it| it.starts_with("Max open files"));
    let soft = line.and_then(|it| it.split_whitespace().nth(3)?.parse().ok()).unwrap_or(0);
    if soft < n {
        let pid = std::process::id().to_string();
        let raised =
            Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={n}:")]).status();
        assert!(raised.is_ok_and(|it| it.success()), "this test needs {n} open files: ulimit -n");
    }
}
