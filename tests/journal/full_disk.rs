//! The kernel refuses to write beyond a file size, in the middle of a line.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use aurora::domain::Record;
use aurora::journal::{Journal, JournalError, Need, Settings};

use crate::support::{
    call, files, folder, lines, open, records, say, say_words, segments, seqs, settings, started,
    try_open, words,
};

/// Far longer than the first tries of a new segment take; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

const FOLDER: &str = "AURORA_TEST_FOLDER";

/// Another process with a journal, which does as it is told, a line at a time.
struct Other {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Other {
    fn start(dir: &Path) -> Self {
        Self::start_under(&[], dir)
    }

    /// With `around` before its command.
    fn start_under(around: &[&str], dir: &Path) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh"])
            .args(around)
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "full_disk::other_process"])
            .arg("--nocapture")
            .env(FOLDER, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        let mut other = Self { process, orders, answers };
        assert_eq!(other.ask("seen"), "0");
        other
    }

    fn ask(&mut self, order: &str) -> String {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(self.answers.read_line(&mut line).unwrap(), 0, "it went away");
            // The test harness says things, too.
            if let Some(at) = line.find("> ") {
                return line[at + 2..].trim().to_owned();
            }
        }
    }

    /// No more orders: it closes its journal and ends.
    fn stop(mut self) {
        self.orders = None;
        assert!(self.process.wait().unwrap().success());
    }

    /// No file of that process can be written beyond this size.
    fn limit_files_to(&self, n_bytes: usize) {
        let status = Command::new("prlimit")
            .arg(format!("--pid={}", self.process.id()))
            .arg(format!("--fsize={n_bytes}:"))
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Not a test but the other process, when the tests below start it.
#[test]
fn other_process() {
    let Some(dir) = std::env::var_os(FOLDER) else { return };
    // Without memory for records, so that its reader reads the files.
    let settings = Settings { ring_bytes: 0, segment_bytes: 1 << 20, ..settings(Path::new(&dir)) };
    let journal = Journal::open(settings, None).unwrap().0;
    let bell = journal.bell();
    let mut reader = journal.read_after(0);
    let mut n_seen = 0;
    for order in std::io::stdin().lines() {
        let order = order.unwrap();
        let (verb, rest) = order.split_once(' ').unwrap_or((&order, ""));
        let answer = match verb {
            "answer" => format!("{:?}", said(&journal, Need::Answer, rest)),
            "change" => format!("{:?}", said(&journal, Need::Durable, rest)),
            "seen" => {
                while let Some(batch) =
                    Some(reader.next_batch(2, 9_999).unwrap()).filter(|it| !it.is_empty())
                {
                    n_seen += batch.len();
                }
                n_seen.to_string()
            }
            "until-writable" => {
                while !journal.is_writable() {
                    bell.recv_timeout(PATIENCE).unwrap();
                }
                "writable".to_owned()
            }
            _ => unreachable!("{order}"),
        };
        println!("> {answer}");
    }
}

/// Says each word of `words` as a message of one change; whether that is durable, or not made.
fn said(journal: &Journal, need: Need, words: &str) -> Option<bool> {
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let pending = journal.submit::<_, JournalError>(need, move |state, draft| {
        if state.call(call(1)).is_none() {
            draft.push(started(1));
            return Ok(());
        }
        let mut state = state.clone();
        for word in words {
            let event = crate::support::said(&state, 1, &word);
            let (seq, at) = (state.seq() + 1, draft.now);
            let record = Record { seq, at, node: "".into(), event };
            state.apply(&record);
            draft.push(record.event);
        }
        Ok(())
    });
    pending.wait().ok().map(|it| it.durable)
}

#[test]
fn a_write_that_stops_in_mid_line_costs_nothing_and_is_ignored_for_ever() {
    let dir = folder();
    let mut other = Other::start(dir.path());
    other.ask("change the-call");
    assert_eq!(other.ask("change one two"), "Some(true)");
    assert_eq!(other.ask("seen"), "3");
    let first = segments(dir.path())[0].clone();
    let size = fs::metadata(&first).unwrap().len() as usize;
    let line = lines(&first)[3].len();

    // Room for one line and a half, and too little for a new segment with both.
    other.limit_files_to(size + line + line / 2);
    let long = "x".repeat(size + 2 * line);
    assert_eq!(other.ask(&format!("answer 333 {long}")), "Some(false)");
    assert_eq!(other.ask("change refused"), "None");
    assert_eq!(other.ask("answer five"), "Some(false)");
    assert_eq!(other.ask("seen"), "3");
    let torn = fs::read(&first).unwrap();
    assert_eq!(torn.len(), size + line + line / 2);

    other.limit_files_to(1 << 30);
    assert_eq!(other.ask("until-writable"), "writable");
    assert_eq!(other.ask("seen"), "6");
    assert_eq!(other.ask("change six"), "Some(true)");
    assert_eq!(other.ask("seen"), "7");
    drop(other);

    let journal = open(dir.path());
    let all = records(&journal);
    assert_eq!(seqs(&all), (1..=7).collect::<Vec<_>>());
    assert_eq!(words(&all), ["one", "two", "333", &long, "five", "six"]);
    say_words(&journal, 1..2);
    drop(journal);
    assert_eq!(records(&open(dir.path())).len(), 8);
    assert_eq!(files(dir.path())[&first], torn);
}

#[test]
fn what_was_written_but_not_synced_is_shown_to_nobody() {
    let dir = folder();
    let strace = "strace -f -qq -o /dev/null --trace=fdatasync --inject=fdatasync:error=EIO:when=2";
    let mut other = Other::start_under(&strace.split(' ').collect::<Vec<_>>(), dir.path());
    other.ask("change the-call");
    assert_eq!(other.ask("change synced"), "Some(true)");
    let first = segments(dir.path())[0].clone();

    assert_eq!(other.ask("answer written"), "Some(false)");

    assert_eq!(other.ask("seen"), "2");
    assert_eq!(lines(&first).len(), 4);
    assert_eq!(other.ask("until-writable"), "writable");
    assert_eq!(other.ask("seen"), "3");
    other.stop();
    assert_eq!(lines(&first).len(), 4);
    assert_eq!(words(&records(&open(dir.path()))), ["synced", "written"]);
}

#[test]
fn a_restart_on_a_full_disk_takes_the_whole_lines_and_goes_on() {
    let dir = folder();
    let mut other = Other::start(dir.path());
    other.ask("change the-call");
    let first = segments(dir.path())[0].clone();
    let size = fs::metadata(&first).unwrap().len() as usize;
    other.limit_files_to(size + 10);
    assert_eq!(other.ask(&format!("answer {}", "x".repeat(2 * size))), "Some(false)");
    drop(other);

    let journal = open(dir.path());

    assert_eq!(journal.head(), 1);
    assert!(say(&journal, Need::Answer, 1, "after the restart").wait().unwrap().durable);
}

#[test]
fn a_folder_in_use_is_locked_for_another_process_until_that_one_is_killed() {
    let dir = folder();
    let mut other = Other::start(dir.path());
    other.ask("change the-call");
    other.ask("change said");

    let err = try_open(dir.path()).expect_err("the other process has it");

    assert!(matches!(err, JournalError::Locked { .. }));
    assert!(err.to_string().contains("AURORA_DATA_DIR"));
    drop(other);
    assert_eq!(words(&records(&open(dir.path()))), ["said"]);
}
