//! Nobody's value is written over unseen, also while no stream tells of changes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aurora::domain::{CallUpdated, Event, Label, Urgency};
use serde_json::{Value, json};

use crate::fakes::rtdb::Fault;
use crate::house::{House, call, entry_of};

fn conflicts(house: &House) -> usize {
    let mut reader = house.journal.read_after(0);
    let records = reader.next_batch(10_000, 10_000_000).unwrap();
    records.iter().filter(|it| matches!(it.event, Event::ConflictFound(_))).count()
}

/// As another dashboard would: it says who and when.
fn someone_sets(house: &House, n: u64, field: &str, value: Value) {
    house.rtdb.put(&format!("{}/{field}", entry_of(n)), value);
    house.rtdb.put(&format!("{}/updated_by", entry_of(n)), json!("Ada at the phone"));
    let now = jiff::Timestamp::now().as_millisecond();
    house.rtdb.put(&format!("{}/updated_at", entry_of(n)), json!(now));
}

fn with_call() -> House {
    let house = House::started();
    house.begins(1);
    house.until_synced();
    house
}

#[test]
fn a_value_that_somebody_set_in_an_outage_is_taken_in_before_ours_is_written() {
    let house = with_call();
    house.rtdb.go_down();
    someone_sets(&house, 1, "urgency", json!("CRITICAL"));
    someone_sets(&house, 1, "admin_notes", json!("ring the plant"));
    house.urgency(1, Urgency::Urgent);

    house.rtdb.come_back();
    house.until_synced();

    house.until_synced();
    house.assert_equal();
    assert_eq!(house.there(1, "urgency"), "CRITICAL");
    assert_eq!(house.there(1, "admin_notes"), "ring the plant");
    assert_eq!(conflicts(&house), 1, "ours went under, and that is written down");
}

#[test]
fn nothing_is_taken_in_where_nobody_changed_anything() {
    let house = with_call();

    house.takes_over(1, "Kim");
    house.until_synced();
    house.urgency(1, Urgency::Critical);
    house.until_synced();

    house.assert_equal();
    assert_eq!(house.n_taken.load(Ordering::SeqCst), 0);
    let requests = house.rtdb.requests();
    let puts: Vec<_> = requests.seen.iter().filter(|it| it.method == "PUT").collect();
    assert_eq!(puts.len(), 2, "each in place of what was seen");
}

#[test]
fn while_a_stream_is_good_nothing_is_read_first() {
    let house = with_call();
    house.status.set_stream_good(true);
    let n_before = house.rtdb.requests().count();

    house.takes_over(1, "Kim");
    house.until_synced();

    house.assert_equal();
    assert_eq!(house.rtdb.requests().count(), n_before + 1);
}

#[test]
fn somebody_who_changes_the_call_all_the_time_is_never_buried() {
    let house = with_call();
    let notes = |n: usize| format!("note {n}");
    house.rtdb.set_fault(Fault::Slow(Duration::from_millis(3)));
    let mut n_set = 0;
    let mut last = Value::Null;
    house.urgency(1, Urgency::Urgent);
    house.takes_over(1, "Kim");
    for n in 0..40 {
        n_set = n;
        someone_sets(&house, 1, "admin_notes", json!(notes(n)));
        last = json!(notes(n));
        std::thread::sleep(Duration::from_millis(2));
    }
    house.rtdb.clear_faults();
    house.takes_over(1, "Lee");
    house.until_synced();

    house.assert_equal();
    assert_eq!(house.there(1, "admin_notes"), last, "{n_set}");
    assert_eq!(house.there(1, "admin_id"), "Lee");
}

#[test]
fn an_answer_that_was_lost_is_known_again_as_our_own() {
    let house = with_call();
    house.rtdb.set_fault(Fault::Lying { times: 2 });

    house.takes_over(1, "Kim");
    house.until_synced();

    house.assert_equal();
    assert_eq!(house.n_taken.load(Ordering::SeqCst), 0);
    assert_eq!(conflicts(&house), 0);
}

fn looks_at_entries(house: &House) -> usize {
    let is_look = |method: &str, target: &str| method == "GET" && target.contains("active_calls/");
    house.rtdb.requests().seen.iter().filter(|it| is_look(&it.method, &it.target)).count()
}

