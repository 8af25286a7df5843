//! What arrives, in which order and in what portions.

use serde_json::{Value, json};

use crate::site::Site;

#[test]
fn every_record_arrives_in_order_and_silently() {
    let site = Site::new().started();

    for i in 0..30 {
        site.record(&format!("active_calls/c{i}"), json!({"i": i}));
        site.record("active_calls/latest", i);
    }
    site.until_synced();

    let latest: Vec<i64> = site
        .rtdb
        .history()
        .iter()
        .flat_map(|it| it.changes.iter())
        .filter(|(path, _)| path == "active_calls/latest")
        .filter_map(|(_, value)| value.as_i64())
        .collect();
    assert!(latest.is_sorted(), "{latest:?}");
    assert_eq!(latest.last(), Some(&29));
    assert_eq!(site.rtdb.value("active_calls/c17"), json!({"i": 17}));
    let requests = site.rtdb.requests();
    let silent = "/.json?print=silent&ns=aurora-test";
    assert!(requests.seen.iter().all(|it| it.method == "PATCH" && it.target == silent));
    assert_eq!(site.rtdb.connections(), 1, "kept alive");
}

#[test]
fn the_position_travels_with_the_data() {
    let site = Site::new().started();

    site.record("active_calls/c1/status", "ACTIVE");
    site.until_synced();

    let position = site.rtdb.value("aurora/mirror/node-1");
    assert_eq!((&position["journal_id"], &position["seq"]), (&json!("j1"), &json!(1)));
    assert!(position["updated_at"].is_u64());
    assert_eq!(site.rtdb.history().len(), 1);
}

#[test]
fn what_waits_becomes_one_request() {
    let mut site = Site::new();
    site.record("active_calls/c1", json!({"status": "ACTIVE", "admin_id": "a"}));
    for i in 0..1000 {
        site.record("active_calls/c1/status", format!("S{i}"));
        site.record(&format!("active_calls/c{}/last", i % 7), i);
    }

    site.start();
    site.until_synced();

    assert_eq!(site.rtdb.requests().count(), 1);
    let call = json!({"status": "S999", "admin_id": "a", "last": 995});
    assert_eq!(site.rtdb.value("active_calls/c1"), call);
}

#[test]
fn a_large_backlog_goes_out_in_bounded_portions() {
    let mut site = Site::new();
    site.record_all((0..1700).map(|i| (format!("active_calls/c{i}"), json!(i))));
    site.record_all((0..40).map(|i| (format!("large/l{i}"), json!("x".repeat(100_000)))));

    site.start();
    site.until_synced();

    let portions = site.applied_paths();
    assert_eq!(portions.iter().map(Vec::len).sum::<usize>(), 1740);
    assert!(portions.iter().all(|it| it.len() <= 500));
    let limit = site.settings.limits.max_bytes + 200_000;
    assert!(site.rtdb.requests().seen.iter().all(|it| it.size_bytes < limit));
}

#[test]
fn a_source_that_gives_too_much_is_split() {
    let mut site = Site::new();
    site.settings.limits.max_paths = 10;
    site.script.dropped.lock().expect("no holder panics").clone_from(&1);
    site.record("wide", 1);
    site.record_all((0..35).map(|i| (format!("wide/w{i}"), json!(i))));

    site.start();
    site.until_synced();

    assert!(site.applied_paths().iter().all(|it| it.len() <= 10));
    assert_eq!(site.rtdb.value("wide/w34"), 34);
}

#[test]
fn a_record_that_concerns_nobody_only_moves_the_position() {
    let site = Site::new().started();

    site.record("active_calls/c1", Value::Null);
    site.until_synced();

    assert_eq!(site.rtdb.value("active_calls"), Value::Null);
    assert_eq!(site.rtdb.value("aurora/mirror/node-1/seq"), 1);
}
