//! Long and odd outages with a real journal: each ends by itself with the database equal to the
//! state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aurora::domain::{CallEnded, EndReason, Event, Urgency};
use aurora::readers::firebase::{Client, Meter, Pace};
use serde_json::json;

use crate::fakes::rtdb::Fault;
use crate::house::{House, call};

/// Turns in these calls, many in one commit, so that the test is about the mirror.
fn turns(house: &mut House, calls: std::ops::Range<u64>, n_turns: usize) {
    let numbers: Vec<u64> = calls.cycle().take(n_turns).collect();
    for chunk in numbers.chunks(100) {
        let events = chunk.iter().flat_map(|n| house.turn(*n)).collect();
        house.happens(events);
    }
}

/// Every message of a call arrived for the first time after the one before it, or with it.
fn assert_in_order(house: &House) {
    let mut latest: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for applied in house.rtdb.history() {
        let mut news: Vec<_> = applied.changes.iter().map(|it| it.0.clone()).collect();
        news.retain(|it| it.contains("/messages/") && seen.insert(it.clone()));
        news.sort_unstable();
        for path in news {
            let (conversation, message) = path.split_once("/messages/").unwrap();
            let before = latest.insert(conversation.to_owned(), message.to_owned());
            assert!(before.is_none_or(|it| it.as_str() < message), "{path} came late");
        }
    }
}

#[test]
fn an_outage_of_ten_thousand_turns_and_two_restarts_leaves_nothing_behind() {
    let mut house = House::started();
    (0..40).for_each(|n| house.begins(n));
    house.until_synced();
    house.rtdb.go_down();
    for part in 0..3 {
        turns(&mut house, 0..40, 10_000 / 3 + 1);
        house.takes_over(part, "Kim");
        house.urgency(part + 3, Urgency::Critical);
        let (ended, reason) = (call(part + 50), EndReason::HangUp);
        house.begins(part + 50);
        house.happens(vec![
            Event::CallEnded(CallEnded::new(ended, reason, None)),
            Event::CallArchived { call_id: ended },
        ]);
        house.until("unreachable", || house.status.trouble().is_some());
        if part < 2 {
            house.restart();
        }
    }
    assert!(house.report().pending > 20_000, "{:?}", house.report());
    let n_before = house.rtdb.history().len();

    house.rtdb.come_back();
    house.until_synced();

    house.assert_equal();
    assert_in_order(&house);
    let history = house.rtdb.history().split_off(n_before);
    let most = history.iter().map(|it| it.changes.len()).max();
    assert!(most <= Some(house.settings.limits.max_paths + 1), "{most:?} paths in one request");
    assert!(house.report().failed.is_empty());
}

#[test]
fn whatever_is_wrong_with_the_database_ends_by_itself() {
    let faults = [
        Fault::Slow(Duration::from_millis(40)),
        Fault::Flapping,
        Fault::Hang,
        Fault::AcceptAndClose,
        Fault::TooManyRequests { retry_after_s: 0, times: 9 },
        Fault::Lying { times: 4 },
        Fault::ExpiredCredentials,
        Fault::Status { status: 403, times: 5 },
        Fault::MaxBody(4_000),
    ];
    let mut house = House::new();
    house.settings.client.total_timeout = Duration::from_millis(200);
    house.settings.limits.max_paths = 60;
    house.start();
    for (i, fault) in (0..).step_by(10).zip(faults) {
        (i..i + 5).for_each(|n| house.begins(n));
        house.until_synced();
        let n_before = house.rtdb.requests().count();

        house.rtdb.set_fault(fault.clone());
        turns(&mut house, i..i + 5, 50);
        house.takes_over(i, "Kim");
        house.urgency(i + 1, Urgency::Critical);
        turns(&mut house, i..i + 5, 50);
        house.until("asked", || {
            house.rtdb.requests().count() > n_before || house.status.trouble().is_some()
        });
        if matches!(fault, Fault::Hang | Fault::AcceptAndClose | Fault::ExpiredCredentials) {
            house.until("in trouble", || house.status.trouble().is_some());
            house.rtdb.clear_faults();
        }
        house.until_synced();
        house.rtdb.clear_faults();

        house.assert_equal();
        assert!(house.report().failed.is_empty(), "{fault:?}: {:?}", house.report().failed);
    }
    assert_in_order(&house);
}

