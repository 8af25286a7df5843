//! The server is killed at any moment, and every call is in the archive with its words, once.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aurora::domain::{CallId, Event, Record};
use aurora::journal::{Journal, Settings};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Reply, TestApp, wait_until};
use crate::support::{assert_index_is_whole, find, open, path, until_archived, words};

const SEED: u64 = 20_261_121;
const KILLS: usize = 10;
const CALLERS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_is_in_the_archive_once_whatever_was_killed() {
    let mut app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let mut random = StdRng::seed_from_u64(SEED);
    let mut heard = Vec::new();

    for round in 0..KILLS {
        let (answers, moment) = (random.random_range(20..400), random.random_range(0..300_000));
        heard.extend(talk_until_killed(&mut app, round, answers, moment).await);
        app.restart().await;
    }
    until_archived(&app).await;
    wait_until("all that ended have left", async || {
        let total = app.total().await;
        let mut calls = total["active_calls"].as_object().into_iter().flatten();
        calls.all(|it| it.1["status"] != "ENDED")
    })
    .await;
    until_archived(&app).await;
    app.stop_gracefully();

    assert_index_is_whole(&path(&app));
    let (said, left) = history(&app);
    let db = open(&path(&app));
    let n_calls: usize = db.query_row("SELECT count(*) FROM calls", [], |it| it.get(0)).unwrap();
    assert_eq!(n_calls, said.len());
    let n_messages: usize =
        db.query_row("SELECT sum(n_messages) FROM calls", [], |it| it.get(0)).unwrap();
    assert_eq!(n_messages, said.values().map(Vec::len).sum::<usize>());
    for (call, said) in &said {
        let found = find(&db, call).unwrap_or_else(|| panic!("{call} is missing"));
        assert_eq!(&words(&found), said, "{call}");
    }
    assert!(heard.len() > KILLS * 20, "the load was none");
    for (words, reply) in heard {
        let call = &said[reply.call()];
        let answered = call.windows(2).any(|it| it[0].1 == words && it[1].1 == reply.message);
        assert!(answered, "{} lacks: {words}", reply.call());
    }
    assert!(left.len() > KILLS, "only {} left", left.len());
    let total = fs::read(app.data_dir().join("total.json")).unwrap();
    let total: Value = serde_json::from_slice(&total).unwrap();
    for (call, times) in &left {
        assert_eq!(*times, 1, "{call} left more than once");
        assert!(total["active_calls"].get(call).is_none(), "{call} is in total.json");
    }
}

/// Callers say a few things, hang up and call again, until the server is killed; what was durable.
async fn talk_until_killed(
    app: &mut TestApp,
    round: usize,
    answers: usize,
    moment_us: u64,
) -> Vec<(String, Reply)> {
    let n_answers = Arc::new(AtomicUsize::new(0));
    let mut talking = JoinSet::new();
    for n in 0..CALLERS {
        let (client, base) = (app.client.clone(), app.url(""));
        let number = format!("+1555{round:03}{n:03}");
        talking.spawn(talk(client, base, number, Arc::clone(&n_answers)));
    }
    wait_until("enough was answered", async || n_answers.load(Ordering::Relaxed) >= answers).await;
    // Not a wait for anything: the crash comes at a moment that nobody chose.
    tokio::time::sleep(Duration::from_micros(moment_us)).await;
    app.kill();
    talking.join_all().await.into_iter().flatten().collect()
}

async fn talk(
    client: Client,
    base: String,
    number: String,
    n_answers: Arc<AtomicUsize>,
) -> Vec<(String, Reply)> {
    let post = async |path: &str, body: Value| {
        let request = client.request(Method::POST, format!("{base}{path}")).json(&body);
        request.send().await.ok()?.bytes().await.ok()
    };
    let mut heard = Vec::new();
    for turn in 0_usize.. {
        let words = format!("This is {number} with message {turn}");
        let body = json!({ "speech": words, "ph_no": number });
        let Some(answer) = post("/api/process-speech", body).await else { break };
        let Ok(reply) = serde_json::from_slice::<Reply>(&answer) else { break };
        if reply.durable {
            heard.push((words, reply));
        }
        n_answers.fetch_add(1, Ordering::Relaxed);
        let hangs_up = turn % 3 == 2;
        if hangs_up && post("/api/hang-up", json!({ "ph_no": number })).await.is_none() {
            break;
        }
    }
    heard
}

type Said = BTreeMap<String, Vec<(String, String)>>;

/// What the journal says was said in each call, and how often each left.
fn history(app: &TestApp) -> (Said, BTreeMap<String, usize>) {
    let settings = Settings { data_dir: app.data_dir().to_owned(), ..Settings::default() };
    let journal = Journal::open(settings, None).unwrap().0;
    let mut reader = journal.read_after(0);
    let (mut said, mut left) = (Said::new(), BTreeMap::new());
    loop {
        let batch = reader.next_batch(1_000, 1_000_000).unwrap();
        if batch.is_empty() {
            return (said, left);
        }
        for record in batch {
            note(&record, &mut said, &mut left);
        }
    }
}

fn note(record: &Record, said: &mut Said, left: &mut BTreeMap<String, usize>) {
    let name = |it: CallId| it.to_string();
    match &record.event {
        Event::CallStarted(it) => {
            said.entry(name(it.call_id)).or_default();
        }
        Event::MessageAdded(it) => {
            let role = serde_json::to_value(it.message.role).unwrap();
            let role = role.as_str().unwrap().to_owned();
            let said = said.entry(name(it.call_id)).or_default();
            said.push((role, it.message.content.to_string()));
        }
        Event::CallArchived { call_id } => *left.entry(name(*call_id)).or_default() += 1,
        _ => {}
    }
}
