//! No database, or none that lets us in: callers do not notice, and nothing is lost.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::fakes::rtdb::{Applied, Fault, NAMESPACE, Rtdb};
use crate::harness::{TestApp, wait_until};
use crate::mirroring::{assert_equal, mirrored, sync, until_state, until_synced};
use crate::streams::whole_life;

async fn firebase_health(app: &TestApp) -> u16 {
    app.get("/health/firebase").await.status
}

/// Paths that were written below the calls and conversations, in order.
fn written(history: &[Applied]) -> Vec<&str> {
    let paths = history.iter().flat_map(|it| &it.changes).map(|it| it.0.as_str());
    paths.filter(|it| it.starts_with("active_")).collect()
}

#[tokio::test]
async fn callers_are_answered_while_the_database_is_down_and_all_arrives_later() {
    let rtdb = Rtdb::start();
    rtdb.go_down();
    let mut app = mirrored(&rtdb).spawn().await;

    for turn in 0..10 {
        for caller in 0..5 {
            let words = format!("This is message {turn}");
            let reply = app.say(&format!("+1555010{caller}"), &words).await;
            assert!(reply.durable);
        }
    }
    whole_life(&app, "+15550900").await;

    until_state(&app, "unreachable").await;
    assert_eq!(firebase_health(&app).await, 503);
    assert_eq!(app.get("/health/ready").await.status, 200, "calls can be taken");
    let status = app.get("/status").await.json();
    assert_eq!(
        (&status["status"], &status["mirror"]["healthy"]),
        (&json!("degraded"), &json!(false))
    );
    let waiting = sync(&app).await;
    assert_eq!(waiting["acked_seq"], 0);
    assert_eq!(waiting["pending"], waiting["head_seq"]);
    assert!(rtdb.history().is_empty());
    let lag = async |app: &TestApp| sync(app).await["lag_seconds"].as_u64().unwrap_or(0);
    wait_until("it is behind", async || lag(&app).await >= 2).await;
    app.restart().await;
    until_state(&app, "unreachable").await;
    assert!(lag(&app).await >= 2, "a restart does not make what waits any younger");

    rtdb.come_back();
    until_synced(&app).await;

    assert_eq!(firebase_health(&app).await, 200);
    assert_equal(&app, &rtdb).await;
}

#[tokio::test]
async fn what_is_said_in_an_outage_arrives_in_order() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    let first = app.say("+15550100", "Hello").await;
    until_synced(&app).await;
    let before = rtdb.history().len();

    for fault in [Fault::Down, Fault::Status { status: 503, times: 3 }, Fault::Lying { times: 2 }] {
        rtdb.set_fault(fault.clone());
        for n in 0..60 {
            app.say("+15550100", &format!("This is message {n} in {fault:?}")).await;
        }
        rtdb.clear_faults();
        until_synced(&app).await;
    }

    assert_equal(&app, &rtdb).await;
    let history = rtdb.history();
    let prefix = format!("active_conversations/{}/messages/", first.conversation());
    let mut newest = String::from("msg_000002");
    for write in &history[before..] {
        let mut ids: Vec<&str> =
            write.changes.iter().filter_map(|it| it.0.strip_prefix(&prefix)).collect();
        ids.sort_unstable();
        // A write may be repeated, but none leaves a hole before what it brings.
        let number = |id: &str| id[4..].parse::<u32>().expect("a message id");
        let Some(lowest) = ids.first() else { continue };
        assert!(number(lowest) <= number(&newest) + 1, "{lowest} after {newest}");
        assert!(ids.windows(2).all(|it| number(it[1]) == number(it[0]) + 1), "{ids:?}");
        newest = newest.max(ids[ids.len() - 1].to_owned());
    }
    assert_eq!(newest, "msg_000362");
}

#[tokio::test]
async fn a_restart_in_an_outage_goes_on_from_its_place() {
    let rtdb = Rtdb::start();
    let mut app = mirrored(&rtdb).spawn().await;
    let before = app.say("+15550100", "Hello").await;
    until_synced(&app).await;
    let acked = sync(&app).await["acked_seq"].clone();
    let n_writes = rtdb.history().len();
    rtdb.go_down();
    app.say("+15550101", "Hello").await;

    for kill in [false, true] {
        if kill {
            app.kill();
        }
        app.restart().await;
        app.say("+15550101", "Is anybody there?").await;
        until_state(&app, "unreachable").await;
        assert_eq!(sync(&app).await["acked_seq"], acked, "killed: {kill}");
    }
    rtdb.come_back();
    until_synced(&app).await;

    assert_equal(&app, &rtdb).await;
    let history = rtdb.history();
    let again: Vec<_> = written(&history[n_writes..])
        .into_iter()
        .filter(|it| it.contains(before.call()) || it.contains(before.conversation()))
        .collect();
    assert!(again.is_empty(), "sent before the outage, and again: {again:?}");
}

#[tokio::test]
async fn refused_credentials_are_told_and_waited_out() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    app.say("+15550100", "Hello").await;
    until_synced(&app).await;

    rtdb.set_fault(Fault::ExpiredCredentials);
    let reply = app.say("+15550101", "Hello").await;

    assert!(reply.durable);
    until_state(&app, "refused").await;
    assert_eq!(firebase_health(&app).await, 503);
    assert_eq!(sync(&app).await["failed"], json!([]), "the data is not to blame");
    rtdb.clear_faults();
    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
    assert_eq!(firebase_health(&app).await, 200);
}

