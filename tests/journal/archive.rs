//! What the archive holds of a call is what the state had of it, however the records came.

use std::collections::VecDeque;
use std::fs;

use aurora::domain::{Call, Edits, Event, JournalId, Position, Record, State};
use aurora::journal::Journal;
use aurora::readers::archive::{self, Store};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::restore::{happen, steps};
use crate::support::{folder, open, say_words, segments, settings};

/// As the archive knows it: what only a call that goes on needs is not kept.
fn archived(call: &Call) -> Call {
    let (requests, edits) = (VecDeque::new(), Edits::default());
    Call { heard: None, requests, edits, last_seq: 0, ..call.clone() }
}

/// Calls as they were with all records, none having left. An id is given to one call, and a number
/// to one message: calls that the steps began twice, or in which they spoke before they began or
/// after they had left, do not count.
fn all_calls(records: &[Record]) -> Vec<Call> {
    let stays = |it: &&Record| !matches!(it.event, Event::CallArchived { .. });
    let mut state = State::default();
    records.iter().filter(stays).for_each(|it| state.apply(it));
    let is_one = |id| {
        let begins = |it: &Record| match &it.event {
            Event::CallStarted(it) => it.call_id == id,
            Event::CallImported(it) => it.id == id,
            _ => false,
        };
        let mut own = records.iter().filter(|it| it.event.call_id() == Some(id)).map(begins);
        own.next() == Some(true) && own.all(|it| !it)
    };
    let is_in_order = |call: &Call| (1..).zip(&call.messages).all(|(number, it)| it.id.0 == number);
    let calls = state.calls().filter(|it| is_one(it.id) && is_in_order(it));
    calls.map(|it| archived(it)).collect()
}

/// What all of these leave.
fn state_after(records: &[Record]) -> State {
    let mut state = State::default();
    records.iter().for_each(|it| state.apply(it));
    state
}

