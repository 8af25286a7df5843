//! A disk that takes no writes: callers are answered, nothing is shown that is not durable, and
//! what was kept is written once, in order, when the disk is back.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aurora::journal::{Committed, Journal, JournalError, Need, Settings};
use crossbeam_channel::Receiver;

use crate::support::{call, folder, open, records, say, say_words, seqs, settings, words};

/// Far longer than the first tries of a new segment take; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Every batch begins a segment, so that a folder which is away fails the next write.
fn open_with_a_segment_for_each_batch(dir: &Path) -> Arc<Journal> {
    let settings = Settings { segment_bytes: 1, ..settings(dir) };
    Journal::open(settings, None).unwrap().0
}

fn take_disk_away(dir: &Path) {
    fs::rename(dir.join("journal"), dir.join("away")).unwrap();
}

fn bring_disk_back(dir: &Path) {
    fs::rename(dir.join("away"), dir.join("journal")).unwrap();
}

/// Waits until more is shown. A ring for what was shown before may come late.
fn until_beyond(journal: &Journal, bell: &Receiver<()>, seq: u64) {
    while journal.head() <= seq {
        bell.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn while_the_disk_fails_answers_are_kept_and_changes_refused_and_then_all_is_written() {
    let dir = folder();
    let journal = open_with_a_segment_for_each_batch(dir.path());
    say_words(&journal, 0..5);
    let (head, state, bell) = (journal.head(), journal.snapshot(), journal.bell());
    let mut reader = journal.read_after(0);
    while !reader.next_batch(100, 10_000).unwrap().is_empty() {}

    take_disk_away(dir.path());
    for n_kept in 1..=4 {
        let kept = say(&journal, Need::Answer, 9, format!("kept {n_kept}")).wait().unwrap();
        // The next decision sees what is kept.
        assert_eq!((kept.value, kept.durable), (n_kept, false));
        let refused = say(&journal, Need::Durable, 9, "refused").wait();
        assert!(matches!(refused, Err(JournalError::Unwritable)));
        if n_kept == 1 {
            // Callers are woken before bells ring: this may be for the last batch on the disk.
            let _ = bell.try_recv();
        }
    }

    assert!(!journal.is_writable());
    assert_eq!(journal.stats().kept_records.load(Ordering::Relaxed), 5);
    assert_eq!((journal.head(), journal.snapshot()), (head, state));
    assert!(reader.next_batch(100, 10_000).unwrap().is_empty());
    assert!(bell.is_empty());

    bring_disk_back(dir.path());
    bell.recv_timeout(PATIENCE).unwrap();

    assert!(journal.is_writable());
    let done = say(&journal, Need::Durable, 9, "durable again").wait().unwrap();
    assert_eq!(done, Committed { value: 5, durable: true, seq: head + 6 });
    assert_eq!(journal.stats().kept_records.load(Ordering::Relaxed), 0);
    let all = records(&journal);
    assert_eq!(seqs(&all), (1..=head + 6).collect::<Vec<_>>());
    assert_eq!(words(&all)[5..], ["kept 1", "kept 2", "kept 3", "kept 4", "durable again"]);
    let state = journal.snapshot();
    drop((journal, reader));
    let journal = open(dir.path());
    assert_eq!((records(&journal), journal.snapshot()), (all, state));
}

#[test]
fn a_change_under_way_when_the_disk_fails_is_taken_back() {
    let dir = folder();
    let journal = open_with_a_segment_for_each_batch(dir.path());
    say_words(&journal, 0..1);
    let bell = journal.bell();

    take_disk_away(dir.path());
    // One batch: the first commit holds the thread until all are there.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let hold = journal.submit::<_, JournalError>(Need::Answer, move |_, _| {
        wait.recv().unwrap();
        Ok(())
    });
    let (refused, kept) = (
        say(&journal, Need::Durable, 1, "under way"),
        say(&journal, Need::Answer, 1, "and a caller"),
    );
    go.send(()).unwrap();

    hold.wait().unwrap();
    assert!(matches!(refused.wait(), Err(JournalError::Unwritable)));
    // What a caller says was not decided upon what was taken back.
    let kept = kept.wait().unwrap();
    assert_eq!((kept.value, kept.durable), (1, false));
    assert_eq!(words(&records(&journal)), ["word 0"]);
    bring_disk_back(dir.path());
    while !journal.is_writable() {
        bell.recv_timeout(PATIENCE).unwrap();
    }
    let done = say(&journal, Need::Durable, 1, "after").wait().unwrap();
    let all = records(&journal);
    assert_eq!(words(&all), ["word 0", "and a caller", "after"]);
    assert_eq!(seqs(&all), (1..=done.seq).collect::<Vec<_>>());
}

#[test]
fn what_is_kept_is_bounded_and_nothing_of_it_is_lost() {
    let dir = folder();
    let journal = open_with_a_segment_for_each_batch(dir.path());
    say_words(&journal, 0..1);
    let (head, bell) = (journal.head(), journal.bell());

    take_disk_away(dir.path());
    let long = "x".repeat(256 * 1024);
    let answers: Vec<_> =
        (0..100).map(|n| say(&journal, Need::Answer, 1, format!("{n} {long}")).wait()).collect();

    let n_kept = answers.iter().filter(|it| it.is_ok()).count();
    assert!((60..70).contains(&n_kept), "16 MiB hold {n_kept} quarters of a MiB");
    for answer in &answers[n_kept..] {
        assert!(matches!(answer, Err(JournalError::Unwritable)));
    }
    bring_disk_back(dir.path());
    until_beyond(&journal, &bell, head);
    let n_messages = journal.view(|it| it.call(call(1)).unwrap().messages.len());
    assert_eq!(n_messages, n_kept);
}

#[test]
fn a_clean_stop_tries_the_disk_once_more() {
    let dir = folder();
    let journal = open_with_a_segment_for_each_batch(dir.path());
    say_words(&journal, 0..1);
    take_disk_away(dir.path());
    assert!(!say(&journal, Need::Answer, 1, "kept").wait().unwrap().durable);

    bring_disk_back(dir.path());
    journal.close();

    drop(journal);
    assert_eq!(words(&records(&open(dir.path()))), ["word 0", "kept"]);
}

/// Whoever waits in vain knows which of two it is: it never happens, or it may.
#[test]
fn a_change_that_waits_too_long_is_withdrawn_unless_it_is_under_way() {
    let dir = folder();
    let journal = open(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begun, is_begun) = std::sync::mpsc::channel::<()>();
    let under_way = journal.submit::<_, JournalError>(Need::Durable, move |_, draft| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        draft.push(crate::support::started(1));
        Ok(())
    });
    is_begun.recv().unwrap();
    let in_the_queue = say(&journal, Need::Durable, 2, "never");

    let moment = Duration::from_millis(5);
    let withdrawn = runtime.block_on(in_the_queue.within(moment));
    let unknown = runtime.block_on(under_way.within(moment));
    go.send(()).unwrap();

    assert!(matches!(withdrawn, Err(JournalError::Unwritable)));
    assert!(matches!(unknown, Err(JournalError::Stalled)));
    say(&journal, Need::Durable, 3, "after").wait().unwrap();
    assert_eq!(words(&records(&journal)), ["after"]);
    journal.view(|state| assert!(state.call(call(1)).is_some() && state.call(call(2)).is_none()));
}
