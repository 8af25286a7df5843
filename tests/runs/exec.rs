//! A command that is run as if nobody stood between.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::tempdir;

use crate::support::{aurora, end_of, list, only, signal, spooled, text};

fn exec(data_dir: &Path, words: &[&str]) -> Command {
    aurora(data_dir, &[&["exec", "--slug", "work", "--"], words].concat())
}

/// The same; what whoever started the tests has them ignore is not ignored.
fn exec_that_hears(data_dir: &Path, words: &[&str]) -> Command {
    let exec = exec(data_dir, words);
    let mut command = Command::new("env");
    command.args(["--default-signal=INT,QUIT,TERM,HUP"]).arg(exec.get_program());
    command.args(exec.get_args()).envs(exec.get_envs().filter_map(|it| Some((it.0, it.1?))));
    command.stdin(Stdio::null());
    command
}

#[test]
fn output_input_environment_and_exit_code_are_the_commands() {
    let dir = tempdir().unwrap();
    let script = "cat; echo err >&2; echo \"$OWN\"; exit 7";
    let mut child = exec(dir.path(), &["sh", "-c", script])
        .env("OWN", "mine")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"in\n").unwrap();

    let output = end_of(child);

    assert_eq!(output.status.code(), Some(7));
    assert_eq!(text(&output.stdout), "in\nmine\n");
    assert_eq!(text(&output.stderr), "err\n");
    let run = only(dir.path());
    assert_eq!(run["status"], "failed");
    assert_eq!(run["slug"], "work");
    assert_eq!(run["command"], "sh -c cat; echo err >&2; echo \"$OWN\"; exit 7");
}

#[test]
fn a_dot_env_of_the_work_is_the_works_alone() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join(".env"), "THEIRS=1\nAURORA_USER=from-file\nbroken line\n").unwrap();
    let mut command = exec(dir.path(), &["sh", "-c", "test -z \"$THEIRS$AURORA_USER\""]);
    command.env_remove("AURORA_USER").current_dir(dir.path());

    let output = command.output().unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(only(dir.path())["user_id"], "from-file");
}

#[test]
fn time_and_processor_time_are_measured() {
    let dir = tempdir().unwrap();
    let busy = "n=0; while [ $n -lt 300000 ]; do n=$((n+1)); done";

    assert!(exec(dir.path(), &["sh", "-c", busy]).status().unwrap().success());

    let run = only(dir.path());
    let (took, worked) = (run["duration_seconds"].as_f64(), run["automation_seconds"].as_f64());
    assert_eq!(run["status"], "success");
    // It only counts, so it works as long as it is let; the kernel counts in hundredths.
    assert!(worked.unwrap() > 0.0, "{run}");
    assert!(worked.unwrap() <= took.unwrap() + 0.05, "{run}");
}

#[test]
fn a_command_that_is_not_there_is_what_a_shell_says() {
    let dir = tempdir().unwrap();
    let output = exec(dir.path(), &["no-such-command-here"]).output().unwrap();
    assert_eq!(output.status.code(), Some(127));
    assert!(text(&output.stderr).contains("no-such-command-here"));

    let output = exec(dir.path(), &["/"]).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    assert!(list(dir.path()).iter().all(|it| it["status"] == "failed"));
}

#[test]
fn signals_reach_the_command_and_the_work_was_interrupted() {
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let dir = tempdir().unwrap();
        // One that dies of it, and one that takes it well.
        for (script, code) in [
            ("echo ready; exec sleep 1000".to_owned(), 128 + number),
            (
                format!(
                    "trap 'echo told; exit 0' {name}; echo ready; while :; do sleep 0.05; done"
                ),
                0,
            ),
        ] {
            let mut child = exec_that_hears(dir.path(), &["sh", "-c", &script])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            assert_eq!(line, "ready\n");

            signal(&child, name);

            let output = end_of(child);
            assert_eq!(output.status.code(), Some(code), "{name} {script}");
        }
        let runs = list(dir.path());
        assert_eq!(runs.len(), 2);
        assert!(runs.iter().all(|it| it["status"] == "interrupted"), "{name}: {runs:?}");
    }
}