#[test]
fn a_backlog_is_drained_a_hundred_times_faster_than_value_by_value() {
    let mut house = House::new();
    (0..50).for_each(|n| house.begins(n));
    turns(&mut house, 0..50, 5_000);
    house.rtdb.set_fault(Fault::Slow(Duration::from_millis(50)));
    let one = blocking_write(&house);

    let start = Instant::now();
    house.start();
    house.until_synced();
    let took = start.elapsed();

    house.assert_equal();
    let factor = (one * 10_000).as_secs_f64() / took.as_secs_f64();
    println!("10,000 updates in {took:?}, one write {one:?}: {factor:.0} times faster");
    assert!(factor >= 100.0, "{took:?} is only {factor:.0} times faster");
}

/// The mean of a few.
fn blocking_write(house: &House) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = Client::new(house.settings.client.clone(), Arc::<Meter>::default()).unwrap();
    let start = Instant::now();
    for n in 0..4 {
        let body = json!({ "elsewhere/x": n }).to_string();
        runtime.block_on(client.patch(body.into())).unwrap();
    }
    start.elapsed() / 4
}

#[test]
fn a_busy_hour_costs_about_a_request_a_second_and_little_more_than_its_words() {
    let mut house = House::new();
    // A twentieth of a second here is a second there.
    house.settings.pace = Pace { per_second: 20.0, burst: 2.0, reserve: 0.0 };
    (0..30).for_each(|n| house.begins(n));
    house.start();
    house.until_synced();
    let (requests, head) = (house.rtdb.requests(), house.journal.head());
    let (start, mut n_turns) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(1_500) {
        if n_turns as f64 <= start.elapsed().as_secs_f64() * 1_000.0 {
            let events = house.turn(n_turns % 30);
            house.happens(events);
            n_turns += 1;
        } else {
            std::thread::yield_now();
        }
    }
    house.until_synced();
    let seconds = start.elapsed().as_secs_f64() * 20.0;

    let after = house.rtdb.requests();
    let n_requests = (after.count() - requests.count()) as f64;
    let payload = payload_bytes(&house, head);
    let factor = (after.bytes() - requests.bytes()) as f64 / payload as f64;
    let a_second = n_requests / seconds;
    println!("{n_turns} turns, {a_second:.2} requests a second, {factor:.2} x the payload");
    assert!(a_second < 1.2, "{a_second} requests a second");
    assert!(factor < 1.6, "{factor} times the payload");
    house.assert_equal();
}

/// What was said, as published, and that a call went on.
fn payload_bytes(house: &House, after: u64) -> usize {
    let mut reader = house.journal.read_after(after);
    let mut n_bytes = 0;
    loop {
        let records = reader.next_batch(1_000, 1_000_000).unwrap();
        if records.is_empty() {
            return n_bytes;
        }
        for record in records {
            if let Event::MessageAdded(it) = &record.event {
                let message = aurora::domain::PublishedMessage::from(&*it.message);
                n_bytes += json!(message).to_string().len();
            }
        }
    }
}

#[test]
fn what_cannot_wait_does_not_wait_for_its_turn() {
    let mut house = House::new();
    house.settings.pace = Pace { per_second: 0.001, burst: 2.0, reserve: 0.0 };
    house.begins(1);
    house.start();
    house.until_synced();
    let turn = house.turn(1);
    house.happens(turn);
    house.until_synced(); // That was the last token for a long time.
    let turn = house.turn(1);
    house.happens(turn);
    assert!(house.report().pending > 0);

    house.takes_over(1, "Kim");
    house.until_synced();

    assert_eq!(house.there(1, "admin_id"), "Kim");
    house.assert_equal();
}

#[test]
fn a_backlog_leaves_its_turn_to_what_follows() {
    let mut house = House::new();
    house.settings.pace = Pace { per_second: 0.001, burst: 2.0, reserve: 0.0 };
    house.settings.limits.max_paths = 60;
    house.begins(1);
    house.start();
    house.until_synced();
    house.rtdb.go_down();
    turns(&mut house, 1..2, 200);

    house.rtdb.come_back();
    house.until_synced();

    house.assert_equal();
}
