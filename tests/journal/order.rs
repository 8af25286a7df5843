//! One order: commits from everywhere, decided one after the other, share their syncs.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use aurora::domain::{Event, State};
use aurora::journal::{Draft, JournalError, Need, Settings};
use crossbeam_channel::TryRecvError;

use crate::support::{
    call, files, folder, open, records, said, say, say_words, seqs, settings, started, try_open,
    words,
};

/// Far longer than anything takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn commits_of_64_threads_get_one_order_without_gaps() {
    let dir = folder();
    let journal = open(dir.path());

    thread::scope(|scope| {
        for n in 0..64 {
            let journal = &journal;
            scope.spawn(move || {
                for word in 0..20 {
                    let done =
                        say(journal, Need::Durable, n, format!("{n} {word}")).wait().unwrap();
                    assert!(done.durable && done.seq <= journal.head());
                    assert_eq!(done.value, word + 1);
                    assert!(journal.view(|it| it.call(call(n)).unwrap().messages.len()) > word);
                }
            });
        }
    });

    let all = records(&journal);
    assert_eq!(seqs(&all), (1..=64 * 21).collect::<Vec<_>>());
    assert!(all.is_sorted_by_key(|it| it.at));
    for n in 0..64 {
        let of_call: Vec<_> =
            all.iter().filter(|it| it.event.call_id() == Some(call(n))).cloned().collect();
        assert!(matches!(of_call[0].event, Event::CallStarted(_)));
        let own: Vec<_> = (0..20).map(|word| format!("{n} {word}")).collect();
        assert_eq!(words(&of_call), own);
    }
    let stats = journal.stats();
    let (n_records, n_syncs) =
        (stats.records.load(Ordering::Relaxed), stats.syncs.load(Ordering::Relaxed));
    assert_eq!(n_records, 64 * 21);
    assert!(n_records / n_syncs > 1, "{n_records} records in {n_syncs} syncs");
}

#[test]
fn one_sync_serves_all_that_wait() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..3);
    let before = journal.stats().syncs.load(Ordering::Relaxed);
    let (go, wait) = mpsc::channel::<()>();

    // A caller's commit is decided while others are still gathered: these wait behind it.
    let first = journal.submit::<_, JournalError>(Need::Answer, move |_, _| {
        wait.recv().unwrap();
        Ok(())
    });
    let rest: Vec<_> = (0..100).map(|n| say(&journal, Need::Durable, 1, n.to_string())).collect();
    go.send(()).unwrap();

    first.wait().unwrap();
    let ends: BTreeSet<_> = rest.into_iter().map(|it| it.wait().unwrap().seq).collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(journal.stats().syncs.load(Ordering::Relaxed) - before, 1);
}

#[test]
fn two_deciders_cannot_both_open_the_same_call() {
    fn open_once(state: &State, draft: &mut Draft<'_>, n: u64) -> Result<bool, JournalError> {
        let is_first = state.open_by_caller(&format!("+1555{n:04}")).is_none();
        if is_first {
            draft.push(started(n));
        }
        Ok(is_first)
    }
    let dir = folder();
    let journal = open(dir.path());

    for n in 0..20 {
        let opened = thread::scope(|scope| {
            let deciders: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let pending = journal.submit(Need::Durable, move |s, d| open_once(s, d, n));
                        pending.wait().unwrap().value
                    })
                })
                .collect();
            deciders.into_iter().map(|it| it.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(opened.into_iter().filter(|it| *it).count(), 1);
    }

    assert_eq!(journal.head(), 20);
}

#[test]
fn a_refused_decision_writes_nothing() {
    #[derive(Debug, PartialEq)]
    struct Refused;
    impl From<JournalError> for Refused {
        fn from(_: JournalError) -> Self {
            Self
        }
    }
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..4);
    let before = (files(dir.path()), journal.snapshot());

    let refused = journal.submit(Need::Durable, |state, draft| {
        draft.push(said(state, 1, "never said"));
        Err::<(), _>(Refused)
    });

    assert_eq!(refused.wait(), Err(Refused));
    assert_eq!((files(dir.path()), journal.snapshot()), before);
    say_words(&journal, 4..5);
    assert_eq!(words(&records(&journal)).len(), 5);
}

