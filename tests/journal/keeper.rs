//! The keeper: what one reader still needs stays for all, and what nobody needs goes by itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aurora::journal::{Journal, chain};
use aurora::readers::keeper::{Floor, follow, keep};

use crate::support::{folder, open, records_after, say_words, segments, seqs};

/// Far longer than anything takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn at(seq: &Arc<AtomicU64>) -> Floor {
    let seq = Arc::clone(seq);
    Box::new(move || Some(seq.load(Ordering::Acquire)))
}

fn until(what: impl Fn() -> bool) {
    let since = Instant::now();
    while !what() {
        assert!(since.elapsed() < PATIENCE, "it does not come");
        thread::yield_now();
    }
}

fn spoken(dir: &Path) -> Arc<Journal> {
    let journal = open(dir);
    say_words(&journal, 0..60);
    journal
}

#[test]
fn a_reader_a_day_behind_finds_everything_and_then_lets_go() {
    let dir = folder();
    let journal = spoken(dir.path());
    let (checkpoint, mirror) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let floors = [at(&checkpoint), at(&mirror), Box::new(|| None)];
    let n_segments = segments(dir.path()).len();
    let mut slow = journal.read_after(0);

    checkpoint.store(journal.head(), Ordering::Release);
    assert_eq!(keep(&journal, &floors).unwrap().n_segments, 0);
    assert_eq!(segments(dir.path()).len(), n_segments);

    while slow.position() < journal.head() {
        slow.next_batch(5, 500).unwrap();
        mirror.store(slow.position(), Ordering::Release);
        keep(&journal, &floors).unwrap();
        // What it has not read is there, whatever was removed.
        let rest = records_after(&journal, slow.position(), 50, 5_000);
        assert_eq!(seqs(&rest), (slow.position() + 1..=journal.head()).collect::<Vec<_>>());
    }

    assert_eq!(segments(dir.path()).len(), 1);
}

#[test]
fn without_a_floor_that_counts_nothing_goes_and_the_chain_is_kept_all_the_same() {
    let dir = folder();
    let journal = spoken(dir.path());
    let n_segments = segments(dir.path()).len();

    for floors in
        [Vec::new(), vec![Box::new(|| None) as Floor], vec![Box::new(|| Some(0_u64)) as Floor]]
    {
        assert_eq!(keep(&journal, &floors).unwrap().n_segments, 0);
    }

    assert_eq!(segments(dir.path()).len(), n_segments);
    let report = chain::verify(&dir.path().join("journal"), |_, _| ()).unwrap();
    assert_eq!((report.n_compared, report.problems), (n_segments - 1, Vec::new()));
}

#[test]
fn its_thread_wakes_with_the_journal_and_ends_with_it() {
    let dir = folder();
    let journal = open(dir.path());
    let floor = Arc::new(AtomicU64::new(0));
    let (_ending, end) = crossbeam_channel::bounded(0);
    let keeper = {
        let (journal, bell, floors) = (Arc::clone(&journal), journal.bell(), vec![at(&floor)]);
        let end = end.clone();
        thread::spawn(move || follow(&journal, &bell, &end, &floors, Duration::from_millis(1)))
    };

    say_words(&journal, 0..60);
    assert_eq!(journal.first_held(), 1);
    floor.store(journal.head(), Ordering::Release);
    say_words(&journal, 60..61);

    until(|| journal.segments().is_ok_and(|it| it.len() == 1));
    journal.close();
    keeper.join().unwrap();
    assert_eq!(segments(dir.path()).len(), 1);
}
