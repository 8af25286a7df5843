//! What the archive holds of a call is what the state had of it, however the records came.

use std::collections::VecDeque;
use std::fs;

use aurora::domain::{Call, Event, JournalId, Position, Record, State};
use aurora::journal::Journal;
use aurora::readers::archive::{self, Store};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::restore::{happen, steps};
use crate::support::{folder, open, say_words, segments, settings};

/// As the archive knows it: what only a call that goes on needs is not kept.
fn archived(call: &Call) -> Call {
    Call { heard: None, requests: VecDeque::new(), last_seq: 0, ..call.clone() }
}

/// Calls as they were with all records, none having left. An id is given to one call: those that
/// the steps began twice do not count.
fn all_calls(records: &[Record]) -> Vec<Call> {
    let stays = |it: &&Record| !matches!(it.event, Event::CallArchived { .. });
    let mut state = State::default();
    records.iter().filter(stays).for_each(|it| state.apply(it));
    let is_one = |id| {
        let begins = |it: &&Record| match &it.event {
            Event::CallStarted(it) => it.call_id == id,
            Event::CallImported(it) => it.id == id,
            _ => false,
        };
        records.iter().filter(begins).count() == 1
    };
    state.calls().filter(|it| is_one(it.id)).map(|it| archived(it)).collect()
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
