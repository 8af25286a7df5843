//! Rewriting: words go, places stay; nobody waits, and a crash at any point is finished later.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use aurora::domain::Record;
use aurora::journal::line::read_header;
use aurora::journal::{Journal, JournalError, Need, Settings};

use crate::support::{
    copy, files, folder, lines, open, records, say, say_words, segments, seqs, settings,
    without_words, words,
};

fn rewrite(journal: &Journal, n: u64) -> (usize, u64) {
    let done = journal.rewrite("a test", |it| without_words(it, n), |_, _| ()).unwrap();
    (done.n_segments, done.n_records)
}

/// What the records say once the words of call `n` are gone.
fn expected(records: &[Arc<Record>], n: u64) -> Vec<Record> {
    let redacted = records.iter().map(|it| {
        let event = without_words(it, n).unwrap_or_else(|| it.event.clone());
        Record { event, ..Record::clone(it) }
    });
    redacted.collect()
}

fn plain(records: Vec<Arc<Record>>) -> Vec<Record> {
    records.iter().map(|it| Record::clone(it)).collect()
}

fn hold(dir: &Path, words: &str) -> bool {
    let is_in = |it: &Vec<u8>| it.windows(words.len()).any(|it| it == words.as_bytes());
    files(dir).values().any(is_in)
}

/// `word 1`, `word 4`, … are said in call 1; all of it sealed.
fn sealed(dir: &Path) -> Arc<Journal> {
    let journal = open(dir);
    say_words(&journal, 0..60);
    journal.seal().unwrap();
    journal
}

#[test]
fn words_go_from_disk_and_memory_and_all_else_stays() {
    let dir = folder();
    let settings = Settings { ring_bytes: 4_000, ..settings(dir.path()) };
    let (journal, _) = Journal::open(settings, None).unwrap();
    say_words(&journal, 0..60);
    let next = journal.seal().unwrap();
    let (all, n_segments) = (records(&journal), segments(dir.path()).len());
    let state = journal.snapshot();
    let wanted = expected(&all, 1);

    let done = rewrite(&journal, 1);

    assert_eq!(done, (n_segments - 1, 20));
    assert_eq!(plain(records(&journal)), wanted);
    let remembered = journal.recent_after(next - 8, 100).unwrap();
    assert_eq!(plain(remembered), wanted[next as usize - 8..]);
    assert!(!hold(dir.path(), "word 1\"") && hold(dir.path(), "word 2\""));
    assert_eq!((segments(dir.path()).len(), journal.head(), next), (n_segments, 63, 64));
    // Whether the state forgets is for an event to say.
    assert_eq!(journal.snapshot(), state);
    say_words(&journal, 60..62);
    drop(journal);
    assert_eq!(plain(records(&open(dir.path())))[..63], wanted);
}

#[test]
fn only_segments_with_something_to_change_are_written_and_a_second_run_writes_none() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..30);
    say(&journal, Need::Durable, 7, "once").wait().unwrap();
    say_words(&journal, 30..60);
    journal.seal().unwrap();
    let segments = || -> Vec<_> {
        segments(dir.path()).into_iter().map(|it| (fs::read(&it).unwrap(), it)).collect()
    };
    let before = segments();

    assert_eq!(rewrite(&journal, 7), (1, 1));

    let after = segments();
    let changed: Vec<_> = before.iter().filter(|it| !after.contains(it)).collect();
    assert_eq!((changed.len(), before.len()), (1, after.len()));
    let n_lines = changed[0].0.iter().filter(|it| **it == b'\n').count();
    assert_eq!(lines(&changed[0].1).len(), n_lines);
    assert_eq!(rewrite(&journal, 7), (0, 0));
    assert_eq!(rewrite(&journal, 99), (0, 0));
    assert_eq!(segments(), after);
}

