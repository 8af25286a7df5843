//! Holes that a power cut leaves in the last write are cut and kept beside; all others are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora::domain::{JournalId, Position, Record, Timestamp};
use aurora::journal::line::write_record;
use aurora::journal::{Journal, JournalError, Settings};
use tempfile::TempDir;

use crate::support::{folder, open, records, say_words, segments, settings, try_open, words};

/// A journal in one segment, and all that it holds.
fn one_segment() -> (TempDir, PathBuf, Vec<Arc<Record>>) {
    let dir = folder();
    let large = Settings { segment_bytes: 1 << 20, ..settings(dir.path()) };
    let journal = Journal::open(large, None).unwrap().0;
    say_words(&journal, 0..5);
    let all = records(&journal);
    drop(journal);
    let file = segments(dir.path()).remove(0);
    (dir, file, all)
}

/// So many more records behind the last one, `at_ms` later.
fn batch(after: &Record, n: u64, later_ms: i64) -> Vec<u8> {
    let at_ms = after.at.as_millis() + later_ms;
    let mut lines = Vec::new();
    for seq in after.seq + 1..=after.seq + n {
        let at = Timestamp::from_millis(at_ms);
        write_record(&Record { seq, at, ..after.clone() }, &mut lines);
    }
    lines
}

/// Zeroes the first whole block of `write` if it is put behind `before`.
fn with_a_hole(before: &[u8], mut write: Vec<u8>) -> Vec<u8> {
    let start = before.len().next_multiple_of(512) - before.len();
    write[start..start + 512].fill(0);
    write
}

#[test]
fn holes_in_the_last_write_are_cut_and_kept_beside() {
    let (dir, file, all) = one_segment();
    let before = fs::read(&file).unwrap();
    let write = with_a_hole(&before, batch(&all[all.len() - 1], 8, 5));
    fs::write(&file, [before.clone(), write.clone()].concat()).unwrap();

    let journal = try_open(dir.path()).unwrap();

    // Whole lines before the hole may stay: they were written, and nobody was told.
    let found = records(&journal);
    assert_eq!(found[..all.len()], all);
    let size = fs::metadata(&file).unwrap().len() as usize;
    let [(kept, bytes)] = quarantined(dir.path()).try_into().unwrap();
    assert_eq!(bytes, write[size - before.len()..]);
    assert!(kept.to_str().unwrap().ends_with("-00000001.jsonl"));
    let note = fs::read_to_string(format!("{}.txt", kept.display())).unwrap();
    assert!(note.contains(&format!("there from byte {size}, line ")), "{note}");
    say_words(&journal, 100..101);
    drop(journal);
    let again = records(&open(dir.path()));
    assert_eq!(words(&again[found.len()..]), ["word 100"]);
}

#[test]
fn the_same_holes_twice_are_kept_twice() {
    let (dir, file, all) = one_segment();
    let before = fs::read(&file).unwrap();
    for n in 2..4 {
        let write = with_a_hole(&before, batch(&all[all.len() - 1], 8, n));
        fs::write(&file, [before.clone(), write].concat()).unwrap();
        drop(try_open(dir.path()).unwrap());
        fs::write(&file, &before).unwrap();
    }

    assert_eq!(quarantined(dir.path()).len(), 2);
}

#[test]
fn a_start_that_was_interrupted_keeps_them_once() {
    let (dir, file, all) = one_segment();
    let before = fs::read(&file).unwrap();
    let write = with_a_hole(&before, batch(&all[all.len() - 1], 8, 5));
    for _ in 0..2 {
        // As it was before the cut.
        fs::write(&file, [before.clone(), write.clone()].concat()).unwrap();
        drop(try_open(dir.path()).unwrap());
    }

    assert_eq!(quarantined(dir.path()).len(), 1);
}

/// What was put aside, without the texts beside.
fn quarantined(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = fs::read_dir(dir.join("quarantine")).unwrap().map(|it| it.unwrap().path());
    let paths = paths.filter(|it| it.extension().is_none_or(|it| it != "txt"));
    paths.map(|it| (it.clone(), fs::read(it).unwrap())).collect()
}

/// Puts `write` behind the good lines; it has to be refused, and everything has to stay.
fn refuses(write: impl FnOnce(&[u8], &Record) -> Vec<u8>, handed_out: Option<u64>) {
    let (dir, file, all) = one_segment();
    let before = fs::read(&file).unwrap();
    let write = write(&before, &all[all.len() - 1]);
    let bytes = [before, write].concat();
    fs::write(&file, &bytes).unwrap();
    let id = JournalId::from_bits(7);
    let handed_out = handed_out.map(|it| Position { journal: id, seq: all.len() as u64 + it });

    let handed_out = handed_out.into_iter().collect();
    let opened = Journal::open(Settings { handed_out, ..settings(dir.path()) }, None);

    let err = opened.expect_err("it is refused");
    assert!(matches!(err, JournalError::Corrupt { .. }), "{err}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert!(!dir.path().join("quarantine").exists());
}

#[test]
fn damage_that_no_power_cut_explains_is_refused() {
    // A batch that was begun only when the one with the hole was synced.
    refuses(
        |before, last| {
            let write = with_a_hole(before, batch(last, 8, 5));
            let newer = batch(&Record { seq: last.seq + 8, ..last.clone() }, 1, 6);
            [write, newer].concat()
        },
        None,
    );
    // Not from border to border of a block.
    refuses(
        |before, last| {
            let mut write = batch(last, 8, 5);
            let start = before.len().next_multiple_of(512) - before.len();
            write[start + 1..start + 512].fill(0);
            write
        },
        None,
    );
    // A line that is damaged by something else as well.
    refuses(
        |before, last| {
            let mut write = with_a_hole(before, batch(last, 8, 5));
            let n = write.len();
            write[n - 40] ^= 1;
            write
        },
        None,
    );
    // Lines of other places.
    refuses(
        |before, last| {
            let write = with_a_hole(before, batch(last, 8, 5));
            [write, batch(&Record { seq: last.seq - 2, ..last.clone() }, 1, 5)].concat()
        },
        None,
    );
    // Somebody was handed it: it was synced.
    refuses(|before, last| with_a_hole(before, batch(last, 8, 5)), Some(8));
}

#[test]
fn holes_at_the_very_end_are_a_torn_line() {
    let (dir, file, all) = one_segment();
    let before = fs::read(&file).unwrap();
    fs::write(&file, [before.clone(), vec![0; 3_000]].concat()).unwrap();

    assert_eq!(records(&try_open(dir.path()).unwrap()), all);

    assert_eq!(fs::read(&file).unwrap(), before);
}
