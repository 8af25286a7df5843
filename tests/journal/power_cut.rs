//! What a disk may hold after a power cut: everything that was synced, and of the rest any part.
//!
//! The one idea: the real writer runs once under `strace`, which tells every file operation in
//! order and what was acknowledged when. A model disk then stops at any of them and decides for
//! itself what of the unsynced it has kept: any prefix of a file's writes, with holes where blocks
//! did not make it, and any of a folder's new entries in any combination.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use aurora::domain::{Record, State, SyncStatus};
use aurora::journal::{Journal, Need, Settings};
use aurora::readers::snapshot;
use proptest::prelude::*;

use crate::disk::{Choices, Disk};
use crate::support::{folder, is_long, records, say, segments, settings};
use crate::trace::{Op, read_trace};

const FOLDER: &str = "AURORA_TEST_POWER_FOLDER";
const TRACED: &str = "openat,creat,write,writev,pwrite64,fsync,fdatasync,rename,renameat,\
                      renameat2,unlink,unlinkat,ftruncate,mkdir,mkdirat";

/// A run of the writer: what it did, and all records that it ever wrote.
struct Recording {
    before: Disk,
    ops: Vec<Op>,
    written: Vec<Arc<Record>>,
}

static FIRST_RUN: LazyLock<Recording> = LazyLock::new(|| record(folder().path(), 0));

/// Small segments, but batches of many blocks.
fn run_settings(dir: &Path) -> Settings {
    Settings { segment_bytes: 9_000, ..settings(dir) }
}

/// Not a test but the writer, when the tests below start it.
#[test]
fn writing_process() {
    let Some(dir) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let stored = snapshot::load(&dir).unwrap();
    let (journal, _) = Journal::open(run_settings(&dir), stored).unwrap();
    println!("acked {}", journal.head());
    for round in 0..24 {
        // Words of very different length; in every third round several commits at once.
        let n_commits = if round % 3 == 2 { 4 } else { 1 };
        let long = "x".repeat(round * 67 % 1_400);
        let commits: Vec<_> = (0..n_commits)
            .map(|n| say(&journal, Need::Answer, round as u64 % 3, format!("{round}.{n} {long}")))
            .collect();
        for commit in commits {
            println!("acked {}", commit.wait().unwrap().seq);
        }
        if round % 7 == 6 {
            let (state, seq) = journal.snapshot_at_head();
            let sync_of = |_: &_| SyncStatus::Synced;
            snapshot::save(&dir, &state, journal.position(seq), &sync_of).unwrap();
        }
    }
}