#[test]
fn what_is_not_sealed_stays_on_disk_and_in_memory() {
    let dir = folder();
    let (journal, _) =
        Journal::open(Settings { segment_bytes: 1_000_000, ..settings(dir.path()) }, None).unwrap();
    say_words(&journal, 0..6);
    let all = records(&journal);

    assert_eq!(rewrite(&journal, 1), (0, 0));
    assert_eq!(records(&journal), all);

    journal.seal().unwrap();
    say_words(&journal, 6..12);
    let all = records(&journal);
    assert_eq!(rewrite(&journal, 1), (1, 2));
    let mut wanted = expected(&all[..9], 1);
    wanted.extend(plain(all[9..].to_vec()));
    assert_eq!(plain(records(&journal)), wanted);
}

#[test]
fn progress_reaches_the_whole() {
    let dir = folder();
    let journal = sealed(dir.path());
    let total: u64 =
        journal.segments().unwrap().iter().filter(|it| it.is_sealed).map(|it| it.size_bytes).sum();
    let mut told = Vec::new();

    journal
        .rewrite("a test", |it| without_words(it, 1), |done, all| told.push((done, all)))
        .unwrap();

    assert!(told.is_sorted() && told.iter().all(|it| it.1 == total), "{told:?}");
    assert_eq!(told.last().unwrap().0, total);
}

#[test]
fn a_reader_in_the_old_file_goes_on_in_the_new_one() {
    let dir = folder();
    let journal = sealed(dir.path());
    let wanted = expected(&records(&journal), 1);
    let mut reader = journal.read_after(0);
    let mut seen = plain(reader.next_batch(5, 10_000).unwrap());

    rewrite(&journal, 1);

    loop {
        let batch = reader.next_batch(7, 10_000).unwrap();
        if batch.is_empty() {
            break;
        }
        seen.extend(plain(batch));
    }
    assert_eq!(seen[5..], wanted[5..]);
    assert_eq!(seen.len(), wanted.len());
}

#[test]
fn commits_go_on_while_segments_are_rewritten_and_others_wait_to_be_removed() {
    let dir = folder();
    let journal = sealed(dir.path());
    let (old, n_segments) = (records(&journal), segments(dir.path()).len());
    let n_said = Cell::new(60);

    let releaser = thread::scope(|scope| {
        let mut releaser = None;
        let done = journal.rewrite(
            "a test",
            |record| {
                // In the middle of it: a removal waits, and callers do not. Enough is said to
                // begin segments, too.
                releaser.get_or_insert_with(|| scope.spawn(|| journal.release(u64::MAX)));
                if record.seq % 10 == 0 {
                    say_words(&journal, n_said.get()..n_said.get() + 2);
                    n_said.set(n_said.get() + 2);
                    assert_eq!(journal.first_held(), 1);
                }
                without_words(record, 1)
            },
            |_, _| (),
        );
        assert_eq!(done.unwrap().n_records, 20);
        releaser.map(|it| it.join().unwrap())
    });

    assert!(releaser.unwrap().unwrap().n_segments >= n_segments - 1);
    let first = journal.first_held();
    assert!(first > old.len() as u64);
    let held = crate::support::records_after(&journal, first - 1, 7, 500);
    assert_eq!(seqs(&held), (first..=journal.head()).collect::<Vec<_>>());
    assert_eq!(words(&held).last().unwrap(), &format!("word {}", n_said.get() - 1));
}

#[test]
fn whatever_a_crash_leaves_starts_and_is_finished_by_the_next_run() {
    let (before, after) = (folder(), folder());
    let wanted = {
        let journal = sealed(before.path());
        expected(&records(&journal), 1)
    };
    for (file, bytes) in files(before.path()) {
        fs::create_dir_all(after.path().join("journal")).unwrap();
        fs::write(after.path().join("journal").join(file.file_name().unwrap()), bytes).unwrap();
    }
    rewrite(&open(after.path()), 1);
    let (old, new) = (segments(before.path()), segments(after.path()));

    for n_renamed in 0..old.len() - 1 {
        let dir = copy(before.path());
        let files = segments(dir.path());
        for place in 0..n_renamed {
            fs::copy(&new[place], &files[place]).unwrap();
        }
        // The next one was being written.
        let bytes = fs::read(&new[n_renamed]).unwrap();
        let beside = files[n_renamed].with_extension("rewrite");
        fs::write(&beside, &bytes[..bytes.len() * n_renamed / old.len()]).unwrap();

        let journal = open(dir.path());

        assert!(!beside.exists());
        assert_eq!(seqs(&records(&journal)), (1..=63).collect::<Vec<_>>());
        assert_eq!(rewrite(&journal, 1).0, old.len() - 1 - n_renamed);
        assert_eq!(plain(records(&journal)), wanted);
        for (place, file) in files.iter().enumerate() {
            assert_eq!(fs::read(file).unwrap(), fs::read(&new[place]).unwrap());
        }
    }
}

