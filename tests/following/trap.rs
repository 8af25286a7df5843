//! `strace` around the server: a system call on a chosen file kills it, fails, or takes long.
//!
//! It is the tracer that is the grandchild (`-D`), so that the server stays a child of the test,
//! and ends where it would end without.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{TestApp, wait_until};

/// When the server dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The call was made and is not done.
    Before,
    /// It is done, and nothing else.
    After,
}

/// So many segments after the last one are watched, too.
const SEGMENTS_AHEAD: u32 = 60;

/// The paths behind a name of the table: `*` stands for the segments, those to come as well.
pub fn paths(data_dir: &Path, name: &str) -> Vec<String> {
    if name != "journal/*.jsonl" {
        return vec![data_dir.join(name).display().to_string()];
    }
    let held = segments(data_dir);
    let ordinal = |it: &PathBuf| it.file_stem()?.to_str()?.parse().ok();
    let first: u32 = held.first().and_then(ordinal).unwrap_or(1);
    let last = held.last().and_then(ordinal).unwrap_or(first);
    let ordinals = first..last + SEGMENTS_AHEAD;
    let file = |it: u32| data_dir.join(format!("journal/{it:08}.jsonl")).display().to_string();
    ordinals.map(file).collect()
}

/// The journal's files, oldest first.
pub fn segments(data_dir: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data_dir.join("journal")).into_iter().flatten();
    let mut files: Vec<_> = files.map(|it| it.expect("it can be listed").path()).collect();
    // The chain lies beside them.
    let is_segment = |it: &PathBuf| {
        let name = it.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_suffix(".jsonl").is_some_and(|it| it.parse::<u32>().is_ok())
    };
    files.retain(is_segment);
    files.sort();
    files
}

/// Kills the server at the `nth` such call of a thread.
#[derive(Debug)]
pub struct Trap {
    log: TempDir,
    inject: String,
    call: &'static str,
    paths: Vec<String>,
    is_over: Arc<AtomicBool>,
    watcher: Option<JoinHandle<()>>,
}

impl Trap {
    pub fn new(call: &'static str, paths: Vec<String>, moment: Moment, nth: usize) -> Self {
        let what = match moment {
            Moment::Before => "signal=SIGKILL",
            // The call is done, and its thread goes no further until it is killed.
            Moment::After => "delay_exit=60000000",
        };
        let inject = format!("inject={call}:{what}:when={nth}");
        let log = TempDir::new().expect("there is a place for temporary files");
        let is_over = Arc::new(AtomicBool::new(false));
        let (path, over) = (log.path().join("log"), Arc::clone(&is_over));
        let watcher = std::thread::spawn(move || kill_when_delayed(&path, &over));
        Self { log, inject, call, paths, is_over, watcher: Some(watcher) }
    }

    /// What the server is started under.
    pub fn command(&self) -> Vec<String> {
        let log = self.log.path().join("log").display().to_string();
        let mut words: Vec<String> =
            ["strace", "-D", "-f", "-qq", "-o", &log].map(str::to_owned).to_vec();
        words.extend(["-e".to_owned(), format!("trace={}", self.call)]);
        words.extend(self.paths.iter().flat_map(|it| ["-P".to_owned(), it.clone()]));
        words.extend(["-e".to_owned(), self.inject.clone()]);
        words
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

fn kill_when_delayed(log: &Path, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        if let Some(line) = text.lines().find(|it| it.ends_with("(DELAYED)")) {
            let thread = line.split(' ').next().unwrap_or_default();
            let tracer = tracer_of(thread);
            // The tracer last: without it the server would go on.
            for it in [Some(thread), tracer.as_deref()].into_iter().flatten() {
                let _ = Command::new("kill").args(["-KILL", it]).status();
            }
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// What a server is started under whose calls `calls` on `paths` are tampered with.
pub fn tampered(calls: &str, injects: &[&str], paths: &[String]) -> Vec<String> {
    // `-I2`: it lets go when it is asked to.
    let words = ["strace", "-D", "-I2", "-f", "-qq", "-o", "/dev/null"];
    let mut words = words.map(str::to_owned).to_vec();
    words.extend(["-e".to_owned(), format!("trace={calls}")]);
    words.extend(paths.iter().flat_map(|it| ["-P".to_owned(), it.clone()]));
    words.extend(injects.iter().flat_map(|it| ["-e".to_owned(), format!("inject={it}")]));
    words
}

/// From now on nothing is tampered with any more.
pub async fn heal(app: &TestApp) {
    let id = app.pid().to_string();
    if let Some(tracer) = tracer_of(&id) {
        let asked = Command::new("kill").args(["-TERM", &tracer]).status();
        assert!(asked.expect("there is a `kill`").success());
    }
    wait_until("the tracer has let go", async || tracer_of(&id).is_none()).await;
}

/// Who traces that process or thread.
pub fn tracer_of(id: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let tracer = status.lines().find_map(|it| it.strip_prefix("TracerPid:"))?.trim();
    (tracer != "0").then(|| tracer.to_owned())
}
