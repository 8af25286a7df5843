//! Sealing: the next segment begins on request, and a segment without a record is no special case.

use std::fs;

use aurora::domain::Position;
use aurora::journal::{Journal, JournalError, Need, Settings};

use crate::support::{
    folder, lines, open, records, say, say_words, segments, seqs, settings, words,
};

#[test]
fn a_seal_begins_the_next_segment_and_does_nothing_to_an_empty_one() {
    let dir = folder();
    let journal = open(dir.path());
    assert_eq!(journal.seal().unwrap(), 1);
    assert!(segments(dir.path()).is_empty());
    say_words(&journal, 0..2);
    let head = journal.head();

    assert_eq!(journal.seal().unwrap(), head + 1);
    assert_eq!(journal.seal().unwrap(), head + 1);

    let found = journal.segments().unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].is_sealed, found[0].first_seq), (true, 1));
    assert_eq!((found[1].is_sealed, found[1].first_seq), (false, head + 1));
    assert_eq!(found[1].size_bytes, lines(&segments(dir.path())[1]).concat().len() as u64);
    assert_eq!(lines(&segments(dir.path())[1]).len(), 1);
    say_words(&journal, 2..4);
    assert_eq!(words(&records(&journal)), ["word 0", "word 1", "word 2", "word 3"]);
    assert_eq!(segments(dir.path()).len(), 2);
}

#[test]
fn a_seal_covers_everything_that_was_submitted_before_it() {
    let dir = folder();
    let settings = Settings { segment_bytes: 1_000_000, ..settings(dir.path()) };
    let (journal, _) = Journal::open(settings, None).unwrap();

    let said: Vec<_> = (0..50).map(|it| say(&journal, Need::Durable, 1, format!("{it}"))).collect();
    let next = journal.seal().unwrap();

    let most = said.into_iter().map(|it| it.wait().unwrap().seq).max().unwrap();
    assert_eq!(next, most + 1);
    assert_eq!(seqs(&records(&journal)), (1..next).collect::<Vec<_>>());
}

#[test]
fn a_start_after_a_seal_goes_on_from_the_whole_history_or_the_stored_state() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..20);
    let next = journal.seal().unwrap();
    let (all, state) = (records(&journal), journal.snapshot());
    let position = Position { journal: journal.id(), seq: journal.head() };
    drop(journal);

    for start in [None, Some((state.clone(), position))] {
        let (journal, _) = Journal::open(settings(dir.path()), start).unwrap();

        assert_eq!((journal.head(), journal.snapshot()), (next - 1, state.clone()));
        assert_eq!(records(&journal), all);
        assert_eq!(journal.seal().unwrap(), next);
    }
    let stored = Some((state, position));
    let (journal, _) = Journal::open(settings(dir.path()), stored).unwrap();
    say_words(&journal, 20..21);
    assert_eq!(records(&journal)[..all.len()], all);
    assert_eq!(lines(segments(dir.path()).last().unwrap()).len(), 2);
}

#[test]
fn an_empty_segment_does_not_let_time_run_backwards() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..3);
    journal.seal().unwrap();
    let position = Position { journal: journal.id(), seq: journal.head() };
    let state = journal.snapshot();
    drop(journal);
    // The clock was an hour fast when the last record was written.
    let file = segments(dir.path())[0].clone();
    let mut lines = lines(&file);
    let last = lines.pop().unwrap();
    let mut record = aurora::journal::line::read_record(last.trim_ascii_end()).unwrap();
    record.at = aurora::domain::Timestamp::from_millis(record.at.as_millis() + 3_600_000);
    let mut late = Vec::new();
    aurora::journal::line::write_record(&record, &mut late);
    lines.push(late);
    fs::write(&file, lines.concat()).unwrap();

    let (journal, _) = Journal::open(settings(dir.path()), Some((state, position))).unwrap();
    say_words(&journal, 3..4);

    assert_eq!(records(&journal).last().unwrap().at, record.at);
}

#[test]
fn a_disk_that_takes_no_segment_refuses_the_seal_and_loses_nothing() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..3);
    let (here, away) = (dir.path().join("journal"), dir.path().join("away"));

    fs::rename(&here, &away).unwrap();
    assert!(matches!(journal.seal(), Err(JournalError::Io { .. })));
    assert!(journal.is_writable());
    fs::rename(&away, &here).unwrap();
    say_words(&journal, 3..6);

    let (all, head) = (records(&journal), journal.head());
    assert_eq!(seqs(&all), (1..=head).collect::<Vec<_>>());
    assert_eq!(segments(dir.path()).len(), 2);
    drop(journal);
    let journal = open(dir.path());
    assert_eq!(records(&journal), all);
    journal.close();
    assert!(matches!(journal.seal(), Err(JournalError::Closed)));
}

#[test]
fn while_the_disk_fails_a_seal_is_refused() {
    let dir = folder();
    let journal = Journal::open(Settings { segment_bytes: 1, ..settings(dir.path()) }, None);
    let journal = journal.unwrap().0;
    say_words(&journal, 0..3);
    let (here, away) = (dir.path().join("journal"), dir.path().join("away"));

    fs::rename(&here, &away).unwrap();
    assert!(!say(&journal, Need::Answer, 1, "kept").wait().unwrap().durable);
    assert!(matches!(journal.seal(), Err(JournalError::Unwritable)));
    fs::rename(&away, &here).unwrap();
    journal.close();

    drop(journal);
    assert_eq!(words(&records(&open(dir.path()))), ["word 0", "word 1", "word 2", "kept"]);
}
