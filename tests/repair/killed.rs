//! A repair that is killed at any step and run again ends as one that was not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::commands::{aurora, said};
use crate::folders::{assert_good, quarantined, verified};
use crate::followers::{archived, damage_archive};
use crate::support::{folder, lines, open, say_words, segments};

/// The same folder once more.
fn copy(from: &Path) -> TempDir {
    let to = folder();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(from.join(&below)).unwrap() {
            let entry = entry.unwrap();
            let path = below.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(to.path().join(&path)).unwrap();
                folders.push(path);
            } else {
                fs::copy(entry.path(), to.path().join(&path)).unwrap();
            }
        }
    }
    to
}

/// What is the same after each way to the same end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    segments: BTreeMap<PathBuf, String>,
    total: Option<String>,
    chain_head: String,
    archived: Option<(u64, u64, u64)>,
    /// Which files were put aside, without the times; a database's bytes are SQLite's affair.
    aside: Vec<(String, Option<String>)>,
    has_leftovers: bool,
}

fn end(dir: &Path) -> End {
    assert_good(dir);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let own =
        |it: PathBuf| (it.strip_prefix(dir).unwrap().to_owned(), text(fs::read(&it).unwrap()));
    let aside = quarantined(dir).into_iter().map(|(path, bytes)| {
        let name = name(&path).split_once("Z-").unwrap().1.to_owned();
        let is_database = name.starts_with("archive.db");
        assert!(Path::new(&format!("{}.txt", path.display())).exists());
        (name, (!is_database).then(|| text(bytes)))
    });
    let mut aside: Vec<_> = aside.collect();
    aside.sort();
    let leftovers = ["archive.db.new", "repairing.json", "repairing.json.new", "total.json.new"];
    End {
        segments: segments(dir).into_iter().map(own).collect(),
        total: fs::read(dir.join("total.json")).ok().map(text),
        chain_head: verified(dir).chain_head,
        archived: dir.join("archive.db").exists().then(|| archived(dir)),
        aside,
        has_leftovers: leftovers.iter().any(|it| dir.join(it).exists()),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Runs it, killed at the `n`th of these system calls; whether it came to its end.
fn ends_before(dir: &Path, calls: &str, n: usize) -> bool {
    let done = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}"), "-e"])
        .arg(format!("inject={calls}:signal=SIGKILL:when={n}"))
        .args([env!("CARGO_BIN_EXE_aurora"), "repair", "--yes"])
        .env_clear()
        .env("AURORA_DATA_DIR", dir)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .unwrap();
    done.status.success()
}

/// Kills it everywhere, and returns at how many places.
fn ends_the_same(damaged: &Path) -> usize {
    let whole = copy(damaged);
    let output = aurora(whole.path(), &["repair", "--yes"]);
    assert!(output.status.success(), "{}", said(&output));
    let expected = end(whole.path());
    assert!(!expected.has_leftovers);
    let mut n_kills = 0;
    for (calls, step) in [
        ("rename,renameat,renameat2", 1),
        ("link,linkat", 1),
        ("unlink,unlinkat", 1),
        ("fsync,fdatasync", 4),
        ("ftruncate,pwrite64", 5),
    ] {
        for n in (1..).step_by(step) {
            let dir = copy(damaged);
            if ends_before(dir.path(), calls, n) {
                break;
            }
            n_kills += 1;

            let again = aurora(dir.path(), &["repair", "--yes"]);

            assert!(again.status.success(), "kill {n} at {calls}: {}", said(&again));
            assert_eq!(end(dir.path()), expected, "kill {n} at {calls}");
        }
    }
    n_kills
}

#[test]
fn a_journal_in_disorder() {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..32);
    journal.keep_chain().unwrap();
    drop(journal);
    let at = |n: u32| dir.path().join(format!("journal/{n:08}.jsonl"));
    for n in [1, 2, 4] {
        let mut all = lines(&at(n));
        all[2][40] ^= 1;
        fs::write(at(n), all.concat()).unwrap();
    }
    fs::copy(at(3), at(7)).unwrap();
    fs::rename(at(2), at(9)).unwrap();
    fs::write(dir.path().join("total.json"), "{").unwrap();
    fs::create_dir(dir.path().join("readers")).unwrap();
    fs::write(dir.path().join("readers/firebase.json"), "{").unwrap();

    let n_kills = ends_the_same(dir.path());

    assert!(n_kills >= 15, "only {n_kills} kills: the work has more steps");
}

/// What only the archive still has comes over, whenever it ends.
#[tokio::test]
async fn an_archive_that_is_salvaged() {
    let (dir, _) = crate::followers::folder(true).await;
    damage_archive(dir.path());
    fs::remove_file(dir.path().join("total.json")).unwrap();
    fs::write(dir.path().join("journal/chain.jsonl"), "no line of ours\n").unwrap();
    let path = dir.path().to_owned();

    let n_kills = tokio::task::spawn_blocking(move || ends_the_same(&path)).await.unwrap();

    assert!(n_kills >= 15, "only {n_kills} kills: the work has more steps");
}