#[test]
fn lines_that_do_not_count_go_with_the_words_in_them() {
    let dir = folder();
    let journal = sealed(dir.path());
    let all = records(&journal);
    drop(journal);
    // What failed writes leave: lines that the next segment repeats, and a segment of nothing else.
    let (first, second) = (segments(dir.path())[0].clone(), segments(dir.path())[1].clone());
    let repeated = lines(&second)[1..].concat();
    let tail = [fs::read(&first).unwrap(), repeated, b"{\"seq\":9".to_vec()].concat();
    fs::write(&first, tail).unwrap();
    let void = dir.path().join("journal/00000099.jsonl");
    for file in segments(dir.path())[2..].iter().rev() {
        let ordinal: u32 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        fs::rename(file, file.with_file_name(format!("{:08}.jsonl", ordinal + 100))).unwrap();
    }
    let third = segments(dir.path())[2].clone();
    fs::write(&void, [lines(&third)[0].clone(), lines(&third)[1].clone()].concat()).unwrap();
    let journal = open(dir.path());
    assert_eq!(records(&journal), all);

    let done = rewrite(&journal, 99);

    assert_eq!((done, void.exists()), ((1, 0), false));
    assert_eq!(records(&journal), all);
    let seqs = |file: &Path| lines(file).len() as u64 - 1;
    assert_eq!(
        seqs(&first) + 1,
        read_header(lines(&second)[0].trim_ascii_end()).unwrap().first_seq
    );
    drop(journal);
    assert_eq!(records(&open(dir.path())), all);
}

#[test]
fn a_damaged_segment_stops_it_by_name_and_stays() {
    let dir = folder();
    let journal = sealed(dir.path());
    let file = segments(dir.path())[1].clone();
    let mut damaged = lines(&file);
    damaged[2][20] ^= 1;
    fs::write(&file, damaged.concat()).unwrap();

    let err = journal.rewrite("a test", |it| without_words(it, 1), |_, _| ()).unwrap_err();

    assert!(
        matches!(&err, JournalError::Corrupt { file: it, line: 3, .. } if *it == file),
        "{err}"
    );
    assert_eq!(fs::read(&file).unwrap(), damaged.concat());
    let is_beside = |it: &PathBuf| it.extension().is_some_and(|it| it == "rewrite");
    assert!(!files(dir.path()).keys().any(is_beside));
}

#[test]
fn a_segment_of_an_older_format_keeps_its_header() {
    let dir = folder();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1");
    fs::create_dir(dir.path().join("journal")).unwrap();
    for entry in fs::read_dir(fixture).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join("journal").join(path.file_name().unwrap())).unwrap();
    }
    let headers =
        |dir: &Path| -> Vec<_> { segments(dir).iter().map(|it| lines(it)[0].clone()).collect() };
    let journal = open(dir.path());
    journal.seal().unwrap();
    let (before, wanted) = (headers(dir.path()), expected(&records(&journal), 1));

    let (_, n_records) = rewrite(&journal, 1);

    assert_eq!(n_records, 4);
    assert_eq!(headers(dir.path()), before);
    assert!(before[0].starts_with(b"{\"format\":1,"));
    drop(journal);
    assert_eq!(plain(records(&open(dir.path()))), wanted);
    assert!(!hold(dir.path(), "I smell gas"));
}
