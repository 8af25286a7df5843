//! Each kind of damage to the journal: verify names it, repair mends it, the rest is kept.

use std::fs;
use std::path::Path;

use aurora::care::CareError;
use aurora::domain::{Event, JournalId, Position, Seq};
use aurora::journal::line::{FORMAT, Header, read_header, read_record, write_header};
use aurora::journal::{JournalError, chain};
use aurora::readers::snapshot;
use tempfile::TempDir;

use crate::folders::{assert_good, held, is_put_aside, quarantined, repaired, start, verified};
use crate::support::{copy, files, folder, lines, open, say_words, segments};

/// A journal of four segments and their chain.
pub fn four_segments() -> TempDir {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..32);
    journal.keep_chain().unwrap();
    drop(journal);
    assert_eq!(segments(dir.path()).len(), 4);
    dir
}

fn n_records(dir: &Path) -> u64 {
    open(copy(dir).path()).head()
}

/// The records that are placeholders now.
fn lost(dir: &Path) -> Vec<Seq> {
    let journal = start(dir).unwrap();
    let held = held(&journal);
    held.iter().filter(|it| it.event == Event::RecordLost).map(|it| it.seq).collect()
}

/// What verify says of the first problem: file, line.
fn names(dir: &Path, file: &Path, line: Option<u64>) {
    let report = verified(dir);
    let named = |it: &aurora::care::verify::Problem| it.file == file && it.line == line;
    assert!(report.problems().any(named), "{report}");
    assert!(!report.to_string().contains("word 1"), "not a caller's words: {report}");
}

#[test]
fn a_whole_folder_is_good_and_stays_as_it_is() {
    let dir = four_segments();
    let before = files(dir.path());

    assert_good(dir.path());
    let said = repaired(dir.path()).unwrap();

    assert!(said.contains("nothing to repair"), "{said}");
    assert_eq!(files(dir.path()), before);
    assert!(quarantined(dir.path()).is_empty());
}

#[test]
fn a_changed_byte_costs_one_record_and_no_other() {
    for segment in 0..4 {
        let dir = four_segments();
        let file = segments(dir.path())[segment].clone();
        let mut all = lines(&file);
        let seq = read_record(all[2].trim_ascii_end()).unwrap().seq;
        all[2][40] ^= 1;
        fs::write(&file, all.concat()).unwrap();

        names(dir.path(), &file, Some(3));
        repaired(dir.path()).unwrap();

        assert_good(dir.path());
        assert_eq!(lost(dir.path()), [seq]);
        assert!(is_put_aside(dir.path(), &all[2]));
        let kept = quarantined(dir.path());
        assert_eq!(kept.len(), 1, "its text apart: {kept:?}");
        let (path, bytes) = kept.first_key_value().unwrap();
        assert_eq!(bytes, &all[2]);
        let note = fs::read_to_string(format!("{}.txt", path.display())).unwrap();
        assert!(note.contains(&file.display().to_string()) && note.contains("line 3"), "{note}");
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        // Only the line is another one.
        let now = lines(&file);
        assert_eq!((&now[1], &now[3..]), (&all[1], &all[3..]));
    }
}

#[test]
fn a_damaged_header_is_made_anew() {
    for segment in 0..4 {
        let dir = four_segments();
        let file = segments(dir.path())[segment].clone();
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[12] ^= 4;
        fs::write(&file, bad).unwrap();

        names(dir.path(), &file, Some(1));
        repaired(dir.path()).unwrap();

        assert_good(dir.path());
        assert_eq!(fs::read(&file).unwrap(), good);
    }
}

#[test]
fn a_segment_that_is_missing_is_filled() {
    for segment in [1, 2] {
        let dir = four_segments();
        let head = n_records(dir.path());
        let file = segments(dir.path())[segment].clone();
        let gone: Vec<_> = lines(&file)[1..]
            .iter()
            .map(|it| read_record(it.trim_ascii_end()).unwrap().seq)
            .collect();
        fs::remove_file(&file).unwrap();

        assert!(!verified(dir.path()).good);
        repaired(dir.path()).unwrap();

        assert_good(dir.path());
        assert_eq!(lost(dir.path()), gone);
        assert_eq!(start(dir.path()).unwrap().head(), head);
    }
}

#[test]
fn the_last_segments_that_are_missing_leave_their_numbers_to_nobody() {
    let dir = four_segments();
    let (id, head, state) = {
        let journal = open(dir.path());
        (journal.id(), journal.head(), journal.snapshot())
    };
    let position = Position { journal: id, seq: head };
    let pending = |_: &_| aurora::domain::SyncStatus::PendingSync;
    snapshot::save(dir.path(), &state, position, &pending).unwrap();
    for file in &segments(dir.path())[2..] {
        fs::remove_file(file).unwrap();
    }
    assert!(start(dir.path()).is_err());

    repaired(dir.path()).unwrap();

    assert_good(dir.path());
    let journal = start(dir.path()).unwrap();
    // What total.json knew is still known.
    assert_eq!((journal.head(), journal.snapshot()), (head, state));
}

