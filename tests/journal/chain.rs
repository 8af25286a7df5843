//! The hash chain: each head can be computed by hand, a crash leaves no trace in it, and whatever
//! is changed behind its back shows.

use std::fs;
use std::path::{Path, PathBuf};

use aurora::domain::{Event, Record};
use aurora::journal::chain::{self, Report};
use aurora::journal::line::{read_record, write_record};
use aurora::journal::{Journal, JournalError, Settings};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{copy, folder, lines, open, say_words, segments, settings, without_words};

fn file(dir: &Path) -> PathBuf {
    dir.join("journal").join(chain::FILE)
}

fn verify(dir: &Path) -> Report {
    chain::verify(&dir.join("journal"), |_, _| ()).unwrap()
}

/// The lines of the chain.
fn links(dir: &Path) -> Vec<Value> {
    lines(&file(dir)).iter().map(|it| serde_json::from_slice(it).unwrap()).collect()
}

/// As the format's description tells: over the head before and the hash of the records' lines.
fn next_head(head: &str, segment: &Path) -> (String, String) {
    let sha = Sha256::digest(lines(segment)[1..].concat());
    let both = [hex_bytes(head), sha.to_vec()].concat();
    (hex(&sha), hex(&Sha256::digest(both)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

fn hex_bytes(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|it| u8::from_str_radix(&text[it * 2..it * 2 + 2], 16).unwrap())
        .collect()
}

fn genesis() -> String {
    "0".repeat(64)
}

/// A chain of some segments, and one that is written to.
fn chained() -> tempfile::TempDir {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);
    journal.keep_chain().unwrap();
    dir
}

/// The same words after a change that went through no journal.
fn forge(segment: &Path, line: usize) {
    let mut lines = lines(segment);
    let mut record = read_record(lines[line].trim_ascii_end()).unwrap();
    record.node = "forged".into();
    lines[line].clear();
    write_record(&record, &mut lines[line]);
    fs::write(segment, lines.concat()).unwrap();
}

fn redact(record: &Record) -> Option<Event> {
    without_words(record, 1)
}

#[test]
fn every_sealed_segment_has_a_line_whose_head_can_be_computed_by_hand() {
    let dir = chained();
    let segments = segments(dir.path());

    let links = links(dir.path());

    assert!(links.len() > 4);
    assert_eq!(links.len(), segments.len() - 1);
    let (mut head, mut expected) = (genesis(), 1);
    for (place, link) in links.iter().enumerate() {
        let n_records = lines(&segments[place]).len() as u64 - 1;
        let (sha256, next) = next_head(&head, &segments[place]);
        assert_eq!((&link["sha256"], &link["head"]), (&sha256.into(), &next.clone().into()));
        assert_eq!(link["segment"], place as u64 + 1);
        assert_eq!(
            (&link["first_seq"], &link["last_seq"]),
            (&expected.into(), &(expected + n_records - 1).into())
        );
        (head, expected) = (next, expected + n_records);
    }
    let report = verify(dir.path());
    assert_eq!(report.problems, [""; 0]);
    assert_eq!(
        (report.n_lines, report.n_compared, report.n_removed),
        (links.len() as u64, links.len(), 0)
    );
    assert_eq!(report.sealed_head.to_string(), head);
    assert_eq!(report.head.to_string(), next_head(&head, segments.last().unwrap()).1);
}

#[test]
fn the_chain_of_a_server_that_died_before_a_line_is_the_same_as_of_one_that_did_not() {
    let whole = chained();
    let (bytes, report) = (fs::read(file(whole.path())).unwrap(), verify(whole.path()));

    // Anywhere in the last line, and the end of the one before it.
    let n_last = lines(&file(whole.path())).last().unwrap().len();
    for n_kept in [0].into_iter().chain(bytes.len() - n_last - 1..=bytes.len()) {
        let dir = copy(whole.path());
        fs::write(file(dir.path()), &bytes[..n_kept]).unwrap();

        let torn = verify(dir.path());
        open(dir.path()).keep_chain().unwrap();

        assert_eq!(torn.problems, [""; 0], "cut after {n_kept} bytes");
        assert_eq!(torn.head, report.head);
        assert_eq!(fs::read(file(dir.path())).unwrap(), bytes);
    }
}

#[test]
fn a_removed_segment_keeps_its_line() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);

    // Nobody had asked for the chain before.
    let released = journal.release(40).unwrap();

    let report = verify(dir.path());
    assert_eq!(report.problems, [""; 0]);
    assert!(released.n_segments > 2);
    assert_eq!(report.n_removed, released.n_segments);
    assert_eq!(links(dir.path()).len(), report.n_removed + report.n_compared);
    assert_eq!(links(dir.path())[0]["first_seq"], 1);
    let state = journal.snapshot_at_head();
    let start = (state.0, journal.position(state.1));
    drop(journal);
    let before = fs::read(file(dir.path())).unwrap();
    let (journal, _) = Journal::open(settings(dir.path()), Some(start)).unwrap();
    journal.keep_chain().unwrap();
    assert_eq!(fs::read(file(dir.path())).unwrap(), before);
}

