//! No connection, no answer, or the answer that it can't be done now.

use std::time::{Duration, Instant};

use aurora::readers::firebase::State;
use serde_json::json;

use crate::fakes::rtdb::Fault;
use crate::site::{ScriptTrouble, Site};

#[test]
fn every_outage_is_waited_out_and_nothing_is_skipped() {
    let outages = [
        Fault::Down,
        Fault::AcceptAndClose,
        Fault::Status { status: 500, times: 1000 },
        Fault::Status { status: 503, times: 1000 },
        Fault::Status { status: 408, times: 1000 },
        Fault::TooManyRequests { retry_after_s: 0, times: 1000 },
    ];
    let site = Site::new().started();
    site.record("active_calls/before", 1);
    site.until_synced();

    for (i, outage) in outages.into_iter().enumerate() {
        site.rtdb.set_fault(outage.clone());
        for j in 0..50 {
            site.record(&format!("active_calls/c{i}_{j}"), j);
        }
        site.until(&format!("unreachable by {outage:?}"), || site.state() == State::Unreachable);
        let report = site.status.report(site.head(), jiff::Timestamp::now());
        assert!(report.pending > 0);

        site.rtdb.clear_faults();
        site.until_synced();

        let calls = site.rtdb.value("active_calls");
        assert_eq!(calls.as_object().map(serde_json::Map::len), Some(1 + 50 * (i + 1)));
        assert!(site.failed().is_empty());
    }
}

#[test]
fn a_hanging_database_costs_a_timeout_and_no_record() {
    let mut site = Site::new();
    site.settings.client.total_timeout = Duration::from_millis(100);
    site.start();
    site.rtdb.set_fault(Fault::Hang);

    site.record("active_calls/c1", 1);
    site.until("unreachable", || site.state() == State::Unreachable);
    site.rtdb.clear_faults();
    site.until_synced();

    assert_eq!(site.rtdb.value("active_calls/c1"), 1);
}

#[test]
fn a_write_whose_answer_was_lost_is_sent_again_without_harm() {
    let site = Site::new().started();
    site.rtdb.set_fault(Fault::Lying { times: 3 });

    site.record("active_calls/c1", json!({"status": "ACTIVE"}));
    site.record("active_conversations/v1/messages/m1", json!({"content": "hello"}));
    site.until_synced();

    assert!(site.rtdb.history().len() >= 4, "sent again");
    assert_eq!(site.rtdb.value("active_calls"), json!({"c1": {"status": "ACTIVE"}}));
    let messages = site.rtdb.value("active_conversations/v1/messages");
    assert_eq!(messages, json!({"m1": {"content": "hello"}}));
}

#[test]
fn a_flapping_database_still_gets_everything_in_order() {
    let mut site = Site::new();
    site.settings.limits.max_paths = 20;
    site.rtdb.set_fault(Fault::Flapping);
    site.rtdb.set_fault(Fault::Poison("c333".into()));
    site.record_all((0..600).map(|i| (format!("active_calls/c{i}"), json!(i))));

    site.start();
    site.until_synced();

    let calls = site.rtdb.value("active_calls");
    assert_eq!(calls.as_object().map(serde_json::Map::len), Some(599));
    assert_eq!(site.failed().len(), 1);
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    let site = Site::new().started();
    site.rtdb.set_fault(Fault::TooManyRequests { retry_after_s: 1, times: 1 });
    let start = Instant::now();

    site.record("active_calls/c1", 1);
    site.until_synced();

    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn an_outage_leaves_one_coalesced_batch_behind() {
    let site = Site::new().started();
    site.rtdb.go_down();
    for i in 0..5000 {
        site.record("active_calls/c1/last_message_at", i);
    }
    site.until("unreachable", || site.state() == State::Unreachable);

    site.rtdb.come_back();
    site.until_synced();

    assert_eq!(site.rtdb.history().len(), 1);
    assert_eq!(site.rtdb.value("active_calls/c1/last_message_at"), 4999);
}

#[test]
fn a_connection_that_died_while_idle_is_no_outage() {
    let mut site = Site::new();
    // Whoever takes it for an outage does not try again in time.
    site.settings.backoff.base = Duration::from_secs(60);
    site.settings.backoff.cap = Duration::from_secs(60);
    site.start();
    site.record("active_calls/c1", 1);
    site.until_synced();
    site.rtdb.go_down();
    site.rtdb.come_back();
    let n_before = site.rtdb.requests().count();

    site.record("active_calls/c2", 2);
    site.until_synced();

    assert_eq!(site.rtdb.requests().count(), n_before + 1);
}

#[test]
fn a_journal_that_fails_or_panics_once_does_not_end_the_mirror() {
    let site = Site::new().started();
    for (i, trouble) in [ScriptTrouble::Fails, ScriptTrouble::Panics].into_iter().enumerate() {
        let next = &site.script.trouble;
        *next.lock().expect("no holder panics") = Some(trouble);

        site.record(&format!("active_calls/c{i}"), i);
        site.until_synced();

        assert_eq!(site.rtdb.value(&format!("active_calls/c{i}")), i);
    }
}

#[test]
fn a_database_that_can_be_read_and_not_written_is_in_one_outage() {
    let mut site = Site::new();
    site.settings.client.total_timeout = Duration::from_millis(50);
    // So that it is looked at after each write that failed.
    site.settings.silence = Duration::ZERO;
    let site = site.started();
    site.record("a", 1);
    site.until_synced();
    site.rtdb.set_fault(Fault::HangAt("/.json".to_owned()));
    site.record("a", 2);
    site.until("unreachable", || site.status.trouble().is_some());

    let n_looks = || {
        let seen = site.rtdb.requests().seen;
        seen.iter().filter(|it| it.target.contains("aurora/mirror/")).count()
    };
    let n_before = n_looks();
    site.until("looked at", || {
        assert!(site.status.trouble().is_some(), "that it can be read helps nobody");
        n_looks() > n_before + 3
    });

    site.rtdb.clear_faults();
    site.until_synced();
    site.until("over", || site.status.trouble().is_none());
}
