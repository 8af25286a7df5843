//! Stopping and starting: the position stays, and an unknown one means the whole state.

use std::fs;
use std::time::{Duration, Instant};

use aurora::readers::firebase::{MirrorError, State};
use serde_json::json;

use crate::fakes::rtdb::Fault;
use crate::site::Site;

#[test]
fn the_position_survives_a_restart() {
    let mut site = Site::new().started();
    site.record_all((0..10).map(|i| (format!("active_calls/c{i}"), json!(i))));
    site.until_synced();
    site.stop();
    let n_before = site.rtdb.history().len();

    site.record("active_calls/later", 1);
    site.start();
    site.until_synced();

    let after: Vec<_> = site.applied_paths().split_off(n_before);
    assert_eq!(after, [["active_calls/later"]]);
}

#[test]
fn the_position_is_saved_soon_and_not_at_each_request() {
    let mut site = Site::new();
    site.settings.save_every = Duration::from_secs(3600);
    site.start();
    for i in 0..20 {
        site.record("active_calls/c1", i);
        site.until_synced();
    }
    assert_eq!(site.status.saved_seq(), 0);
    site.stop();
    assert_eq!(site.status.saved_seq(), 20);

    site.settings.save_every = Duration::from_millis(20);
    site.start();
    site.record("active_calls/c1", 20);

    site.until("saved", || site.status.saved_seq() == 21);
}

#[test]
fn a_position_that_a_crash_lost_means_sending_again_without_harm() {
    let mut site = Site::new().started();
    site.record("active_calls/c1", json!({"status": "ACTIVE"}));
    site.until_synced();
    site.stop();
    let saved = fs::read(site.cursor_file()).expect("a saved position");
    site.start();
    site.record("active_calls/c1/status", "TAKEOVER");
    site.record("active_calls/c1/status", "ENDED");
    site.until_synced();
    site.stop();
    let before = site.rtdb.value("active_calls");

    fs::write(site.cursor_file(), saved).expect("a writable folder");
    site.start();
    site.until_synced();

    assert_eq!(site.rtdb.value("active_calls"), before);
    assert_eq!(before, json!({"c1": {"status": "ENDED"}}));
}

#[test]
fn failed_items_survive_a_restart() {
    let mut site = Site::new().started();
    site.rtdb.set_fault(Fault::Poison("bad".into()));
    site.record("calls/bad", 1);
    site.until_synced();
    site.stop();
    site.rtdb.clear_faults();

    site.start();
    assert_eq!(site.failed().len(), 1);
    site.retry(None);
    site.until("written", || site.failed().is_empty());

    assert_eq!(site.rtdb.value("calls/bad"), 1);
}

#[test]
fn an_unreadable_position_stops_the_start_and_names_the_file() {
    let mut site = Site::new();
    fs::create_dir_all(site.cursor_file().parent().expect("a folder")).expect("a folder");
    fs::write(site.cursor_file(), "{\"journal_id\":\"j1\",\"acked").expect("a file");

    let err = site.try_start().expect_err("an unreadable file");

    assert!(matches!(err, MirrorError::Cursor(_)));
    assert!(err.to_string().contains("firebase.json"), "{err}");
}

#[test]
fn the_position_of_another_journal_is_no_position() {
    let mut site = Site::new().started();
    site.record("active_calls/c1", 1);
    site.until_synced();
    site.stop();
    site.script.asked.lock().expect("no holder panics").clear();

    site.settings.journal_id = "j2".to_owned();
    site.start();
    site.until_synced();

    assert_eq!(site.script.asked.lock().expect("no holder panics")[0], None);
    assert_eq!(site.rtdb.value("aurora/mirror/node-1/journal_id"), "j2");
}

#[test]
fn a_position_that_is_no_longer_held_sends_the_whole_state() {
    let mut site = Site::new();
    site.record_all((0..25).map(|i| (format!("active_calls/c{i}"), json!(i))));
    *site.script.dropped.lock().expect("no holder panics") = 10;
    site.rtdb.set_fault(Fault::Flapping);

    site.start();
    site.until_synced();
    site.record("active_calls/live", 1);
    site.until_synced();

    let calls = site.rtdb.value("active_calls");
    assert_eq!(calls.as_object().map(serde_json::Map::len), Some(26));
    let history = site.rtdb.history();
    let with_position = history.iter().filter(|it| {
        let mut paths = it.changes.iter().map(|(path, _)| path);
        paths.any(|it| it == "aurora/mirror/node-1/seq")
    });
    assert_eq!(with_position.count(), 2, "after the whole state, and with the live record");
}

#[test]
fn stopping_sends_what_waits() {
    let mut site = Site::new().started();
    site.record("active_calls/c0", 0);
    site.until_synced();

    site.rtdb.set_fault(Fault::Slow(Duration::from_millis(100)));
    for i in 0..5 {
        site.record(&format!("active_calls/c{i}"), i);
    }
    site.stop();

    assert_eq!(site.rtdb.value("active_calls/c4"), 4);
    assert_eq!(site.status.saved_seq(), 6);
}

#[test]
fn stopping_is_prompt_whatever_the_database_does() {
    for fault in [Fault::Hang, Fault::Down, Fault::Status { status: 401, times: 1000 }] {
        let mut site = Site::new();
        site.settings.client.total_timeout = Duration::from_secs(30);
        site.settings.backoff.base = Duration::from_secs(30);
        site.settings.backoff.cap = Duration::from_secs(30);
        site.rtdb.set_fault(fault.clone());
        site.record("active_calls/c1", 1);
        site.start();
        let is_hang = fault == Fault::Hang;
        site.until("in trouble", || match is_hang {
            true => site.rtdb.requests().count() > 0,
            false => matches!(site.state(), State::Unreachable | State::Refused),
        });

        let start = Instant::now();
        site.stop();

        assert!(start.elapsed() < Duration::from_millis(1500), "{fault:?}");
    }
}
