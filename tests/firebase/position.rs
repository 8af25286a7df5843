//! A database that is not as it was left: it is recognised, filled again and told of.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use aurora::domain::{CallUpdated, EndReason, Event, Run, Urgency};
use aurora::readers::firebase::{FoundThere, Target, run_path};
use serde_json::{Value, json};

use crate::fakes::rtdb::{Fault, Rtdb};
use crate::house::{House, call, entry_of};

fn with_calls(numbers: std::ops::Range<u64>) -> House {
    let mut house = House::new();
    house.settings.silence = Duration::ZERO;
    house.start();
    for n in numbers {
        house.begins(n);
        let turn = house.turn(n);
        house.happens(turn);
        house.urgency(n, Urgency::Urgent);
    }
    house.until_synced();
    house.assert_equal();
    house
}

fn found(house: &House) -> Option<FoundThere> {
    house.report().noticed.map(|it| it.found)
}

#[test]
fn a_database_that_was_wiped_in_an_outage_is_filled_again() {
    let house = with_calls(0..5);
    house.rtdb.go_down();
    house.rtdb.put("", Value::Null);
    house.urgency(3, Urgency::Critical);
    house.until("unreachable", || house.status.trouble().is_some());

    house.rtdb.come_back();
    house.until("noticed", || found(&house) == Some(FoundThere::Wiped));
    house.until_synced();

    house.assert_equal();
}

#[test]
fn a_database_that_was_wiped_while_nothing_happened_is_filled_again() {
    let mut house = with_calls(0..5);
    house.stop();
    house.settings.look_every = Duration::from_millis(20);
    house.start();

    house.rtdb.put("", Value::Null);
    house.until("noticed", || found(&house) == Some(FoundThere::Wiped));
    house.until_synced();

    house.assert_equal();
}

#[test]
fn a_database_that_was_restored_to_yesterday_gets_what_it_lacks() {
    let mut house = with_calls(0..5);
    let yesterday = house.rtdb.value("");
    for n in 5..8 {
        house.begins(n);
        let turn = house.turn(n % 3);
        house.happens(turn);
    }
    house.until_synced();
    house.stop();
    let n_before = house.rtdb.history().len();

    house.rtdb.put("", yesterday);
    house.start();
    house.until("noticed", || found(&house) == Some(FoundThere::Restored));
    house.until_synced();

    house.assert_equal();
    let history = house.rtdb.history().split_off(n_before);
    let paths = history.iter().flat_map(|it| &it.changes).map(|it| it.0.as_str());
    let untouched = entry_of(4);
    assert!(!paths.into_iter().any(|it| it.starts_with(&untouched)), "only what it lacks");
}

#[test]
fn a_wipe_is_noticed_also_after_something_was_written_since() {
    let mut house = with_calls(0..5);
    house.stop();
    house.settings.silence = Duration::from_secs(3600);
    house.start();
    house.urgency(2, Urgency::Normal);
    house.until_synced();

    house.rtdb.put("", Value::Null);
    house.urgency(3, Urgency::Critical);
    house.until_synced();
    assert_eq!(found(&house), None, "our position is there again");
    house.stop();
    house.start();

    house.until("noticed", || found(&house) == Some(FoundThere::Wiped));
    house.until_synced();
    house.assert_equal();
}

#[test]
fn a_wipe_in_the_middle_of_the_whole_state_is_noticed() {
    let mut house = with_calls(0..20);
    house.stop();
    house.rtdb.put("", Value::Null);
    house.settings.limits.max_paths = 8;
    house.settings.silence = Duration::from_secs(3600);
    house.rtdb.set_fault(Fault::Slow(Duration::from_millis(10)));
    house.start();
    let n_there = || house.rtdb.value("active_calls").as_object().map_or(0, |it| it.len());
    house.until("half of it is there", || n_there() >= 5);
    assert_eq!(found(&house), Some(FoundThere::Wiped));

    house.rtdb.put("", Value::Null);
    house.rtdb.clear_faults();
    house.until_synced();

    house.assert_equal();
}

fn run() -> Run {
    let run = json!({
        "run_id": format!("run_{}", call(1).0), "user_id": "ada@example.com",
        "timestamp": "2026-11-20T12:00:00.123Z", "slug": "call", "command": "call",
        "status": "success", "duration_seconds": 60,
    });
    serde_json::from_value(run).unwrap()
}

#[test]
fn an_outage_before_the_first_contact_is_one_like_any_other() {
    let mut house = House::new();
    house.rtdb.go_down();
    house.start();
    house.begins(1);
    let turn = house.turn(1);
    house.happens(turn);
    let run = run();
    house.happens(vec![
        Event::CallEnded(aurora::domain::CallEnded::new(call(1), EndReason::HangUp, None)),
        Event::RunRecorded(Arc::new(run.clone())),
        Event::CallArchived { call_id: call(1) },
    ]);
    house.begins(2);
    house.until("unreachable", || house.status.trouble().is_some());

    house.rtdb.come_back();
    house.until_synced();

    house.assert_equal();
    let history = house.rtdb.history();
    let has = |path: &str, holds: &dyn Fn(&Value) -> bool| {
        history.iter().flat_map(|it| &it.changes).any(|it| it.0 == path && holds(&it.1))
    };
    assert!(has(&entry_of(1), &|it| it["status"] == "ENDED"), "it was told before it left");
    assert!(house.rtdb.value(&run_path(&run)).is_object());
    assert_eq!(found(&house), None);
}