#[test]
fn a_signal_that_ends_nothing_is_passed_on_and_interrupts_nothing() {
    let dir = tempdir().unwrap();
    let script = "trap 'echo told; exit 0' USR1; echo ready; while :; do sleep 0.05; done";
    let mut child = exec(dir.path(), &["sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    out.read_line(&mut said).unwrap();

    signal(&child, "USR1");

    out.read_line(&mut said).unwrap();
    assert_eq!(said, "ready\ntold\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(only(dir.path())["status"], "success");
}

#[test]
fn a_command_that_crashes_has_failed() {
    let dir = tempdir().unwrap();
    let status = exec(dir.path(), &["sh", "-c", "kill -SEGV $$"]).status().unwrap();
    assert_eq!(status.code(), Some(128 + 11));
    assert_eq!(only(dir.path())["status"], "failed");
}

#[test]
fn ctrl_c_in_a_terminal_reaches_the_command_once() {
    let dir = tempdir().unwrap();
    // `script` makes a terminal; the key is what its keyboard sends.
    let counting = "trap 'n=$((n+1))' INT; n=0; echo ready; \
                    while [ ! -e done ]; do sleep 0.05; done; echo \"told $n\"";
    let inner = format!(
        "AURORA_DATA_DIR={0} AURORA_USER=ada {1} run exec --slug work -- sh -c '{2}'",
        dir.path().display(),
        env!("CARGO_BIN_EXE_aurora"),
        counting.replace('\'', "'\\''"),
    );
    let mut child = Command::new("script")
        .args(["-qec", &inner, "/dev/null"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` is needed (util-linux)");
    let mut keys = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("ready") {
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
    }

    keys.write_all(b"\x03").unwrap();
    // The terminal shows the key when it has sent the signal.
    while !said.contains("^C") {
        let mut shown = [0; 1];
        assert_eq!(std::io::Read::read(&mut out, &mut shown).unwrap(), 1, "{said}");
        said.push(char::from(shown[0]));
    }
    fs::write(dir.path().join("done"), "").unwrap();

    while out.read_line(&mut said).unwrap() > 0 {}
    child.wait().unwrap();
    assert!(said.contains("told 1"), "{said}");
    assert_eq!(only(dir.path())["status"], "interrupted");
}

#[test]
fn what_nohup_has_ignored_the_command_ignores_too() {
    let dir = tempdir().unwrap();
    let inner = format!(
        "trap '' HUP; exec {} run exec --slug work -- sh -c 'kill -HUP $$; echo lives'",
        env!("CARGO_BIN_EXE_aurora")
    );
    let output = Command::new("sh")
        .args(["-c", &inner])
        .env("AURORA_DATA_DIR", dir.path())
        .env("AURORA_USER", "ada")
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "lives\n", "{}", text(&output.stderr));
    assert_eq!(only(dir.path())["status"], "success");
}

#[test]
fn whatever_is_wrong_here_the_command_runs() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    // The data folder cannot be made; a setting is wrong.
    for (name, value) in
        [("AURORA_DATA_DIR", file.join("x").display().to_string()), ("AURORA_BIND", "?".to_owned())]
    {
        let mut command = exec(dir.path(), &["sh", "-c", "echo fine; exit 3"]);
        let output = command.env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{name}");
        assert_eq!(text(&output.stdout), "fine\n", "{name}");
        assert!(text(&output.stderr).contains("is not recorded"), "{}", text(&output.stderr));
    }
    assert!(spooled(dir.path()).is_empty());
    // Nor can it be said.
    let mut command = exec(dir.path(), &["sh", "-c", "exit 3"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let status = command.env("AURORA_BIND", "?").stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(3));
}

#[test]
fn a_disk_that_takes_nothing_more_when_the_work_ends_is_told_of() {
    let dir = tempdir().unwrap();
    // As a disk that is full when the command ends: there is no folder any more.
    // Whoever notes its beginning is done with the folder by then.
    let moved = format!(
        "cd '{}'; until ls runs/*.begun; do sleep 0.01; done; mv runs gone && : > runs",
        dir.path().display()
    );
    fs::create_dir(dir.path().join("runs")).unwrap();
    let output = exec(dir.path(), &["sh", "-c", &moved]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("is not recorded"), "{}", text(&output.stderr));
}

#[test]
fn what_is_given_to_it_arrives_whatever_it_is() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"a\xff\n b");
    let mut command = exec(dir.path(), &["sh", "-c", "printf %s \"$1\"", "sh"]);
    let output = command.arg(odd).arg("x".repeat(100_000)).output().unwrap();

    assert_eq!(output.stdout, odd.as_bytes(), "{}", text(&output.stderr));
    let run = only(dir.path());
    assert_eq!(run["status"], "success");
    let shown = run["command"].as_str().unwrap();
    assert!(shown.len() <= 1_000 && shown.contains("a\u{fffd}  b"), "{shown}");
}

#[test]
fn a_command_line_that_nobody_is_to_read_is_left_out() {
    let dir = tempdir().unwrap();
    let words = ["exec", "--slug", "quiet", "--no-command", "--", "true", "hunter2"];
    assert!(aurora(dir.path(), &words).status().unwrap().success());
    assert_eq!(only(dir.path())["command"], "quiet");
    for file in spooled(dir.path()) {
        let kept = fs::read_to_string(dir.path().join("runs").join(file)).unwrap();
        assert!(!kept.contains("hunter2"), "{kept}");
    }
}

#[test]
fn it_costs_little() {
    let dir = tempdir().unwrap();
    let taken = |mut command: Command| {
        let began = Instant::now();
        assert!(command.status().unwrap().success());
        began.elapsed()
    };
    // One after the other in turns, so that whatever else runs here is felt by both.
    let (mut bare, mut within): (Vec<_>, Vec<_>) =
        (0..15).map(|_| (taken(Command::new("true")), taken(exec(dir.path(), &["true"])))).unzip();
    bare.sort();
    within.sort();
    let added = within[7].saturating_sub(bare[7]);
    println!("`aurora run exec` adds {added:?} to a command that takes {:?}", bare[7]);
    assert_eq!(list(dir.path()).len(), 15);
    // Loose, for a busy machine and a build that is not optimised; the claim is 20 ms.
    assert!(added < Duration::from_secs(2), "{added:?}");
}
