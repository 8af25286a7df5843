//! The holes that a power cut leaves in the last write are no damage: a start mends them.

use std::fs;
use std::path::{Path, PathBuf};

use aurora::domain::{Event, JournalId, Position, Record, SyncStatus, Timestamp};
use aurora::journal::line::{read_record, write_record};
use aurora::readers::snapshot;
use tempfile::TempDir;

use crate::folders::{assert_good, held, is_put_aside, quarantined, repaired, start, verified};
use crate::support::{files, folder, lines, open, say_words, segments};

/// A journal whose last write of eight records has a hole, and that write.
fn power_cut() -> (TempDir, PathBuf, Vec<u8>) {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..20);
    let last = Record::clone(held(&journal).last().unwrap());
    drop(journal);
    let file = segments(dir.path()).pop().unwrap();
    let before = fs::read(&file).unwrap();
    let mut write = Vec::new();
    for n in 1..=8 {
        let at = Timestamp::from_millis(last.at.as_millis() + 5);
        write_record(&Record { seq: last.seq + n, at, ..last.clone() }, &mut write);
    }
    let start = before.len().next_multiple_of(512) - before.len();
    write[start..start + 512].fill(0);
    fs::write(&file, [before, write.clone()].concat()).unwrap();
    (dir, file, write)
}

fn n_readable(dir: &Path) -> u64 {
    open(crate::support::copy(dir).path()).head()
}

#[test]
fn they_are_told_and_left_to_the_start() {
    let (dir, file, write) = power_cut();
    let before = files(dir.path());

    let report = verified(dir.path());
    assert!(report.good, "{report}");
    let said = report.to_string();
    assert!(said.contains("a write with holes") && said.contains("a start cuts it"), "{said}");
    assert!(repaired(dir.path()).unwrap().contains("nothing to repair"));
    assert_eq!(files(dir.path()), before);

    drop(start(dir.path()).unwrap());
    assert!(write.ends_with(quarantined(dir.path()).values().next().unwrap()));
    assert!(!verified(dir.path()).to_string().contains("holes"));
    assert_good(dir.path());
    assert!(fs::read(&file).unwrap().len() < before[&file].len());
}

#[test]
fn beside_other_damage_they_are_still_left_to_the_start() {
    let (dir, _, _) = power_cut();
    let file = segments(dir.path()).remove(0);
    let mut all = lines(&file);
    let seq = read_record(all[2].trim_ascii_end()).unwrap().seq;
    all[2][40] ^= 1;
    fs::write(&file, all.concat()).unwrap();

    assert_eq!(verified(dir.path()).n_problems(), 1, "{}", verified(dir.path()));
    repaired(dir.path()).unwrap();

    assert_good(dir.path());
    assert_eq!(quarantined(dir.path()).len(), 1);
    let journal = start(dir.path()).unwrap();
    assert_eq!(quarantined(dir.path()).len(), 2);
    let lost = held(&journal).into_iter().filter(|it| it.event == Event::RecordLost);
    assert_eq!(lost.map(|it| it.seq).collect::<Vec<_>>(), [seq]);
}

#[test]
fn a_hole_in_what_somebody_has_read_is_damage() {
    let (dir, _, write) = power_cut();
    let (id, head) = (JournalId::from_bits(7), n_readable(dir.path()));
    let mut state = open(crate::support::copy(dir.path()).path()).snapshot();
    // `total.json` knows one more.
    let next = write.split(|it| *it == b'\n').filter_map(|it| read_record(it).ok()).next_back();
    let next = Record { seq: head + 1, ..next.unwrap() };
    state.apply(&next);
    let position = Position { journal: id, seq: head + 1 };
    snapshot::save(dir.path(), &state, position, &|_| SyncStatus::PendingSync).unwrap();

    assert!(start(dir.path()).is_err());
    assert!(!verified(dir.path()).good);
    repaired(dir.path()).unwrap();

    assert_good(dir.path());
    assert_eq!(held(&start(dir.path()).unwrap())[head as usize].event, Event::RecordLost);
    assert!(is_put_aside(dir.path(), &[0; 512]));
}
