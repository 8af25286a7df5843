//! Unreadable is not empty: a torn last line is cut, everything else stops the start and stays.

use std::fs;
use std::path::Path;

use aurora::domain::{JournalId, Notices, Position, State};
use aurora::journal::line::{FORMAT, Header, write_header};
use aurora::journal::{Journal, JournalError};

use crate::support::{
    copy, files, folder, is_long, lines, open, records, say_words, segments, seqs, settings,
    try_open,
};

/// Three segments; the last one of a few lines.
fn three_segments() -> tempfile::TempDir {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..22);
    drop(journal);
    let segments = segments(dir.path());
    assert_eq!(segments.len(), 3);
    assert!((3..8).contains(&lines(&segments[2]).len()));
    dir
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_journal_goes_on() {
    let whole = three_segments();
    let last = lines(&segments(whole.path())[2]);
    let n_bytes: usize = last.iter().map(Vec::len).sum();
    let all = records(&open(whole.path()));
    let n_before = all.len() - (last.len() - 1);

    for n_kept_bytes in 0..=n_bytes {
        let dir = copy(whole.path());
        let file = segments(dir.path())[2].clone();
        let text = fs::read(&file).unwrap();
        fs::write(&file, &text[..n_kept_bytes]).unwrap();
        let n_lines = text[..n_kept_bytes].iter().filter(|it| **it == b'\n').count();
        let n_whole = n_before + n_lines.saturating_sub(1);

        let journal = open(dir.path());
        assert_eq!(records(&journal), all[..n_whole], "cut after {n_kept_bytes} bytes");
        say_words(&journal, 100..102);
        drop(journal);

        let journal = open(dir.path());
        let again = records(&journal);
        assert_eq!(again[..n_whole], all[..n_whole]);
        assert_eq!(seqs(&again), (1..=n_whole as u64 + 2).collect::<Vec<_>>());
    }
}

#[test]
fn a_first_segment_without_a_whole_header_is_no_journal_yet() {
    let whole = folder();
    say_words(&open(whole.path()), 0..1);
    let header = lines(&segments(whole.path())[0])[0].len();

    for n_kept_bytes in 0..header {
        let dir = copy(whole.path());
        let file = segments(dir.path())[0].clone();
        fs::write(&file, &fs::read(&file).unwrap()[..n_kept_bytes]).unwrap();

        let journal = open(dir.path());

        assert_eq!(journal.head(), 0);
        say_words(&journal, 0..1);
    }
}

#[test]
fn a_segment_that_was_still_being_made_means_nothing() {
    let dir = three_segments();
    let all = records(&open(dir.path()));
    fs::write(dir.path().join("journal/next.part"), b"{\"format\":1,\"jour").unwrap();

    let journal = open(dir.path());

    assert_eq!(records(&journal), all);
    say_words(&journal, 0..30);
    assert!(!dir.path().join("journal/next.part").exists());
}

/// Damages a copy of three segments, and a torn tail with it, and expects a refusal that names
/// the file and line and leaves every byte.
fn refuses(whole: &Path, segment: usize, line: usize, damage: impl FnOnce(&Path)) {
    let dir = copy(whole);
    let named = segments(dir.path())[segment].clone();
    let last = segments(dir.path())[2].clone();
    let torn = [fs::read(&last).unwrap(), b"{\"seq\":".to_vec()].concat();
    fs::write(&last, torn).unwrap();
    damage(dir.path());
    let before = files(dir.path());

    let err = try_open(dir.path()).expect_err("damage is refused");

    let text = err.to_string();
    assert!(matches!(err, JournalError::Corrupt { .. }), "{text}");
    assert!(text.starts_with(&format!("{} line {line} is damaged", named.display())), "{text}");
    assert_eq!(files(dir.path()), before);
}

/// Damages the lines of one segment.
fn refuses_lines(
    whole: &Path,
    segment: usize,
    line: usize,
    damage: impl FnOnce(&mut Vec<Vec<u8>>),
) {
    refuses(whole, segment, line, |dir| {
        let file = &segments(dir)[segment];
        let mut lines = lines(file);
        damage(&mut lines);
        fs::write(file, lines.concat()).unwrap();
    });
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let whole = three_segments();

    for (segment, file) in segments(whole.path()).iter().enumerate() {
        let lines = lines(file);
        let n_lines = lines.len();
        for (place, line) in lines.iter().enumerate() {
            let is_last = segment == 2 && place + 1 == n_lines;
            // Without its end, the last line is a torn one.
            for byte in 0..line.len() - usize::from(is_last) {
                // Every bit in the long run, one of them for each byte in the short one.
                let bits = if is_long() { 0..8 } else { byte % 8..byte % 8 + 1 };
                for bit in bits {
                    refuses_lines(whole.path(), segment, place + 1, |it| {
                        it[place][byte] ^= 1 << bit
                    });
                }
                if byte % 8 == 0 {
                    refuses_lines(whole.path(), segment, place + 1, |it| it[place][byte] = b'\n');
                }
            }
        }
    }
}

