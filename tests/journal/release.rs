//! Removing segments: what somebody still needs stays, and what is left is a whole journal.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use aurora::domain::{Event, Position, Record, State};
use aurora::journal::{Journal, JournalError, Released, chain};
use proptest::prelude::*;

use crate::support::{
    GONE, copy, files, folder, open, records, records_after, say_words, segments, seqs, settings,
    try_open, without_words, words,
};

/// Where each segment begins.
fn begins(journal: &Journal) -> Vec<u64> {
    journal.segments().unwrap().iter().map(|it| it.first_seq).collect()
}

fn stored(journal: &Journal) -> (State, Position) {
    let (state, seq) = journal.snapshot_at_head();
    (state, journal.position(seq))
}

fn reopen(dir: &Path, start: (State, Position)) -> Arc<Journal> {
    Journal::open(settings(dir), Some(start)).unwrap().0
}

#[test]
fn exactly_the_segments_wholly_at_or_before_the_place_go() {
    let whole = folder();
    let all = {
        let journal = open(whole.path());
        say_words(&journal, 0..60);
        records(&journal)
    };

    for up_to in 0..=all.len() as u64 + 3 {
        let dir = copy(whole.path());
        let journal = open(dir.path());
        let before = begins(&journal);

        let released = journal.release(up_to).unwrap();

        let gone = before.iter().skip(1).filter(|it| **it <= up_to + 1).count();
        assert_eq!(released.n_segments, gone);
        assert_eq!(begins(&journal), before[gone..]);
        assert_eq!(segments(dir.path()).len(), before.len() - gone);
        let first = before[gone];
        assert!(first <= up_to + 1 || gone == 0);
        assert_eq!(journal.first_held(), first);
        assert_eq!(records_after(&journal, first - 1, 7, 500), all[first as usize - 1..]);
        assert!(journal.holds_after(first - 1) && (first == 1 || !journal.holds_after(first - 2)));
        assert_eq!(journal.release(up_to).unwrap(), Released::default());
    }
}

#[test]
fn the_segment_that_is_written_to_and_the_last_record_stay() {
    let dir = folder();
    let journal = open(dir.path());
    assert_eq!(journal.release(u64::MAX).unwrap(), Released::default());
    say_words(&journal, 0..1);
    assert_eq!(journal.release(u64::MAX).unwrap(), Released::default());

    journal.seal().unwrap();

    assert_eq!(journal.release(u64::MAX).unwrap(), Released::default());
    assert_eq!(words(&records(&journal)), ["word 0"]);
    say_words(&journal, 1..2);
    let size_bytes = journal.segments().unwrap()[0].size_bytes;
    assert_eq!(journal.release(u64::MAX).unwrap(), Released { n_segments: 1, size_bytes });
    assert_eq!(segments(dir.path()).len(), 1);
}

#[test]
fn a_reader_in_a_removed_segment_is_told_and_one_behind_it_reads_on() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);
    let middle = begins(&journal)[2];
    let (mut old, mut new) = (journal.read_after(0), journal.read_after(middle - 1));
    assert_eq!(old.next_batch(2, 1_000).unwrap().len(), 2);
    let first = new.next_batch(2, 1_000).unwrap();

    journal.release(middle - 1).unwrap();

    for _ in 0..2 {
        let err = old.next_batch(2, 1_000).unwrap_err();
        assert!(matches!(&err, JournalError::Mismatch { .. }), "{err}");
        assert!(err.to_string().contains("record 3 is no longer held"), "{err}");
    }
    assert_eq!(old.position(), 2);
    let mut seen = seqs(&first);
    loop {
        let batch = new.next_batch(7, 500).unwrap();
        if batch.is_empty() {
            break;
        }
        seen.extend(seqs(&batch));
    }
    assert_eq!(seen, (middle..=journal.head()).collect::<Vec<_>>());
}

#[test]
fn a_start_needs_a_stored_state_that_reaches_what_is_held() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..30);
    let early = stored(&journal);
    say_words(&journal, 30..60);
    let (late, head) = (stored(&journal), journal.head());
    let all = records(&journal);
    // Past what the early state covers: the keeper would not do this.
    let first = *begins(&journal).iter().rfind(|it| **it > early.1.seq + 1).unwrap();
    journal.release(first - 1).unwrap();
    drop(journal);
    let before = files(dir.path());

    for start in [None, Some(early)] {
        let err = Journal::open(settings(dir.path()), start).unwrap_err();
        assert!(matches!(err, JournalError::Mismatch { .. }), "{err}");
        assert!(err.to_string().contains("are nowhere"), "{err}");
        assert_eq!(files(dir.path()), before);
    }
    let journal = reopen(dir.path(), late.clone());
    assert_eq!((journal.head(), journal.snapshot()), (head, late.0));
    assert_eq!(records_after(&journal, first - 1, 7, 500), all[first as usize - 1..]);
    say_words(&journal, 60..70);
    assert_eq!(journal.head(), head + 10);
}

