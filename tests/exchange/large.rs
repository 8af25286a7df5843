//! Files of any size: memory does not grow with them.

use std::io::{BufWriter, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Said, aurora, call, is_empty};

/// Of the process; the bound is far below what is written to it.
const MOST_MEMORY: u64 = 40 * 1024 * 1024;

#[test]
fn a_large_file_is_checked_in_bounded_memory() {
    let said = import_of(|out| {
        // Something is wrong with the last of many.
        let (n_calls, n_messages, words) = (400, 10, "It smells of gas here. ".repeat(500));
        write!(out, "{{\"active_calls\":{{")?;
        for n in 0..n_calls {
            let comma = if n == 0 { "" } else { "," };
            write!(out, "{comma}\"old-{n}\":{}", call(&format!("old-{n}"), "+15550100"))?;
        }
        write!(out, "}},\"active_conversations\":{{")?;
        for n in 0..n_calls {
            let comma = if n == 0 { "" } else { "," };
            write!(out, "{comma}\"conversation of old-{n}\":{{\"call_id\":\"old-{n}\",")?;
            write!(out, "\"messages\":{{\"first\":{{}}")?;
            for m in 0..n_messages {
                write!(
                    out,
                    ",\"m{m}\":{{\"role\":\"user\",\"content\":\"{words}\",\"sources\":\"\",\
                     \"timestamp\":\"2026-03-01T12:01:00.000Z\"}}"
                )?;
            }
            write!(out, "}}}}")?;
        }
        write!(out, "}}}}")
    });

    assert!(said.err.contains("wrong in 1600 places"), "{}", said.err);
}

#[test]
fn hostile_files_are_refused_in_bounded_memory() {
    let endless = |start: &'static str, piece: &'static str, claim: &str| {
        let said = import_of(|out| {
            out.write_all(start.as_bytes())?;
            let piece = piece.repeat(1024 * 1024 / piece.len());
            (0..256).try_for_each(|_| out.write_all(piece.as_bytes()))
        });
        assert!(said.err.contains(claim), "{claim}: {}", said.err);
    };

    endless(
        "{\"active_calls\":{\"a\":\"",
        "x",
        "active_calls.a: is no valid JSON: a text is longer",
    );
    endless("{\"active_calls\":{\"a\":\"", "\\u0000", "a text is longer than 1 MiB");
    endless("{\"x\":", "[", "x: is no valid JSON: it is nested deeper than 64 levels");
    endless(
        "{\"active_calls\":",
        "{\"a\":",
        "is no valid JSON: it is nested deeper than 64 levels",
    );
    endless("", "[", "the file: is no valid JSON: it is nested deeper than 64 levels");
}

#[test]
fn an_entry_that_never_ends_is_not_kept() {
    let said = import_of(|out| {
        write!(out, "{{\"active_calls\":{{\"a\":{{\"requests\":[0")?;
        let piece = ",0".repeat(64 * 1024);
        (0..64).try_for_each(|_| out.write_all(piece.as_bytes()))?;
        write!(out, "]}}}}}}")
    });

    assert!(said.err.contains("active_calls.a: is too large"), "{}", said.err);
}

/// `aurora import -` of what `write` writes.
///
/// # Panics
/// If it is done, if anything was stored, or if its memory grew too much.
fn import_of(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Said {
    let dir = TempDir::new().expect("there is a place for temporary files");
    let mut child = aurora(dir.path())
        .args(["import", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let input = child.stdin.take().expect("it is piped");
    let id = child.id();
    let watch = std::thread::spawn(move || peak_memory(id));
    let mut input = BufWriter::with_capacity(64 * 1024, input);
    // It may refuse the file before its end.
    let _ = write(&mut input).and_then(|()| input.flush());
    drop(input);
    let said = finished(child);
    let peak = watch.join().expect("the watch does not panic");
    assert!((1..MOST_MEMORY).contains(&peak), "{peak} bytes of memory");
    assert!(!said.is_done, "{}", said.out);
    assert!(is_empty(dir.path()));
    said
}

fn finished(child: Child) -> Said {
    let started = Instant::now();
    let said = Said::from(child.wait_with_output().expect("it ends"));
    assert!(started.elapsed() < crate::harness::PATIENCE);
    said
}

/// The most memory that a process had resident, watched until it ends.
fn peak_memory(id: u32) -> u64 {
    let mut peak = 0;
    while let Ok(status) = std::fs::read_to_string(format!("/proc/{id}/status")) {
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        // A process that has ended and was not waited for has no memory.
        let Some(kib) = line.and_then(|it| it.trim().split(' ').next()?.parse::<u64>().ok()) else {
            break;
        };
        peak = peak.max(kib * 1024);
        std::thread::sleep(Duration::from_millis(2));
    }
    peak
}