#[test]
fn a_decision_that_panics_is_reported_and_the_journal_goes_on() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..4);

    let panicked = journal.submit::<(), JournalError>(Need::Answer, |state, draft| {
        draft.push(said(state, 1, "never said"));
        panic!("a defect, on purpose");
    });

    assert!(matches!(panicked.wait(), Err(JournalError::Panicked)));
    say_words(&journal, 4..5);
    assert_eq!(words(&records(&journal)), ["word 0", "word 1", "word 2", "word 3", "word 4"]);
    assert!(journal.is_writable());
}

#[test]
fn a_change_happens_though_nobody_waits_for_it() {
    let dir = folder();
    let journal = open(dir.path());

    drop(say(&journal, Need::Answer, 1, "the caller hung up"));
    journal.close();

    assert_eq!(words(&records(&open_again(dir.path(), journal))), ["the caller hung up"]);
}

#[test]
fn a_folder_in_use_is_locked_for_a_second_handle() {
    let dir = folder();
    let journal = open(dir.path());

    let second = try_open(dir.path());

    assert!(matches!(second, Err(JournalError::Locked { .. })));
    drop(journal);
    try_open(dir.path()).unwrap();
}

#[test]
fn a_closed_journal_refuses_and_reopens_as_it_was() {
    let dir = folder();
    let journal = open(dir.path());
    let bell = journal.bell();
    say_words(&journal, 0..30);
    let (id, state, all) = (journal.id(), journal.snapshot(), records(&journal));

    journal.close();

    let refused = say(&journal, Need::Answer, 1, "too late").wait();
    assert!(matches!(refused, Err(JournalError::Closed)));
    assert_eq!(bell.try_recv(), Ok(()));
    assert_eq!(bell.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(journal.bell().try_recv(), Err(TryRecvError::Disconnected));
    let before = files(dir.path());
    let journal = open_again(dir.path(), journal);
    assert_eq!((journal.id(), journal.snapshot(), records(&journal)), (id, state, all));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn whoever_commits_while_it_closes_is_told_how_it_went() {
    for _ in 0..5 {
        let dir = folder();
        let journal = open(dir.path());
        let closing = {
            let journal = journal.clone();
            thread::spawn(move || journal.close())
        };

        // Some come before the close, some wait behind it, some come too late.
        let mut pending = Vec::new();
        while !closing.is_finished() || pending.is_empty() {
            pending.push(say(&journal, Need::Answer, 1, "now"));
        }

        let n_pending = pending.len();
        let (told, tell) = mpsc::channel();
        thread::spawn(move || {
            pending.into_iter().for_each(|it| told.send(it.wait()).unwrap());
        });
        let answers: Vec<_> =
            (0..n_pending).map(|_| tell.recv_timeout(PATIENCE).expect("an answer")).collect();
        closing.join().unwrap();
        let n_made = answers.iter().filter(|it| it.is_ok()).count();
        let n_refused = answers.iter().filter(|it| matches!(it, Err(JournalError::Closed)));
        let n_busy = answers.iter().filter(|it| matches!(it, Err(JournalError::Busy)));
        let counts = (n_made, n_refused.count(), n_busy.count());
        assert_eq!(n_made + counts.1 + counts.2, n_pending, "{counts:?}");
        drop(journal);
        assert_eq!(words(&records(&open(dir.path()))).len(), n_made);
    }
}

#[test]
fn two_new_journals_have_two_names() {
    let ids = [folder(), folder()].map(|dir| {
        let defaults = Settings::default();
        let settings = Settings { new_id_bits: defaults.new_id_bits, ..settings(dir.path()) };
        aurora::journal::Journal::open(settings, None).unwrap().0.id()
    });

    assert_ne!(ids[0], ids[1]);
}

fn open_again(
    dir: &std::path::Path,
    journal: std::sync::Arc<aurora::journal::Journal>,
) -> std::sync::Arc<aurora::journal::Journal> {
    drop(journal);
    open(dir)
}
