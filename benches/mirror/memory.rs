//! What the writer holds while a backlog waits and while it is drained: what the server takes beyond
//! one that said the same and mirrors nothing.

use std::rc::Rc;

use serde_json::json;

use crate::Asked;
use crate::people::speak_all;
use crate::server::Server;

const BACKLOGS: [usize; 3] = [1_000, 10_000, 40_000];

pub async fn measure(asked: &Asked) {
    println!("MB resident, by updates that wait");
    println!(
        "{:>9} {:>15} {:>9} {:>16} {:>11} {:>13}",
        "updates", "without mirror", "waiting", "peak of draining", "difference", "MB of updates"
    );
    for updates in BACKLOGS {
        let plain = Rc::new(Server::start(asked, None, 1));
        speak_all(&plain, updates / 2).await;
        let without = plain.resident_mb();
        drop(plain);

        let rtdb = asked.database();
        let server = Rc::new(Server::start(asked, Some(&rtdb), 1));
        server.until_listening().await;
        rtdb.go_down();
        speak_all(&server, updates / 2).await;
        let waiting = server.resident_mb();
        server.forget_peak();
        let before = rtdb.requests().bytes();
        rtdb.come_back();
        server.post("/api/sync/retry", &json!({})).await;
        server.until_synced().await;
        let peak = server.peak_mb();
        let sent_mb = (rtdb.requests().bytes() - before) as f64 / 1e6;
        println!(
            "{updates:>9} {without:>15.1} {waiting:>9.1} {peak:>16.1} {:>11.1} {sent_mb:>13.1}",
            peak.max(waiting) - without
        );
    }
}