/// Without what is said of a call that is not in the state: the desk says nothing of it.
fn only_of_calls_that_are_here(records: Vec<Record>) -> Vec<Record> {
    let mut state = State::default();
    let mut is_possible = |record: &Record| {
        let is_here = record.event.call_id().is_none_or(|id| state.call(id).is_some());
        state.apply(record);
        is_here || matches!(record.event, Event::CallStarted(_) | Event::CallImported(_))
    };
    records.into_iter().filter(|it| is_possible(it)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn records_that_are_gone_are_made_up_for_by_the_state(
        steps in steps(), read in 0.0..1.0, held in 0.0..1.0, again in any::<bool>()
    ) {
        let dir = folder();
        let path = dir.path().join("archive.db");
        let records = happen(steps);
        let place = |part: f64, of: usize| (of as f64 * part) as usize;
        let read = place(read, records.len());
        let gone = read + place(held, records.len() - read);
        let state = state_after(&records);
        let journal = JournalId::from_bits(7);
        let mut store = Store::open(&path).unwrap();
        store.begin_at(Position { journal, seq: 0 }, false).unwrap();
        store.apply(journal, &records[..read]).unwrap();

        // A process that dies meanwhile has the next one begin with it again.
        for _ in 0..=usize::from(again) {
            store.adopt(&state).unwrap();
            store.end_forgotten(&state).unwrap();
        }
        store.begin_at(Position { journal, seq: gone as u64 }, true).unwrap();
        store.apply(journal, &records[gone..]).unwrap();
        store.count().unwrap();

        let db = Connection::open(&path).unwrap();
        let mut n_open = 0;
        let all = all_calls(&records);
        for call in state.calls().filter(|it| all.iter().any(|own| own.id == it.id)) {
            let found = archive::call(&db, call.id).unwrap().map(|it| archived(&it));
            prop_assert_eq!(found, Some(archived(call)));
            n_open += i64::from(call.is_open());
        }
        let sql = "SELECT count(*), sum(ended_at IS NULL) FROM calls";
        let (n_calls, n_found): (u64, Option<i64>) =
            db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        prop_assert_eq!(store.n_calls(), n_calls);
        prop_assert!(n_found.unwrap_or(0) >= n_open);
        let miscounted = "SELECT count(*) FROM calls c WHERE n_messages !=
             (SELECT count(*) FROM messages m WHERE m.id >> 24 = c.id AND m.id & 0xffffff < 0xfffffe)";
        let miscounted: i64 = db.query_row(miscounted, [], |row| row.get(0)).unwrap();
        prop_assert_eq!(miscounted, 0);
        for (place, note) in [(0xff_fffe, "admin_notes"), (0xff_ffff, "final_action")] {
            let sql = format!(
                "SELECT count(*) FROM calls c LEFT JOIN messages m ON m.id = (c.id << 24) + {place}
                 WHERE m.content IS NOT c.{note}"
            );
            let differing: i64 = db.query_row(&sql, [], |row| row.get(0)).unwrap();
            prop_assert_eq!(differing, 0, "{}", note);
        }
        db.execute("INSERT INTO words (words) VALUES ('integrity-check')", []).unwrap();
    }

    #[test]
    fn a_call_in_the_archive_is_the_call_that_the_state_had(
        steps in steps(), sizes in proptest::collection::vec(1..9_usize, 40)
    ) {
        let dir = folder();
        let path = dir.path().join("archive.db");
        let records = only_of_calls_that_are_here(happen(steps));
        let journal = JournalId::from_bits(7);
        let mut store = Store::open(&path).unwrap();
        prop_assert_eq!(store.position(), None);
        store.begin_at(Position { journal, seq: 0 }, false).unwrap();

        let mut rest = &records[..];
        for (place, size) in sizes.iter().cycle().enumerate() {
            if rest.is_empty() {
                break;
            }
            let (batch, others) = rest.split_at((*size).min(rest.len()));
            store.apply(journal, batch).unwrap();
            rest = others;
            if place % 3 == 2 {
                drop(store);
                store = Store::open(&path).unwrap();
            }
            let seq = batch.last().unwrap().seq;
            prop_assert_eq!(store.position(), Some(Position { journal, seq }));
        }

        let db = Connection::open(&path).unwrap();
        for call in all_calls(&records) {
            let found = archive::call(&db, call.id).unwrap().map(|it| archived(&it));
            prop_assert_eq!(found.as_ref(), Some(&call));
        }
        // The index agrees with the words.
        db.execute("INSERT INTO words (words) VALUES ('integrity-check')", []).unwrap();
    }
}

#[test]
fn an_archive_catches_up_from_where_it_stopped() {
    let dir = folder();
    let journal = open(dir.path());
    let path = archive::path(dir.path());
    let mut store = Store::open(&path).unwrap();
    assert!(archive::catch_up(&journal, &mut store, &path, |_| true).unwrap());
    assert_eq!(store.position(), None, "a journal without a record has no lasting id");

    say_words(&journal, 1..=10);
    let mut stopped_at = 0;
    let go_on = |seq| {
        stopped_at = seq;
        false
    };
    assert!(!archive::catch_up(&journal, &mut store, &path, go_on).unwrap());
    assert_eq!(store.position(), Some(journal.position(stopped_at)));
    say_words(&journal, 11..=30);
    assert!(archive::catch_up(&journal, &mut store, &path, |_| true).unwrap());

    assert_eq!(store.position(), Some(journal.position(journal.head())));
    assert_eq!(store.complete_from(), 1);
}

#[test]
fn an_archive_that_begins_late_knows_what_it_lacks() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 1..=40);
    let (state, head) = journal.snapshot_at_head();
    let position = journal.position(head);
    drop(journal);
    fs::remove_file(&segments(dir.path())[0]).unwrap();
    let (journal, _) = Journal::open(settings(dir.path()), Some((state, position))).unwrap();
    let path = archive::path(dir.path());
    let mut store = Store::open(&path).unwrap();

    assert!(archive::catch_up(&journal, &mut store, &path, |_| true).unwrap());

    let gone = (0..=head).find(|it| journal.holds_after(*it)).unwrap();
    assert!(gone > 0);
    assert_eq!((store.position(), store.complete_from()), (Some(position), gone + 1));
}