#[test]
fn a_rewriting_shows_and_leaves_a_chain_that_holds() {
    let dir = chained();
    let journal = open(dir.path());
    journal.seal().unwrap();
    journal.keep_chain().unwrap();
    let (n_lines, old) = (links(dir.path()).len(), segments(dir.path())[1].clone());
    let before = fs::read(&old).unwrap();

    let done = journal.rewrite("erasure 1", redact, |_, _| ()).unwrap();

    let links = links(dir.path());
    assert_eq!(links.len(), n_lines + done.n_segments);
    for link in &links[n_lines..] {
        let sealed = links[..n_lines].iter().find(|it| it["segment"] == link["segment"]).unwrap();
        assert_eq!((&link["rewritten"], &link["reason"]), (&true.into(), &"erasure 1".into()));
        assert_eq!(link["sha256_before"], sealed["sha256"]);
        assert_ne!(link["sha256"], sealed["sha256"]);
    }
    let report = verify(dir.path());
    assert_eq!((report.problems, report.n_compared), (Vec::new(), n_lines));

    // A crash between the line and the file.
    let after = fs::read(&old).unwrap();
    fs::write(&old, &before).unwrap();
    drop(journal);
    let report = verify(dir.path());
    assert_eq!((report.problems.len(), report.unfinished.len()), (0, 1));
    assert!(report.unfinished[0].contains("00000002.jsonl is as it was before"), "{report:?}");
    let journal = open(dir.path());
    assert_eq!(journal.rewrite("erasure 1", redact, |_, _| ()).unwrap().n_segments, 1);
    assert_eq!(fs::read(&old).unwrap(), after);
    assert_eq!(verify(dir.path()).problems, [""; 0]);
}

#[test]
fn a_changed_record_of_any_sealed_segment_shows() {
    let whole = chained();
    let n_sealed = segments(whole.path()).len() - 1;
    let good = verify(whole.path());

    for place in 0..=n_sealed {
        let dir = copy(whole.path());
        let segment = segments(dir.path())[place].clone();
        forge(&segment, 1);

        let report = verify(dir.path());

        // The journal itself has no objection.
        drop(open(dir.path()));
        assert_ne!(report.head == good.head, place == n_sealed);
        if place < n_sealed {
            assert_eq!(report.problems.len(), 1, "{report:?}");
            assert!(report.problems[0].ends_with("was changed since it was sealed"), "{report:?}");
            assert!(report.problems[0].starts_with(segment.to_str().unwrap()));
        }
    }
}

#[test]
fn a_segment_that_is_missing_or_shorter_shows() {
    let whole = chained();
    let n_segments = segments(whole.path()).len();

    for place in 1..n_segments {
        let dir = copy(whole.path());
        fs::remove_file(&segments(dir.path())[place]).unwrap();
        let report = verify(dir.path());
        assert!(!report.problems.is_empty(), "without segment {place}");
    }
    let dir = copy(whole.path());
    let segment = segments(dir.path())[1].clone();
    let mut short = lines(&segment);
    short.pop();
    fs::write(&segment, short.concat()).unwrap();
    let problems = verify(dir.path()).problems;
    assert!(problems.iter().any(|it| it.contains("are missing")), "{problems:?}");
}

