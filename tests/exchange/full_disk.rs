//! A disk that is full while calls are imported: what is stored is whole, and the rest comes later.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Published, Said, aurora, export, run};

const CALLS: usize = 1_500;

fn write_file(path: &Path) {
    let mut file = Published::default();
    for n in 0..CALLS {
        let (key, number) = (format!("old-{n:05}"), format!("+1555{n:05}"));
        file = file.with(&key, &number, &[("user", "Hello"), ("assistant", "Good morning")]);
    }
    fs::write(path, file.json().to_string()).expect("the folder is ours");
}

/// The same command below these words.
fn run_under(words: &[String], data_dir: &Path, arguments: &[&str]) -> Said {
    let own = aurora(data_dir);
    Command::new(&words[0])
        .args(&words[1..])
        .arg(own.get_program())
        .args(arguments)
        .env_clear()
        .env("AURORA_DATA_DIR", data_dir)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .output()
        .expect("there is a shell, and `strace`")
        .into()
}

/// What went wrong, in one line.
fn told(said: &Said) -> &str {
    assert!(!said.is_done, "{}", said.out);
    let told: Vec<&str> = said.err.lines().filter(|it| it.starts_with("aurora: ")).collect();
    let [told] = told.as_slice() else { panic!("{}", said.err) };
    told
}

/// Wherever the room ends: for the journal's first file, the archive, what is read, a batch.
#[test]
fn a_disk_that_is_nearly_full_keeps_whole_calls_only() {
    let path = TempDir::new().unwrap();
    let path = path.path().join("file.json");
    write_file(&path);
    let import = ["import", path.to_str().unwrap()];
    for n_blocks in [0, 30, 200, 400, 800] {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        let script = format!(r#"trap "" XFSZ; ulimit -S -f {n_blocks}; exec "$0" "$@""#);

        let said = run_under(&["sh".to_owned(), "-c".to_owned(), script], &data, &import);

        let told = told(&said).to_owned();
        let remedies = ["make room", "the disk does not take writes at the moment"];
        assert!(remedies.iter().any(|it| told.contains(it)), "{n_blocks}: {told}");
        let stored = export(&data, &[]);
        assert!(stored.len() < CALLS);
        assert!(stored.iter().all(|it| it["messages"].as_array().is_some_and(|it| it.len() == 2)));
        let again = run(&data, &import);
        assert!(again.is_done, "{}", again.err);
        assert_eq!(export(&data, &[]).len(), CALLS);
    }
}

#[test]
fn a_disk_that_fills_meanwhile_keeps_a_whole_beginning() {
    let dir = TempDir::new().unwrap();
    let (data, path) = (dir.path().join("data"), dir.path().join("file.json"));
    write_file(&path);
    let import = ["import", path.to_str().unwrap()];
    // The first batch begins the first segment; the second finds the disk full.
    let mut under: Vec<String> =
        ["strace", "-f", "-qq", "-o", "/dev/null"].map(str::to_owned).into();
    for file in ["journal/00000001.jsonl", "journal/next.part"] {
        under.extend(["-P".to_owned(), data.join(file).display().to_string()]);
    }
    for inject in ["write:error=ENOSPC:when=2+", "openat:error=ENOSPC:when=2+"] {
        under.extend(["-e".to_owned(), format!("inject={inject}")]);
    }

    let said = run_under(&under, &data, &import);

    let told = told(&said).to_owned();
    let stored = export(&data, &[]);
    let n_stored = stored.len();
    assert!((1..CALLS).contains(&n_stored), "{n_stored}: {told}");
    assert!(told.contains(&format!("stopped with {n_stored} of {CALLS} calls here")), "{told}");
    assert!(told.contains("the same command goes on when the cause is gone"), "{told}");
    assert!(stored.iter().all(|it| it["messages"].as_array().is_some_and(|it| it.len() == 2)));
    let again = run(&data, &import);
    assert!(again.is_done, "{}", again.err);
    assert!(again.out.contains(&format!("Imported {} calls", CALLS - n_stored)), "{}", again.out);
    assert_eq!(export(&data, &[]).len(), CALLS);
    assert!(said.err.contains("No space left"), "{}", said.err);
}
