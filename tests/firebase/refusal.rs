//! Data that the database refuses, and a database that refuses all data.

use std::collections::BTreeSet;

use aurora::readers::firebase::State;
use serde_json::{Value, json};

use crate::fakes::rtdb::Fault;
use crate::site::Site;

#[test]
fn one_poisoned_value_among_thousands_is_set_aside_and_the_rest_arrives() {
    let mut site = Site::new();
    site.rtdb.set_fault(Fault::Poison("c1234".into()));
    site.record_all((0..3000).map(|i| (format!("active_calls/c{i}"), json!({"i": i}))));

    site.start();
    site.until_synced();

    let failed = site.failed();
    assert_eq!(failed.len(), 1);
    assert_eq!((failed[0].seq, failed[0].path.as_str()), (1235, "active_calls/c1234"));
    assert!(failed[0].reason.starts_with("400: Invalid data"), "{}", failed[0].reason);
    let calls = site.rtdb.value("active_calls");
    assert_eq!(calls.as_object().map(serde_json::Map::len), Some(2999));
    assert!(site.status.is_failed("active_calls/c1234"));
    assert!(site.rtdb.requests().count() < 60, "found by halving");

    site.rtdb.clear_faults();
    let n_retried = site.retry(None);
    site.until("written", || site.failed().is_empty());

    assert_eq!(n_retried, 1);
    assert_eq!(site.rtdb.value("active_calls/c1234"), json!({"i": 1234}));
}

#[test]
fn a_body_that_is_too_large_is_halved_until_it_fits() {
    let mut site = Site::new();
    site.rtdb.set_fault(Fault::MaxBody(20_000));
    site.record_all((0..100).map(|i| (format!("large/l{i}"), json!("x".repeat(5000)))));
    site.record("large/giant", "x".repeat(30_000));
    site.record("large/after", 1);

    site.start();
    site.until_synced();

    let large = site.rtdb.value("large");
    assert_eq!(large.as_object().map(serde_json::Map::len), Some(101));
    let failed: Vec<_> = site.failed().iter().map(|it| it.path.clone()).collect();
    assert_eq!(failed, ["large/giant"]);
    assert!(site.failed()[0].reason.starts_with("413"));
}

#[test]
fn keys_and_depths_that_the_database_refuses_harm_only_themselves() {
    let site = Site::new().started();
    let deep = ["d"; 40].join("/");
    let long = "k".repeat(800);

    site.record("active_calls/c1", 1);
    site.record(&deep, 2);
    site.record(&long, 3);
    site.record("active_calls/a.b$c#[d]", json!({"e.f": 4}));
    site.until_synced();

    let failed: BTreeSet<_> = site.failed().iter().map(|it| it.path.clone()).collect();
    assert_eq!(failed, BTreeSet::from([deep, long]));
    let calls = json!({"c1": 1, "a%2Eb%24c%23%5Bd%5D": {"e%2Ef": 4}});
    assert_eq!(site.rtdb.value("active_calls"), calls);
}

#[test]
fn a_database_that_refuses_everything_is_not_taken_for_bad_data() {
    let site = Site::new().started();
    site.rtdb.set_fault(Fault::Status { status: 400, times: usize::MAX });

    site.record_all((0..100).map(|i| (format!("active_calls/c{i}"), json!(i))));
    site.until("refused", || site.state() == State::Refused);
    assert!(site.failed().is_empty());
    assert_eq!(site.status.acked_seq(), 0);

    site.rtdb.clear_faults();
    site.until_synced();
    assert!(site.failed().is_empty());
    assert_eq!(site.rtdb.value("active_calls/c99"), 99);
}

#[test]
fn a_retry_of_one_record_leaves_the_others() {
    let mut site = Site::new();
    site.rtdb.set_fault(Fault::Poison("bad".into()));
    site.record("calls/bad1", 1);
    site.record("calls/bad2", 2);
    site.start();
    site.until_synced();
    site.rtdb.clear_faults();

    let n_retried = site.retry(Some(2));
    site.until("written", || site.failed().len() == 1);

    assert_eq!(n_retried, 1);
    assert_eq!(site.rtdb.value("calls"), json!({"bad2": 2}));
    assert_eq!(site.retry(Some(99)), 0);
}

#[test]
fn a_retry_does_not_bring_old_values_back() {
    let site = Site::new().started();
    site.rtdb.set_fault(Fault::Poison("c1".into()));
    site.record("calls/c1", json!({"status": "ACTIVE", "admin_id": "a"}));
    site.record("calls/c1x", 1);
    site.until_synced();
    assert_eq!(site.failed().len(), 2);
    site.rtdb.clear_faults();
    site.record("calls/c1/status", "ENDED");
    site.record("calls/c1x", 2);
    site.until_synced();

    site.retry(None);
    site.until("written", || site.failed().is_empty());

    let calls = json!({"c1": {"status": "ENDED", "admin_id": "a"}, "c1x": 2});
    assert_eq!(site.rtdb.value("calls"), calls);
}

#[test]
fn a_retry_that_is_refused_again_stays_failed() {
    let site = Site::new().started();
    site.rtdb.set_fault(Fault::Poison("bad".into()));
    site.record("calls/bad", 1);
    site.until_synced();
    let before = site.failed()[0].at;

    site.retry(None);
    site.until("tried again", || site.failed()[0].at > before);

    assert_eq!(site.failed().len(), 1);
    assert_eq!(site.rtdb.value("calls"), Value::Null);
}