/// An edit of a call of which the mirror does not know whether it is there already.
fn edits_what_may_be_there(house: &House, n: u64) {
    house.until("there", || house.there(n, "status") == "ACTIVE");
    someone_sets(house, n, "admin_notes", json!("ring the plant"));
}

fn assert_not_buried(house: &House, n: u64) {
    // It may have come after the last look: the next one finds it, if it is still there.
    house.takes_over(n, "Kim");
    let taken_in = || house.journal.view(|it| it.call(call(n)).unwrap().admin_notes.clone());
    house.until("taken in", || taken_in().is_some_and(|it| it.as_str() == "ring the plant"));
    house.until_synced();
    house.assert_equal();
    assert_eq!(house.there(n, "admin_notes"), "ring the plant");
}

#[test]
fn a_beginning_whose_answer_was_lost_buries_no_edit() {
    for max_paths in [500, 8] {
        let mut house = with_call();
        house.stop();
        house.settings.limits.max_paths = max_paths;
        house.start();
        // Only the first batch after a start may have been sent before.
        house.begins(2);
        house.until_synced();
        let n_looks = looks_at_entries(&house);
        (3..20).for_each(|n| house.begins(n));
        house.until_synced();
        assert_eq!(looks_at_entries(&house), n_looks, "the first sending costs nothing more");

        house.rtdb.set_fault(Fault::Lying { times: usize::MAX });
        (20..40).for_each(|n| house.begins(n));
        edits_what_may_be_there(&house, 20);
        let n_before = house.rtdb.requests().count();
        house.until("tried again", || house.rtdb.requests().count() > n_before + 4);
        house.rtdb.clear_faults();

        assert_not_buried(&house, 20);
    }
}

#[test]
fn what_was_never_sent_in_an_outage_is_not_looked_at() {
    let mut house = House::new();
    house.settings.silence = Duration::from_secs(3600);
    house.start();
    house.begins(1);
    house.until_synced();
    house.rtdb.go_down();
    let turn = house.turn(1);
    house.happens(turn);
    house.until("unreachable", || house.status.trouble().is_some());
    (2..40).for_each(|n| house.begins(n));
    let n_tried = || house.status.meter().since_start().requests;
    let n_before = n_tried();
    house.until("all of them were tried", || n_tried() > n_before + 2);

    house.rtdb.come_back();
    house.until_synced();

    house.assert_equal();
    assert_eq!(looks_at_entries(&house), 0);
}

#[test]
fn a_beginning_that_was_sent_before_a_crash_buries_no_edit() {
    let mut house = with_call();
    house.stop();
    let saved = std::fs::read(&house.settings.cursor_file).unwrap();
    house.start();
    house.begins(2);
    house.until_synced();
    house.stop();
    edits_what_may_be_there(&house, 2);
    // As if the server had died before its position was on disk.
    std::fs::write(&house.settings.cursor_file, saved).unwrap();

    house.start();

    assert_not_buried(&house, 2);
}

#[test]
fn what_was_refused_is_tried_again_only_in_place_of_what_is_there() {
    let house = with_call();
    house.rtdb.set_fault(Fault::Poison("/admin_id".into()));
    house.takes_over(1, "Kim");
    house.until_synced();
    assert_eq!(house.report().failed.len(), 2, "the name, and the status that goes with it");
    house.rtdb.clear_faults();
    someone_sets(&house, 1, "admin_id", json!("Ada"));

    house.retry();

    house.until("settled", || house.report().failed.is_empty());
    house.until_synced();
    house.assert_equal();
    assert_eq!(conflicts(&house), 1, "one of the two stays, and who went under is written down");
}

#[test]
fn an_entry_that_is_too_large_to_be_kept_in_mind_is_taken_in_and_written_value_by_value() {
    let house = with_call();
    someone_sets(&house, 1, "urgency", json!("CRITICAL"));
    house.rtdb.put(&format!("{}/junk", entry_of(1)), json!("x".repeat(200_000)));

    house.urgency(1, Urgency::Urgent);
    house.until_synced();

    assert_eq!(house.there(1, "urgency"), "CRITICAL");
    assert_eq!(conflicts(&house), 1);
    assert_eq!(house.there(1, "junk").as_str().map(str::len), Some(200_000));
}