#[test]
fn a_long_history_is_not_told_before_the_present() {
    let mut house = House::new();
    house.begins(1);
    house.happens(vec![
        Event::CallEnded(aurora::domain::CallEnded::new(call(1), EndReason::HangUp, None)),
        Event::CallArchived { call_id: call(1) },
    ]);
    house.begins(2);
    let nothing = || Event::CallUpdated(CallUpdated::of(call(2), None));
    house.happens((0..20_000).map(|_| nothing()).collect());

    house.start();
    house.until_synced();

    house.assert_equal();
    let history = house.rtdb.history();
    let mut paths = history.iter().flat_map(|it| &it.changes).map(|it| it.0.as_str());
    assert!(!paths.any(|it| it.starts_with(&entry_of(1))));
}

#[test]
fn another_database_gets_the_whole_state() {
    let mut house = with_calls(0..3);
    house.stop();
    let old = std::mem::replace(&mut house.rtdb, Rtdb::start());
    let url = "https://aurora-test.firebaseio.com".parse().unwrap();
    let target = Target::emulator(&house.rtdb.host_port(), Some(&url));
    house.settings.client.target = target.unwrap();

    house.start();
    house.until_synced();

    assert_eq!(found(&house), Some(FoundThere::OtherDatabase));
    house.assert_equal();
    assert_eq!(old.value("active_calls").as_object().map(|it| it.len()), Some(3));
}

#[test]
fn a_position_of_another_journal_means_the_whole_state_and_two_who_share_a_name_do_not_fight() {
    let mut house = with_calls(0..3);
    house.stop();
    let other = json!({"journal_id": "other", "seq": 9_999});
    house.rtdb.put("aurora/mirror/node-1", other.clone());
    house.rtdb.put(&entry_of(1), Value::Null);

    house.start();
    house.until("noticed", || found(&house) == Some(FoundThere::OtherJournal));
    house.until_synced();
    house.assert_equal();

    house.rtdb.put("aurora/mirror/node-1", other);
    let n_before = house.rtdb.history().len();
    house.rtdb.go_down();
    house.urgency(2, Urgency::Critical);
    house.until("unreachable", || house.status.trouble().is_some());
    house.rtdb.come_back();
    house.until_synced();
    assert!(house.rtdb.history().len() <= n_before + 2, "the whole state is not sent again");
}

#[test]
fn a_position_that_somebody_wrote_over_is_as_good_as_none() {
    for odd in [json!("x"), json!({"seq": "many"}), json!([1, 2])] {
        let mut house = with_calls(0..2);
        house.stop();
        house.rtdb.put("aurora/mirror/node-1", odd);

        house.start();
        house.until("noticed", || found(&house) == Some(FoundThere::Wiped));
        house.until_synced();

        house.assert_equal();
    }
}

#[test]
fn a_call_that_was_archived_leaves_only_after_its_last_state_was_there() {
    let mut house = House::started();
    house.begins(1);
    house.begins(2);
    house.until_synced();
    house.rtdb.go_down();
    let turn = house.turn(1);
    house.happens(turn);
    house.happens(vec![
        Event::CallEnded(aurora::domain::CallEnded::new(call(1), EndReason::HangUp, None)),
        Event::CallArchived { call_id: call(1) },
    ]);
    let turn = house.turn(2);
    house.happens(turn);
    let by = aurora::domain::ByPerson::new(call(1), None);
    house.happens(vec![Event::CallDeleted(by.clone()), Event::CallRestored(by)]);

    house.rtdb.come_back();
    house.until_synced();

    house.assert_equal();
    let history = house.rtdb.history();
    let at = |what: &dyn Fn(&str, &Value) -> bool| {
        history.iter().position(|it| it.changes.iter().any(|(path, it)| what(path, it)))
    };
    let (ended, gone) = (format!("{}/status", entry_of(1)), entry_of(1));
    let ended = at(&|path, it| path == ended && it == "ENDED").unwrap();
    let gone = at(&|path, it| path == gone && it.is_null()).unwrap();
    assert!(ended < gone);
}

#[test]
fn the_whole_state_takes_away_what_has_left_and_nothing_else() {
    let mut house = with_calls(0..2);
    house.stop();
    let (past, foreign) = (call(77), call(78));
    for id in [past, foreign] {
        house.rtdb.put(&format!("active_calls/{id}"), json!({"status": "ENDED"}));
        house.rtdb.put(&format!("active_conversations/{}/x", id.conversation()), json!(1));
    }
    house.archived.lock().unwrap().push(past);
    fs::remove_file(&house.settings.cursor_file).unwrap();

    house.start();
    house.until_synced();

    let there = |id: aurora::domain::CallId| {
        let call = house.rtdb.value(&format!("active_calls/{id}"));
        (call, house.rtdb.value(&format!("active_conversations/{}", id.conversation())))
    };
    assert_eq!(there(past), (Value::Null, Value::Null));
    assert_eq!(there(foreign), (json!({"status": "ENDED"}), json!({"x": 1})));
}