#[test]
fn a_damaged_changed_lost_or_swapped_line_of_the_chain_shows_and_stops_nothing() {
    let whole = chained();
    let good = lines(&file(whole.path()));
    let forged = |line: &[u8]| {
        // Another hash, with a checksum that is right.
        let text = String::from_utf8(line.to_vec()).unwrap();
        let place = text.find("\"sha256\":\"").unwrap() + 10;
        let digit = if &text[place..=place] == "0" { "1" } else { "0" };
        let body = format!("{}{digit}{}", &text[..place], &text[place + 1..text.len() - 19]);
        format!("{body},\"crc\":\"{:08x}\"}}\n", crc32c::crc32c(body.as_bytes())).into_bytes()
    };

    for place in 0..good.len() {
        for damage in 0..4 {
            let dir = copy(whole.path());
            let mut lines = good.clone();
            match damage {
                0 => lines[place][20] ^= 1,
                1 => lines[place] = forged(&good[place]),
                2 if place + 1 < good.len() => drop(lines.remove(place)),
                3 if place + 1 < good.len() => lines.swap(place, place + 1),
                _ => continue,
            }
            fs::write(file(dir.path()), lines.concat()).unwrap();

            assert!(!verify(dir.path()).problems.is_empty(), "{damage} at line {place}");
            let journal = open(dir.path());
            journal.keep_chain().unwrap();
            say_words(&journal, 60..90);
            journal.keep_chain().unwrap();
            drop(journal);
            let after = fs::read(file(dir.path())).unwrap();
            assert!(after.starts_with(&lines.concat()));
            open(dir.path()).keep_chain().unwrap();
            assert_eq!(fs::read(file(dir.path())).unwrap(), after);
            let report = verify(dir.path());
            assert!(!report.problems.is_empty());
            let marked = report.problems.iter().filter(|it| it.contains("taken up again"));
            assert_eq!(marked.count(), 1, "{damage} at line {place}: {report:?}");
        }
    }
}

#[test]
#[cfg(unix)]
fn a_chain_that_cannot_be_written_waits_and_keeps_no_segment_from_going() {
    let dir = folder();
    let journal = open(dir.path());
    let away = dir.path().join("away");
    std::os::unix::fs::symlink(away.join("chain"), file(dir.path())).unwrap();
    say_words(&journal, 0..60);

    assert!(journal.release(40).unwrap().n_segments > 2);
    assert!(!away.exists());

    fs::create_dir(&away).unwrap();
    journal.keep_chain().unwrap();
    assert_eq!(links(dir.path())[0]["first_seq"], 1);
    let report = verify(dir.path());
    assert_eq!((report.problems, report.n_compared), (Vec::new(), segments(dir.path()).len() - 1));
}

#[test]
fn a_chain_that_cannot_be_read_is_not_written_over() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..60);
    fs::create_dir(file(dir.path())).unwrap();

    let err = journal.release(40).unwrap_err();

    assert!(matches!(err, JournalError::Io { doing: "read", .. }), "{err}");
    assert_eq!(journal.first_held(), 1);
    fs::remove_dir(file(dir.path())).unwrap();
    assert!(journal.release(40).unwrap().n_segments > 2);
}

#[test]
fn progress_of_a_check_reaches_the_whole() {
    let dir = folder();
    let settings = Settings { segment_bytes: 1 << 20, ..settings(dir.path()) };
    let (journal, _) = Journal::open(settings, None).unwrap();
    let long = "x".repeat(100_000);
    for n in 0..30 {
        crate::support::say(&journal, aurora::journal::Need::Durable, n, long.clone())
            .wait()
            .unwrap();
    }
    let mut told = Vec::new();

    chain::verify(&dir.path().join("journal"), |done, total| told.push((done, total))).unwrap();

    let total: u64 = segments(dir.path()).iter().map(|it| fs::metadata(it).unwrap().len()).sum();
    assert!(told.len() > 2 && told.is_sorted() && told.iter().all(|it| it.1 == total), "{told:?}");
    assert_eq!(told.last(), Some(&(total, total)));
}