#[tokio::test]
async fn a_service_account_opens_the_database_and_renews_its_token() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for in_a_file in [false, true] {
        let rtdb = Rtdb::start();
        let builder = TestApp::builder().env("FIREBASE_DATABASE_URL", rtdb.url());
        let key = rtdb.service_account_json();
        let app = if in_a_file {
            let file = folder.path().join("key.json");
            std::fs::write(&file, key).expect("a writable folder");
            builder.env("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string())
        } else {
            builder.env("FIREBASE_CREDENTIALS", key)
        };
        let app = app.spawn().await;
        app.say("+15550100", "Hello").await;
        until_synced(&app).await;
        app.say("+15550100", "The lamp is broken").await;
        until_synced(&app).await;
        assert_eq!(rtdb.token_requests(), 1, "one for all who write and listen");

        rtdb.set_fault(Fault::ExpiredCredentials);
        app.say("+15550101", "Hello").await;
        until_synced(&app).await;

        assert_eq!(rtdb.token_requests(), 2);
        assert_equal(&app, &rtdb).await;
        assert!(!app.stderr().contains("ya29"), "no token in the log");
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_in_the_middle_holds_nobody_up_and_a_good_one_brings_everything() {
    let rtdb = Rtdb::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("key.json");
    let good = rtdb.service_account_json();
    std::fs::write(&file, &good).expect("a writable folder");
    let app = TestApp::builder()
        .env("FIREBASE_DATABASE_URL", rtdb.url())
        .env("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string())
        .spawn()
        .await;
    app.say("+15550100", "Hello").await;
    until_synced(&app).await;
    let before = sync(&app).await["acked_seq"].clone();

    // No token of it is taken any more, and no new one is given.
    std::fs::write(&file, good.replace("aurora@", "removed@")).expect("a writable folder");
    rtdb.set_fault(Fault::ExpiredCredentials);
    rtdb.revoke_streams();
    for n in 0..20 {
        let reply = app.say("+15550100", &format!("This is message {n}")).await;
        assert!(reply.durable);
        app.say(&format!("+155502{n:02}"), "There is a fire").await;
    }
    whole_life(&app, "+15550900").await;

    until_state(&app, "refused").await;
    let told = sync(&app).await;
    assert_eq!((&told["acked_seq"], &told["failed"]), (&before, &json!([])));
    assert!(told["pending"].as_u64() > Some(60), "{told}");
    let mirror = app.get("/status").await.json()["mirror"].clone();
    assert_eq!((&mirror["healthy"], &mirror["state"]), (&json!(false), &json!("refused")));
    let reason = told["trouble"].as_str().unwrap_or_default();
    assert!(reason.contains("no access token") && reason.contains("its key"), "{told}");
    assert_eq!(mirror["detail"], told["trouble"]);
    assert_eq!(firebase_health(&app).await, 503);
    assert_eq!(app.get("/health/ready").await.status, 200, "calls can be taken");

    std::fs::write(&file, &good).expect("a writable folder");
    app.act("/api/sync/retry", &json!({})).await;
    until_synced(&app).await;

    assert_equal(&app, &rtdb).await;
    assert_eq!(firebase_health(&app).await, 200);
    assert!(!app.stderr().contains("PRIVATE KEY"), "no key in the log");
}

#[tokio::test]
async fn a_key_that_is_none_stops_the_start_without_being_quoted() {
    let exit = TestApp::builder()
        .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"))
        .env("FIREBASE_CREDENTIALS", "{\"private_key\": \"very-secret\"}")
        .try_spawn()
        .await
        .expect_err("it is no key");

    assert!(exit.stderr.contains("FIREBASE_CREDENTIALS"), "{}", exit.stderr);
    assert!(!exit.stderr.contains("very-secret"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_turn_takes_as_long_with_a_hanging_database_as_with_a_good_one() {
    let rtdb = Rtdb::start();
    let app = mirrored(&rtdb).spawn().await;
    let (mut good, mut hanging) = (Vec::new(), Vec::new());

    for round in 0..20 {
        let times = if round % 2 == 0 {
            rtdb.clear_faults();
            &mut good
        } else {
            rtdb.set_fault(Fault::Hang);
            &mut hanging
        };
        for _ in 0..20 {
            let asked = Instant::now();
            app.say("+15550100", "The lamp is broken").await;
            times.push(asked.elapsed());
        }
    }

    let [good, hanging] = [good, hanging].map(|mut times| {
        times.sort_unstable();
        (times[times.len() / 2], times[times.len() * 99 / 100])
    });
    println!("median and p99 of a turn: {good:?}, with a hanging database {hanging:?}");
    // How fast a turn is, the benchmarks tell; here only that none waits for the database.
    assert!(hanging.0 < 3 * good.0 + Duration::from_millis(20), "{hanging:?}, else {good:?}");
    rtdb.clear_faults();
    app.act("/api/sync/retry", &json!({})).await;
    wait_until("nothing is lost", async || sync(&app).await["pending"] == 0).await;
}