#[test]
fn a_value_that_is_refused_is_set_aside_and_the_others_of_the_call_arrive() {
    let house = with_call();
    house.rtdb.set_fault(Fault::Poison("admin_id".into()));

    house.takes_over(1, "Kim");
    house.urgency(1, Urgency::Critical);
    house.until_synced();

    assert_eq!(house.there(1, "urgency"), "CRITICAL");
    let failed = house.report().failed;
    let is_theirs = |path: &str| path.ends_with("/admin_id") || path.ends_with("/status");
    assert!(failed.iter().all(|it| is_theirs(&it.path)), "{failed:?}");
    assert!(!failed.is_empty());
}

#[test]
fn an_entry_that_is_no_entry_any_more_does_not_stop_anything() {
    for odd in [Value::Null, json!("gone"), json!([1, 2, 3]), json!({"mirrored": {"urgency": 7}})] {
        let house = with_call();
        house.begins(2);
        house.until_synced();
        house.rtdb.put(&entry_of(1), odd.clone());

        house.urgency(1, Urgency::Critical);
        house.urgency(2, Urgency::Critical);
        house.until_synced();

        assert_eq!(house.there(1, "urgency"), "CRITICAL", "{odd}");
        assert_eq!(house.there(2, "urgency"), "CRITICAL", "{odd}");
        assert_eq!(house.journal.view(|it| it.call(call(1)).unwrap().urgency), Urgency::Critical);
    }
}

#[test]
fn what_waits_in_pieces_is_looked_at_before_it_is_written() {
    let mut house = House::new();
    house.settings.silence = Duration::from_secs(3600);
    house.settings.limits.max_paths = 4;
    house.start();
    (1..=2).for_each(|n| house.begins(n));
    house.until_synced();
    house.status.set_stream_good(true);
    house.rtdb.go_down();
    let urgent = |n| {
        let update = CallUpdated::of(call(n), Label::parse("Kim").ok());
        Event::CallUpdated(CallUpdated { urgency: Some(Urgency::Urgent), ..update })
    };
    house.happens(vec![urgent(1), urgent(2)]);
    house.until("unreachable", || house.status.trouble().is_some());
    house.status.set_stream_good(false);
    (1..=2).for_each(|n| someone_sets(&house, n, "urgency", json!("CRITICAL")));

    house.rtdb.come_back();
    house.until("taken in", || conflicts(&house) == 2);
    house.until_synced();

    house.assert_equal();
    assert_eq!([1, 2].map(|n| house.there(n, "urgency")), ["CRITICAL", "CRITICAL"]);
}

#[test]
fn a_part_of_the_whole_state_whose_answer_was_lost_buries_no_edit() {
    let mut house = with_call();
    house.stop();
    house.rtdb.put("", Value::Null);
    house.rtdb.set_fault(Fault::Slow(Duration::from_millis(30)));
    house.start();
    let mark = || house.rtdb.value("aurora/mirror/node-1/since");
    house.until("it begins anew", || !mark().is_null());
    house.rtdb.set_fault(Fault::Lying { times: usize::MAX });
    house.until("there", || house.there(1, "status") == "ACTIVE");
    someone_sets(&house, 1, "urgency", json!("CRITICAL"));
    let n_before = house.rtdb.requests().count();
    house.until("tried again", || house.rtdb.requests().count() > n_before + 4);
    house.rtdb.clear_faults();

    // It may have come after the last look: the next one finds it, if it is still there.
    house.takes_over(1, "Kim");
    let urgency = || house.journal.view(|it| it.call(call(1)).unwrap().urgency);
    house.until("taken in", || urgency() == Urgency::Critical);
    house.until_synced();
    house.assert_equal();
}

#[test]
fn what_was_forgotten_while_it_waited_is_not_written_any_more() {
    let house = with_call();
    let n_looks = looks_at_entries(&house);
    house.rtdb.set_fault(Fault::Slow(Duration::from_millis(30)));
    house.urgency(1, Urgency::Critical);
    house.until("looked at", || looks_at_entries(&house) > n_looks);
    house.rtdb.clear_faults();
    house.rtdb.set_fault(Fault::Status { status: 503, times: usize::MAX });
    house.until("unreachable", || house.status.trouble().is_some());

    assert!(house.forget(entry_of(1)));
    house.rtdb.clear_faults();
    house.until_synced();

    assert_eq!(house.there(1, "urgency"), "NORMAL");
}