/// Lets the writer run in `dir`; `acked`: so many records in it were acknowledged before.
fn record(dir: &Path, acked: u64) -> Recording {
    let before = Disk::of(dir, acked);
    let trace = folder();
    let trace = trace.path().join("trace");
    let status = Command::new("strace")
        .args(["-f", "-qq", "-y", "-xx", "-s", "1000000", "-e", &format!("trace={TRACED}"), "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "power_cut::writing_process", "--nocapture"])
        .env(FOLDER, dir)
        .stdout(std::process::Stdio::null())
        .status();
    assert!(status.expect("strace is installed").success());
    let ops = read_trace(&fs::read_to_string(trace).unwrap(), dir);
    let written = records(&Journal::open(run_settings(dir), None).unwrap().0);
    Recording { before, ops, written }
}

/// The disk as it may be after the first `n_ops` operations.
fn image(run: &Recording, n_ops: usize, choices: &mut Choices) -> (tempfile::TempDir, u64) {
    let mut disk = run.before.clone();
    run.ops[..n_ops].iter().for_each(|it| disk.does(it));
    let dir = folder();
    disk.write_image(dir.path(), choices);
    (dir, disk.acked)
}

/// Starts on it as the server does; the head, or what is wrong.
fn starts(dir: &Path, acked: u64, written: &[Arc<Record>]) -> Result<u64, String> {
    let stored = snapshot::load(dir).map_err(|err| err.to_string())?;
    let (journal, _) = Journal::open(run_settings(dir), stored).map_err(|err| err.to_string())?;
    let (head, state) = (journal.head(), journal.snapshot());
    if head < acked {
        return Err(format!("{acked} were acknowledged, {head} are there"));
    }
    // Nothing that was never written, nothing twice, all in order.
    assert_eq!(records(&journal), written[..head as usize]);
    let after = say(&journal, Need::Durable, 1, "after the cut").wait().unwrap();
    drop(journal);
    let (journal, _) = Journal::open(run_settings(dir), None).map_err(|err| err.to_string())?;
    assert_eq!(journal.head(), after.seq);
    assert_eq!(records(&journal)[..head as usize], written[..head as usize]);
    let mut replayed = State::default();
    written[..head as usize].iter().for_each(|it| replayed.apply(it));
    assert_eq!(state, replayed, "total.json and the journal disagree");
    Ok(head)
}

fn n_cases(long: u32, short: u32) -> ProptestConfig {
    let cases = if is_long() { long } else { short };
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// The power goes after each operation, with the same choices each time; what then is wrong first.
fn cut_everywhere(run: &Recording, choices: fn() -> Choices) -> Result<(), String> {
    for n_ops in 0..=run.ops.len() {
        let (dir, acked) = image(run, n_ops, &mut choices());
        starts(dir.path(), acked, &run.written)
            .map_err(|err| format!("{err} after {:?}", run.ops[..n_ops].last()))?;
    }
    Ok(())
}

/// So that the tests below are about something.
#[test]
fn the_trace_tells_what_the_writer_did() {
    let run = &*FIRST_RUN;
    let n = |is: fn(&Op) -> bool| run.ops.iter().filter(|it| is(it)).count();

    assert!(n(|it| matches!(it, Op::Rename { .. })) >= 6, "segments and checkpoints");
    assert!(n(|it| matches!(it, Op::SyncFile { .. })) >= 24);
    assert!(n(|it| matches!(it, Op::SyncFolder { .. })) >= 6);
    let mut disk = run.before.clone();
    run.ops.iter().for_each(|it| disk.does(it));
    assert_eq!(disk.acked, run.written.len() as u64);
    let (dir, acked) = image(run, run.ops.len(), &mut Choices::Everything);
    assert_eq!(starts(dir.path(), acked, &run.written), Ok(acked));
}

#[test]
fn a_writer_that_left_out_its_syncs_would_be_found_out() {
    let run = &*FIRST_RUN;
    for leaves_out in
        [|it: &Op| matches!(it, Op::SyncFile { .. }), |it: &Op| matches!(it, Op::SyncFolder { .. })]
    {
        let ops = run.ops.iter().filter(|it| !leaves_out(it)).cloned().collect();
        let (before, written) = (run.before.clone(), run.written.clone());
        let careless = Recording { before, ops, written };

        cut_everywhere(&careless, || Choices::Nothing).expect_err("it loses words");
    }
}

#[test]
fn a_disk_that_kept_nothing_or_everything_after_any_operation_has_what_was_acknowledged() {
    cut_everywhere(&FIRST_RUN, || Choices::Nothing).unwrap();
    cut_everywhere(&FIRST_RUN, || Choices::Everything).unwrap();
}

/// A disk that kept holes in the last write, and a start on it that is recorded, too.
static SECOND_RUN: LazyLock<Recording> = LazyLock::new(|| {
    let run = &*FIRST_RUN;
    let is_append = |it: &Op| match it {
        Op::Write { path, bytes } => {
            path.extension().is_some_and(|it| it == "jsonl") && bytes.len() > 3_000
        }
        _ => false,
    };
    let n_ops = run.ops.iter().rposition(is_append).expect("a large batch was appended") + 1;
    for seed in 0.. {
        let (dir, acked) = image(run, n_ops, &mut Choices::any(seed));
        let last = segments(dir.path()).pop().expect("there are segments");
        let bytes = fs::read(last).unwrap();
        // Zeros, and a whole line behind them.
        if bytes.contains(&0) && bytes.ends_with(b"\"}\n") {
            return record(dir.path(), acked);
        }
    }
    unreachable!("a seed makes holes")
});

#[test]
fn a_second_cut_while_the_first_is_mended_loses_nothing() {
    let run = &*SECOND_RUN;
    assert!(
        run.ops
            .iter()
            .any(|it| matches!(it, Op::MakeFolder { path } if path == Path::new("quarantine")))
    );
    assert!(run.ops.iter().any(|it| matches!(it, Op::SetLen { .. })));

    cut_everywhere(run, || Choices::Nothing).unwrap();
    cut_everywhere(run, || Choices::Everything).unwrap();
}

proptest! {
    #![proptest_config(n_cases(20_000, 200))]

    #[test]
    fn whatever_the_disk_kept_nothing_acknowledged_is_lost(
        is_second in any::<bool>(),
        at in any::<prop::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let run = if is_second { &*SECOND_RUN } else { &*FIRST_RUN };
        let n_ops = at.index(run.ops.len() + 1);
        let (dir, acked) = image(run, n_ops, &mut Choices::any(seed));
        let started = starts(dir.path(), acked, &run.written);
        prop_assert!(started.is_ok(), "{started:?} after {:?}", run.ops[..n_ops].last());
    }
}