#[test]
fn a_lost_line_is_refused() {
    let whole = three_segments();

    for (segment, file) in segments(whole.path()).iter().enumerate() {
        let n_lines = lines(file).len();
        // Without its very last line, a journal is a shorter journal.
        let n_lost = if segment == 2 { n_lines - 1 } else { n_lines };
        for place in 0..n_lost {
            refuses_lines(whole.path(), segment, place + 1, |it| drop(it.remove(place)));
        }
    }
}

#[test]
fn two_lines_in_the_wrong_order_are_refused() {
    let whole = three_segments();

    for (segment, file) in segments(whole.path()).iter().enumerate() {
        for place in 0..lines(file).len() - 1 {
            refuses_lines(whole.path(), segment, place + 1, |it| it.swap(place, place + 1));
        }
    }
}

#[test]
fn a_line_twice_is_refused() {
    let whole = three_segments();

    for (segment, file) in segments(whole.path()).iter().enumerate() {
        let n_lines = lines(file).len();
        // Behind the last line that counts there may be anything: a write that failed.
        let n_twice = if segment == 2 { n_lines } else { n_lines - 1 };
        for place in 0..n_twice {
            refuses_lines(whole.path(), segment, place + 2, |it| {
                it.insert(place, it[place].clone());
            });
        }
    }
}

#[test]
fn a_lost_segment_is_refused() {
    let whole = three_segments();
    let n_lines = lines(&segments(whole.path())[0]).len();

    refuses(whole.path(), 0, n_lines + 1, |dir| fs::remove_file(&segments(dir)[1]).unwrap());

    fs::remove_file(&segments(whole.path())[0]).unwrap();
    let before = files(whole.path());
    let err = try_open(whole.path()).expect_err("the beginning is gone");
    assert!(matches!(err, JournalError::Mismatch { .. }));
    assert!(err.to_string().contains("00000002.jsonl begins at record"), "{err}");
    assert_eq!(files(whole.path()), before);
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let whole = three_segments();
    for segment in 1..3 {
        refuses_lines(whole.path(), segment, 1, |it| {
            let first_seq = aurora::journal::line::read_header(it[0].trim_ascii_end());
            let header = Header::new(JournalId::from_bits(99), first_seq.unwrap().first_seq);
            it[0].clear();
            write_header(&header, &mut it[0]);
        });
    }
}

#[test]
fn a_newer_format_is_refused_and_stays() {
    let dir = three_segments();
    let file = segments(dir.path())[1].clone();
    let mut changed = lines(&file);
    let header = aurora::journal::line::read_header(changed[0].trim_ascii_end()).unwrap();
    changed[0].clear();
    write_header(&Header { format: FORMAT + 1, ..header }, &mut changed[0]);
    fs::write(&file, changed.concat()).unwrap();
    let before = files(dir.path());

    let err = try_open(dir.path()).expect_err("a newer format is refused");

    let JournalError::NewerFormat { file: named, found, known } = &err else { panic!("{err}") };
    assert_eq!((named, *found, *known), (&file, FORMAT + 1, FORMAT));
    assert_eq!(files(dir.path()), before);
}

#[test]
fn a_stored_state_that_does_not_fit_is_refused() {
    let dir = three_segments();
    let (id, head, state) = {
        let journal = open(dir.path());
        (journal.id(), journal.head(), journal.snapshot())
    };
    let last = segments(dir.path())[2].clone();
    let torn = [fs::read(&last).unwrap(), b"{\"seq\":".to_vec()].concat();
    fs::write(&last, torn).unwrap();
    let other = JournalId::from_bits(99);
    let at = |seq| State::restore(Vec::new(), Notices::default(), seq);
    let start = |state, journal, seq| {
        let before = files(dir.path());
        let opened = Journal::open(settings(dir.path()), Some((state, Position { journal, seq })));
        assert_eq!(files(dir.path()) == before, opened.is_err());
        opened.map(|it| it.0.snapshot())
    };

    assert!(matches!(start(at(3), other, 3), Err(JournalError::Mismatch { .. })));
    assert!(matches!(start(at(head + 1), id, head + 1), Err(JournalError::Mismatch { .. })));
    assert_eq!(start(state.clone(), id, head).unwrap(), state);
    fs::remove_dir_all(dir.path().join("journal")).unwrap();
    fs::create_dir(dir.path().join("journal")).unwrap();
    assert!(matches!(start(state, id, head), Err(JournalError::Mismatch { .. })));
}
