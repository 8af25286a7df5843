//! How soon a message is in the database, and what that costs.
//!
//! From the moment at which the caller has the answer to the one at which the database has applied
//! the words. The payload is the messages as published: the shorter they are, the more the paths
//! weigh. The bill is for what is downloaded, at list price, if it went on like this for a month.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::people::{CALLERS, marked, speak, speak_all};
use crate::server::Server;
use crate::{Asked, at, sorted};

const MONTH_S: f64 = 30.0 * 24.0 * 3600.0;
const USD_A_BYTE: f64 = 1e-9;

pub async fn measure(asked: &Asked) {
    println!("from the answer to the caller until the words are in the database");
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>8} {:>11} {:>10} {:>7} {:>9} {:>9} {:>9}",
        "turns/s",
        "allowed",
        "p50 ms",
        "p99 ms",
        "max ms",
        "p99 trips",
        "requests/s",
        "B/turn",
        "x payload",
        "down B/s",
        "USD/month"
    );
    let busiest = asked.rates.last().copied().expect("clap has a default");
    for rate in &asked.rates {
        // The bill is by the minute: what is sent at once after a rest is part of it.
        let least = if *rate == busiest { 60.0 } else { (100.0 / rate).min(30.0) };
        row(asked, *rate, 1, least).await;
    }
    for pace in &asked.paces {
        row(asked, busiest, *pace, 0.0).await;
    }
}

async fn row(asked: &Asked, rate: f64, pace: u32, least_s: f64) {
    let rtdb = asked.database();
    let server = Rc::new(Server::start(asked, Some(&rtdb), pace));
    server.until_listening().await;
    speak_all(&server, CALLERS).await;
    server.until_synced().await;
    // So that the beginning counts as past.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let n_before = rtdb.history().len();
    let (before, bytes_before) = (rtdb.requests(), down(&server.sync().await));
    let began = Instant::now();
    let time = Duration::from_secs_f64(f64::from(asked.seconds).max(least_s));
    let answered = speak(&server, rate, time).await;
    server.until_synced().await;
    let seconds = began.elapsed().as_secs_f64();

    let requests = rtdb.requests();
    let mut payload = 0;
    let mut delays = Vec::new();
    for applied in &rtdb.history()[n_before..] {
        for (_, value) in applied.changes.iter().filter(|it| it.0.contains("/messages/")) {
            payload += value.to_string().len();
            let words = value["content"].as_str().filter(|_| value["role"] == "user");
            if let Some(n) = words.and_then(marked) {
                delays.push(applied.at.saturating_duration_since(answered[n]));
            }
        }
    }
    assert_eq!(delays.len(), answered.len(), "each turn arrived once");
    let delays = sorted(delays.into_iter());
    let down = (down(&server.sync().await) - bytes_before) / seconds;
    let p99 = at(&delays, 0.99);
    println!(
        "{rate:>8} {pace:>8} {:>8.1} {p99:>8.1} {:>8.1} {:>11.2} {:>10.2} {:>7.0} {:>9.2} {down:>9.0} {:>9.2}",
        at(&delays, 0.5),
        at(&delays, 1.0),
        p99 / asked.trip().as_secs_f64() / 1e3,
        (requests.count() - before.count()) as f64 / seconds,
        payload as f64 / answered.len() as f64,
        (requests.bytes() - before.bytes()) as f64 / payload as f64,
        down * MONTH_S * USD_A_BYTE,
    );
}

fn down(sync: &Value) -> f64 {
    sync["cost"]["since_start"]["bytes_down"].as_f64().expect("it is counted")
}
