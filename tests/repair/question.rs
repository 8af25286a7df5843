//! Repair asks on a terminal before it changes anything, and only `y` goes on.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::folders::assert_good;
use crate::support::{files, folder, lines, open, say_words, segments};

/// Runs it on a terminal where somebody types; whether it succeeds, and what is seen there.
fn asked(dir: &Path, typed: &[u8]) -> (bool, String) {
    let mut child = Command::new("script")
        .args(["-qec", &format!("{} repair", env!("CARGO_BIN_EXE_aurora")), "/dev/null"])
        .env_clear()
        .env("AURORA_DATA_DIR", dir)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(typed).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn only_a_yes_goes_on() {
    let dir = folder();
    say_words(&open(dir.path()), 0..8);
    let file = segments(dir.path()).remove(0);
    let mut all = lines(&file);
    all[2][40] ^= 1;
    fs::write(&file, all.concat()).unwrap();
    let before = files(dir.path());

    // `no`, nothing, something else, and the end of what is typed.
    for typed in [&b"n\n"[..], b"\n", b"N\n", b"yy\n", b"\x04"] {
        let (is_done, seen) = asked(dir.path(), typed);
        assert!(!is_done, "{seen}");
        for part in ["This is to be done:", "Go on? [y/N]", "nothing was changed"] {
            assert!(seen.contains(part), "`{part}` is missing in: {seen}");
        }
        assert_eq!(files(dir.path()), before);
        assert!(!dir.path().join("quarantine").exists());
    }
    let (is_done, seen) = asked(dir.path(), b"y\n");

    assert!(is_done && seen.contains("All is well."), "{seen}");
    assert_good(dir.path());
}
