//! Tokens that run out, rules that forbid, databases that do not exist.

use std::fs;

use aurora::readers::firebase::{Credentials, MirrorError, State, Target};
use serde_json::json;

use crate::fakes::rtdb::{Fault, Rtdb};
use crate::site::Site;

#[test]
fn a_service_account_writes_with_one_token_for_many_requests() {
    let site = Site::with_service_account().started();

    for i in 0..20 {
        site.record(&format!("active_calls/c{i}"), i);
        site.until_synced();
    }

    assert_eq!(site.rtdb.token_requests(), 1);
    assert_eq!(site.rtdb.value("active_calls/c19"), 19);
    let paths = site.rtdb.requests();
    assert!(paths.paths().iter().all(|it| *it == "/.json?print=silent"));
}

#[test]
fn an_expired_token_is_renewed_at_once_and_nothing_is_skipped() {
    let site = Site::with_service_account().started();
    site.record("active_calls/c1", 1);
    site.until_synced();

    site.rtdb.set_fault(Fault::ExpiredCredentials);
    site.record("active_calls/c2", 2);
    site.until_synced();

    assert_eq!(site.rtdb.token_requests(), 2);
    assert_eq!(site.rtdb.value("active_calls"), json!({"c1": 1, "c2": 2}));
}

#[test]
fn a_replaced_key_file_is_picked_up_without_a_restart() {
    let rtdb = Rtdb::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("key.json");
    let good = rtdb.service_account_json();
    fs::write(&file, good.replace("aurora@", "removed@")).expect("a writable folder");
    let target = Target::database(&rtdb.url().parse().expect("a URL")).expect("a database");
    let site = Site::with(rtdb, target, Credentials::KeyFile(file.clone())).started();
    site.record("active_calls/c1", 1);
    site.until("refused", || site.state() == State::Refused);

    fs::write(&file, good).expect("a writable folder");
    site.retry(None);
    site.until_synced();

    assert_eq!(site.rtdb.value("active_calls/c1"), 1);
}

#[test]
fn refused_credentials_and_a_wrong_database_are_waited_out() {
    for status in [401, 403, 404, 423] {
        let site = Site::new().started();
        site.rtdb.set_fault(Fault::Status { status, times: usize::MAX });

        site.record_all((0..10).map(|i| (format!("active_calls/c{i}"), json!(i))));
        site.until("refused", || site.state() == State::Refused);
        let (_, reason) = site.status.trouble().expect("a reason");
        assert!(reason.starts_with(&status.to_string()), "{reason}");
        assert_eq!(site.status.acked_seq(), 0);

        site.rtdb.clear_faults();
        site.until_synced();
        assert_eq!(site.rtdb.value("active_calls/c9"), 9);
        assert!(site.failed().is_empty());
    }
}

#[test]
fn a_key_that_is_none_stops_the_start() {
    let rtdb = Rtdb::start();
    let target = Target::database(&rtdb.url().parse().expect("a URL")).expect("a database");
    let mut site = Site::with(rtdb, target, Credentials::KeyJson("{}".to_owned()));

    let err = site.try_start().expect_err("no key");

    assert!(matches!(err, MirrorError::Client(_)));
    assert!(err.to_string().contains("FIREBASE_CREDENTIALS"), "{err}");
}

#[test]
fn a_redirect_within_the_service_takes_the_token_along() {
    let elsewhere = Rtdb::start();
    let site = Site::new().started();
    site.rtdb.set_fault(Fault::Redirect(elsewhere.url()));

    site.record("active_calls/c1", 1);
    site.until_synced();

    assert_eq!(elsewhere.value("active_calls/c1"), 1);
    assert_eq!(site.rtdb.history().len(), 0);
}

#[test]
fn a_redirect_out_of_the_service_is_not_followed() {
    let site = Site::new().started();
    let elsewhere = "http://firebaseio.com.example.org";
    site.rtdb.set_fault(Fault::Redirect(elsewhere.to_owned()));

    site.record("active_calls/c1", 1);
    site.until("refused", || site.state() == State::Refused);

    let (_, reason) = site.status.trouble().expect("a reason");
    assert!(reason.contains("must not get the token"), "{reason}");
}