#[test]
fn whatever_a_crash_leaves_of_a_removal_starts_and_is_finished() {
    let whole = folder();
    let journal = open(whole.path());
    say_words(&journal, 0..60);
    let (start, all) = (stored(&journal), records(&journal));
    drop(journal);
    let n_segments = segments(whole.path()).len();

    // Oldest first, each durably: a crash leaves any number of the newest.
    for n_gone in 0..n_segments {
        let dir = copy(whole.path());
        for file in &segments(dir.path())[..n_gone] {
            fs::remove_file(file).unwrap();
        }

        let journal = reopen(dir.path(), start.clone());

        let first = journal.first_held();
        assert_eq!(journal.snapshot(), start.0);
        assert_eq!(records_after(&journal, first - 1, 7, 500), all[first as usize - 1..]);
        assert_eq!(journal.release(u64::MAX).unwrap().n_segments, n_segments - 1 - n_gone);
        // Without a stored state only all of it will do.
        drop(journal);
        assert!(matches!(try_open(dir.path()), Err(JournalError::Mismatch { .. })));
    }
}

#[test]
fn a_hole_that_the_stored_state_covers_is_never_read_over() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);
    let (start, hole) = (stored(&journal), begins(&journal)[1]);
    drop(journal);
    fs::remove_file(&segments(dir.path())[1]).unwrap();

    assert!(matches!(try_open(dir.path()), Err(JournalError::Corrupt { .. })));
    let journal = reopen(dir.path(), start.clone());

    assert_eq!(journal.snapshot(), start.0);
    let mut reader = journal.read_after(0);
    let err = loop {
        match reader.next_batch(1_000, 1_000_000) {
            Ok(batch) => assert!(!batch.is_empty()),
            Err(err) => break err,
        }
    };
    assert!(matches!(err, JournalError::Corrupt { .. }), "{err}");
    assert_eq!(reader.position(), hole - 1);
}

#[test]
fn a_file_that_does_not_go_is_tried_again() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..30);
    let (first, second) = (segments(dir.path())[0].clone(), segments(dir.path())[1].clone());
    journal.keep_chain().unwrap();
    // A folder can't be removed like a file.
    fs::remove_file(&first).unwrap();
    fs::create_dir(&first).unwrap();

    let err = journal.release(journal.head()).unwrap_err();

    assert!(matches!(err, JournalError::Io { doing: "remove", .. }), "{err}");
    assert!(second.exists() && !journal.holds_after(0));
    fs::remove_dir(&first).unwrap();
    fs::write(&first, b"back").unwrap();
    let released = journal.release(journal.head()).unwrap();
    assert!(released.n_segments > 1 && !first.exists() && !second.exists());
}

#[derive(Debug, Clone)]
enum Step {
    Say(u64),
    Seal,
    /// Up to this part of the history, in percent; never beyond what the stored state covers.
    Release(u64),
    /// What was said in call 1 goes.
    Rewrite,
    Chain,
    /// The state is stored.
    Checkpoint,
    Reopen,
}

fn redact(record: &Record) -> Option<Event> {
    without_words(record, 1)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..12_u64).prop_map(Step::Say),
        2 => Just(Step::Seal),
        3 => (0..120_u64).prop_map(Step::Release),
        1 => Just(Step::Rewrite),
        1 => Just(Step::Chain),
        2 => Just(Step::Checkpoint),
        2 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn what_is_promised_to_be_held_is_held(steps in steps()) {
        let dir = folder();
        let mut journal = open(dir.path());
        let mut model: Vec<String> = Vec::new();
        // What the keeper may release up to, and what was released up to.
        let (mut start, mut released) = (None, 0);

        for step in steps {
            match step {
                Step::Say(n_words) => {
                    let from = model.len() as u64;
                    say_words(&journal, from..from + n_words);
                    model.extend((from..from + n_words).map(|it| format!("word {it}")));
                }
                Step::Seal => {
                    let next = journal.seal().expect("the disk works");
                    prop_assert_eq!(next, journal.head() + 1);
                }
                Step::Release(percent) => {
                    let covered = start.as_ref().map_or(0, |it: &(State, Position)| it.1.seq);
                    let up_to = covered.min(journal.head() * percent / 100);
                    journal.release(up_to).expect("the disk works");
                    released = released.max(up_to);
                }
                Step::Rewrite => {
                    journal.seal().expect("the disk works");
                    journal.rewrite("a test", redact, |_, _| ()).expect("the disk works");
                    model.iter_mut().skip(1).step_by(3).for_each(|it| *it = GONE.to_owned());
                }
                Step::Chain => journal.keep_chain().expect("the disk works"),
                Step::Checkpoint => start = Some(stored(&journal)),
                Step::Reopen => {
                    drop(journal);
                    let opened = Journal::open(settings(dir.path()), start.clone());
                    journal = opened.expect("what the stored state needs is there").0;
                }
            }
            prop_assert!(journal.first_held() <= released + 1);
            prop_assert!(journal.holds_after(released));
            let first = journal.first_held();
            let held = records_after(&journal, first - 1, 7, 500);
            prop_assert_eq!(seqs(&held), (first..=journal.head()).collect::<Vec<_>>());
            let said = words(&held);
            prop_assert_eq!(&said[..], &model[model.len() - said.len()..]);
            prop_assert_eq!(journal.snapshot().seq(), journal.head());
            let report = chain::verify(&dir.path().join("journal"), |_, _| ());
            prop_assert_eq!(report.expect("it reads").problems, [""; 0]);
        }
    }
}
