//! Readers: every record once and in order, from memory or disk, whatever happens to the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use aurora::journal::{JournalError, Need};

use crate::support::{
    copy, folder, lines, open, records, records_after, say, say_words, segments, seqs, words,
};

#[test]
fn a_reader_gets_exactly_the_records_after_any_place() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);
    let head = journal.head();
    assert!(segments(dir.path()).len() > 5);

    let reopened = copy(dir.path());

    for journal in [journal, open(reopened.path())] {
        for after in 0..=head {
            for (limit, limit_bytes) in [(1, 1), (7, 500), (1_000, 1_000_000)] {
                let read = records_after(&journal, after, limit, limit_bytes);
                assert_eq!(seqs(&read), (after + 1..=head).collect::<Vec<_>>());
            }
        }
        assert!(records_after(&journal, head + 5, 7, 500).is_empty());
    }
}

#[test]
fn nothing_is_held_after_a_place_that_is_still_to_come() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..20);
    let head = journal.head();

    assert_eq!(journal.recent_after(head, 7), Some(Vec::new()));
    for beyond in [head + 1, head + 1_000, u64::MAX] {
        assert_eq!(journal.recent_after(beyond, 7), None);
        assert!(!journal.holds_after(beyond));
    }
}

#[test]
fn a_batch_is_bounded_in_records_and_bytes() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);

    assert_eq!(journal.read_after(0).next_batch(5, 1_000_000).unwrap().len(), 5);
    assert_eq!(journal.read_after(0).next_batch(1_000, 1).unwrap().len(), 1);
}

#[test]
fn a_reader_that_follows_misses_nothing_and_sees_only_what_is_written() {
    let dir = folder();
    let journal = open(dir.path());
    let n_words = 400;

    let followers: Vec<_> = [1, 3, 1_000]
        .into_iter()
        .map(|limit| {
            let journal = journal.clone();
            let dir = dir.path().to_owned();
            thread::spawn(move || {
                let bell = journal.bell();
                let mut reader = journal.read_after(0);
                let mut seen = Vec::new();
                loop {
                    let batch = reader.next_batch(limit, 2_000).unwrap();
                    let Some(last) = batch.last() else {
                        match bell.recv() {
                            Ok(()) => continue,
                            Err(_) => return seen,
                        }
                    };
                    assert!(last.seq <= journal.head() && journal.holds_after(last.seq));
                    if last.seq.is_multiple_of(50) {
                        let line = format!("{{\"seq\":{},", last.seq);
                        assert!(is_written(&dir, line.as_bytes()));
                    }
                    seen.extend(batch);
                }
            })
        })
        .collect();
    for word in (0..n_words).step_by(4) {
        let said: Vec<_> = (word..word + 4)
            .map(|it| say(&journal, Need::Answer, it % 5, format!("word {it}")))
            .collect();
        said.into_iter().for_each(|it| assert!(it.wait().unwrap().durable));
    }
    journal.close();

    for follower in followers {
        let seen = follower.join().unwrap();
        assert_eq!(seqs(&seen), (1..=journal.head()).collect::<Vec<_>>());
        assert_eq!(words(&seen).len() as u64, n_words);
    }
}

fn is_written(dir: &Path, start: &[u8]) -> bool {
    let is_segment = |it: &PathBuf| it.extension().is_some_and(|it| it == "jsonl");
    let entries = fs::read_dir(dir.join("journal")).unwrap().map(|it| it.unwrap().path());
    entries.filter(is_segment).any(|it| lines(&it).iter().any(|it| it.starts_with(start)))
}

#[test]
fn a_reader_hands_out_what_reads_and_stays_at_the_damage() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);
    let file = segments(dir.path())[1].clone();
    let mut damaged = lines(&file);
    let good = damaged[..3].len() as u64 - 1 + lines(&segments(dir.path())[0]).len() as u64 - 1;
    damaged[3][20] ^= 1;
    fs::write(&file, damaged.concat()).unwrap();

    let mut reader = journal.read_after(0);
    let mut seen = Vec::new();
    let err = loop {
        match reader.next_batch(1_000, 1_000_000) {
            Ok(batch) => seen.extend(batch),
            Err(err) => break err,
        }
    };

    assert_eq!(seqs(&seen), (1..=good).collect::<Vec<_>>());
    assert!(matches!(&err, JournalError::Corrupt { file: it, line: 4, .. } if *it == file));
    assert!(reader.next_batch(1, 1).is_err());
    assert_eq!(reader.position(), good);
}

#[test]
fn what_is_held_is_told_apart_from_what_is_not() {
    let dir = folder();
    let journal = open(dir.path());
    assert!(journal.holds_after(0) && !journal.holds_after(1));

    say_words(&journal, 0..10);

    let head = journal.head();
    assert!((0..=head).all(|it| journal.holds_after(it)));
    assert!(!journal.holds_after(head + 1));
    assert_eq!(records(&journal).len() as u64, head);
}