#[test]
fn the_first_segments_that_are_missing_are_said() {
    let dir = four_segments();
    let file = segments(dir.path())[0].clone();
    let first = read_header(lines(&segments(dir.path())[1])[0].trim_ascii_end()).unwrap().first_seq;
    fs::remove_file(file).unwrap();
    assert!(start(dir.path()).is_err());

    let said = repaired(dir.path()).unwrap();

    assert!(said.contains("total.json is made anew") && said.contains("3 are known"), "{said}");
    assert_good(dir.path());
    let journal = start(dir.path()).unwrap();
    assert_eq!(held(&journal)[0].seq, first);
}

#[test]
fn copies_and_changed_names_find_their_places() {
    let whole = four_segments();
    let all = held(&open(copy(whole.path()).path()));
    let at = |dir: &Path, n: u32| dir.join(format!("journal/{n:08}.jsonl"));

    let swapped = copy(whole.path());
    fs::rename(at(swapped.path(), 2), at(swapped.path(), 9)).unwrap();
    fs::rename(at(swapped.path(), 3), at(swapped.path(), 2)).unwrap();
    fs::rename(at(swapped.path(), 9), at(swapped.path(), 3)).unwrap();
    let copied = copy(whole.path());
    fs::copy(at(copied.path(), 2), at(copied.path(), 7)).unwrap();
    let other = copy(whole.path());
    let mut lines = lines(&at(other.path(), 4));
    lines[0].clear();
    write_header(&Header::new(JournalId::from_bits(99), 1), &mut lines[0]);
    let foreign = lines.concat();
    fs::write(at(other.path(), 9), &foreign).unwrap();

    for dir in [&swapped, &copied, &other] {
        assert!(!verified(dir.path()).good);
        repaired(dir.path()).unwrap();
        assert_good(dir.path());
        assert_eq!(held(&start(dir.path()).unwrap()), all);
    }
    assert!(is_put_aside(other.path(), &foreign));
}

#[test]
fn a_chain_that_does_not_read_begins_anew_and_says_so() {
    let dir = four_segments();
    let path = dir.path().join("journal").join(chain::FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();

    assert!(verified(dir.path()).problems().any(|it| it.file == path));
    repaired(dir.path()).unwrap();

    assert_good(dir.path());
    assert!(is_put_aside(dir.path(), &bytes));
    assert!(verified(dir.path()).to_string().contains("begins anew: by a repair"));
}

#[test]
fn what_somebody_changed_on_purpose_stays_told() {
    let dir = four_segments();
    let file = segments(dir.path())[1].clone();
    let mut all = lines(&file);
    let mut record = read_record(all[2].trim_ascii_end()).unwrap();
    let Event::MessageAdded(it) = &mut record.event else { panic!("words") };
    std::sync::Arc::make_mut(&mut it.message).content = "never said".into();
    all[2].clear();
    aurora::journal::line::write_record(&record, &mut all[2]);
    fs::write(&file, all.concat()).unwrap();
    let before = files(dir.path());

    let done = repaired(dir.path());

    assert!(matches!(done, Err(CareError::Problems { n_problems: 1 })), "{done:?}");
    assert!(verified(dir.path()).to_string().contains("was changed since it was sealed"));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn what_a_newer_aurora_wrote_is_refused_and_stays() {
    let (format, record) = (four_segments(), four_segments());
    let file = segments(format.path())[1].clone();
    let mut all = lines(&file);
    let header = read_header(all[0].trim_ascii_end()).unwrap();
    all[0].clear();
    write_header(&Header { format: FORMAT + 1, ..header }, &mut all[0]);
    fs::write(&file, all.concat()).unwrap();
    let file = segments(record.path())[1].clone();
    let mut all = lines(&file);
    let body = String::from_utf8(all[2].clone()).unwrap();
    let body = body[..body.len() - 19].replace("message_added", "message_sung");
    all[2] = format!("{body},\"crc\":\"{:08x}\"}}\n", crc32c::crc32c(body.as_bytes())).into_bytes();
    fs::write(&file, all.concat()).unwrap();

    for dir in [&format, &record] {
        let before = files(dir.path());
        assert!(!verified(dir.path()).good);
        let err = repaired(dir.path()).unwrap_err();
        let is_refused = matches!(
            err,
            CareError::Journal(JournalError::NewerFormat { .. } | JournalError::Foreign { .. })
        );
        assert!(is_refused && err.to_string().contains("start a newer one"), "{err}");
        assert_eq!(files(dir.path()), before);
    }
}
