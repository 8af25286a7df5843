//! Random lives of a journal against the simplest model of one: a list of words.

use std::fs;

use aurora::journal::{JournalError, Need};
use proptest::prelude::*;

use crate::support::{
    call, folder, lines, open, records, said, say_words, segments, seqs, started, words,
};

#[derive(Debug, Clone)]
enum Step {
    /// A change of so many messages; refused or made.
    Commit {
        n_messages: usize,
        is_refused: bool,
    },
    /// Several under way at once.
    Burst(usize),
    Reopen,
    /// A stop, and the last segment loses so many bytes of its last lines.
    Cut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..5_usize, prop::bool::weighted(0.2))
            .prop_map(|(n_messages, is_refused)| Step::Commit { n_messages, is_refused }),
        2 => (1..12_usize).prop_map(Step::Burst),
        2 => Just(Step::Reopen),
        2 => (1..700_usize).prop_map(Step::Cut),
    ];
    proptest::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_journal_is_a_list_that_loses_only_what_is_cut_off(steps in steps()) {
        let dir = folder();
        let mut journal = open(dir.path());
        journal.submit::<_, JournalError>(Need::Durable, |_, draft| {
            draft.push(started(1));
            Ok(())
        }).wait().expect("the first call starts");
        // What is on disk after the record that starts the call.
        let mut model: Vec<String> = Vec::new();

        for (place, step) in steps.into_iter().enumerate() {
            match step {
                Step::Commit { n_messages, is_refused } => {
                    let texts: Vec<_> =
                        (0..n_messages).map(|n| format!("{place} {n} {}", "y".repeat(n * 40))).collect();
                    let saying = texts.clone();
                    let made = journal.submit::<_, JournalError>(Need::Durable, move |state, draft| {
                        for text in saying {
                            draft.push(said(state, 1, &text));
                        }
                        if is_refused { Err(JournalError::Busy) } else { Ok(()) }
                    });
                    prop_assert_eq!(made.wait().is_err(), is_refused);
                    if !is_refused {
                        model.extend(texts);
                    }
                }
                Step::Burst(n_commits) => {
                    let texts: Vec<_> = (0..n_commits).map(|n| format!("{place} {n}")).collect();
                    let pending: Vec<_> = texts.iter().cloned().map(|text| {
                        journal.submit::<_, JournalError>(Need::Answer, move |state, draft| {
                            draft.push(said(state, 1, &text));
                            Ok(())
                        })
                    }).collect();
                    for it in pending {
                        prop_assert!(it.wait().expect("the disk works").durable);
                    }
                    model.extend(texts);
                }
                Step::Reopen => {
                    drop(journal);
                    journal = open(dir.path());
                }
                Step::Cut(n_bytes) => {
                    drop(journal);
                    cut(segments(dir.path()).last().expect("there is one"), n_bytes);
                    let n_lines: usize = segments(dir.path()).iter().map(|it| n_records(it)).sum();
                    model.truncate(n_lines - 1);
                    journal = open(dir.path());
                }
            }
            let all = records(&journal);
            prop_assert_eq!(words(&all), model.clone());
            prop_assert_eq!(seqs(&all), (1..=model.len() as u64 + 1).collect::<Vec<_>>());
            prop_assert_eq!(journal.head(), model.len() as u64 + 1);
            let kept = journal.view(|it| it.call(call(1)).map(|it| it.messages.len()));
            prop_assert_eq!(kept, Some(model.len()));
        }
        say_words(&journal, [3]);
    }
}

/// Leaves the header, and in the first segment the record that starts the call.
fn cut(file: &std::path::Path, n_bytes: usize) {
    let bytes = fs::read(file).unwrap();
    let is_first = file.ends_with("00000001.jsonl");
    let least: usize = lines(file).iter().take(1 + usize::from(is_first)).map(Vec::len).sum();
    fs::write(file, &bytes[..bytes.len().saturating_sub(n_bytes).max(least)]).unwrap();
}

/// Whole lines without the header.
fn n_records(file: &std::path::Path) -> usize {
    fs::read(file).unwrap().iter().filter(|it| **it == b'\n').count() - 1
}
