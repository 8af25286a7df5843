//! How fast is sent what gathered in an outage, against one `set()` for each update that waits for
//! its answer.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Asked;
use crate::people::speak_all;
use crate::rtdb::{NAMESPACE, Rtdb};
use crate::server::Server;

const UPDATES: usize = 10_000;
const TRIES: u32 = 20;

pub async fn measure(asked: &Asked) {
    let rtdb = asked.database();
    let server = Rc::new(Server::start(asked, Some(&rtdb), 1));
    server.until_listening().await;
    rtdb.go_down();
    speak_all(&server, UPDATES / 2).await;
    let sync = server.sync().await;
    let waiting = sync["pending"].as_u64().expect("a number");
    assert!(waiting >= UPDATES as u64, "{sync}");
    let (n_before, requests) = (rtdb.history().len(), rtdb.requests().count());

    rtdb.come_back();
    let start = Instant::now();
    // It would come by itself, after the pause that it makes just now.
    server.post("/api/sync/retry", &json!({})).await;
    server.until_synced().await;

    let last = rtdb.history()[n_before..].last().expect("it was sent").at;
    let took = last - start;
    let requests = rtdb.requests().count() - requests;
    let one = one_set(&rtdb).await;
    println!("{waiting} updates drained in {:.2} s, {requests} requests", took.as_secs_f64());
    println!(
        "one blocking set(): {:.1} ms; {:.0} times faster than as many of them",
        one.as_secs_f64() * 1e3,
        one.as_secs_f64() * waiting as f64 / took.as_secs_f64()
    );
}

/// On a connection that stays open.
async fn one_set(rtdb: &Rtdb) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let set = async |n: u32| {
        let url = format!("{}/elsewhere/{n}.json?ns={NAMESPACE}", rtdb.url());
        let request = client.put(url).bearer_auth("owner").json(&json!({ "content": "x" }));
        let answer = request.send().await.and_then(|it| it.error_for_status());
        answer.expect("it is written").bytes().await.expect("an answer");
    };
    set(0).await;
    let start = Instant::now();
    for n in 0..TRIES {
        set(n).await;
    }
    start.elapsed() / TRIES
}
