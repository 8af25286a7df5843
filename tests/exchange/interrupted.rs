//! An import that is stopped in between leaves a whole beginning, and goes on the next time.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::PATIENCE;
use crate::support::{Published, Said, aurora, export, run};

const CALLS: usize = 3_000;

#[test]
fn what_is_stored_when_it_is_interrupted_is_whole() {
    let dir = TempDir::new().unwrap();
    let (data, path) = (dir.path().join("data"), dir.path().join("file.json"));
    let mut file = Published::default();
    for n in 0..CALLS {
        let (key, number) = (format!("old-{n:05}"), format!("+1555{n:05}"));
        file = file.with(&key, &number, &[("user", "Hello"), ("assistant", "Good morning")]);
    }
    fs::write(&path, file.json().to_string()).unwrap();
    let import = ["import", path.to_str().unwrap()];

    let child = aurora(&data)
        .args(import)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    // Its first batch makes the first segment.
    let deadline = Instant::now() + PATIENCE;
    while !data.join("journal/00000001.jsonl").exists() {
        assert!(Instant::now() < deadline, "nothing was stored");
        std::thread::sleep(Duration::from_millis(1));
    }
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let said = Said::from(child.wait_with_output().unwrap());

    assert!(!said.is_done, "it was done before it was interrupted: {}", said.out);
    let n_told: usize = said
        .err
        .split_once("interrupted with ")
        .and_then(|it| it.1.split_once(&format!(" of {CALLS} calls here")))
        .and_then(|it| it.0.parse().ok())
        .unwrap_or_else(|| panic!("{}", said.err));
    let stored = export(&data, &[]);
    assert_eq!(stored.len(), n_told);
    assert!((1..CALLS).contains(&n_told), "{n_told}");
    assert!(stored.iter().all(|it| it["messages"].as_array().is_some_and(|it| it.len() == 2)));

    let said = run(&data, &import);
    assert!(said.is_done, "{}", said.err);
    assert!(said.out.contains(&format!("Imported {} calls", CALLS - n_told)), "{}", said.out);
    assert!(said.out.contains(&format!("{n_told} calls were here already")), "{}", said.out);
    assert_eq!(export(&data, &[]).len(), CALLS);
}
