//! `aurora run exec`: runs a command as if it were not there, and records the work.
//!
//! # Promises
//! - The command has our standard input, output and error, our environment and process group; its
//!   exit code is ours, 128 and the signal's number if a signal ended it.
//! - SIGINT, SIGTERM, SIGHUP and SIGQUIT that reach us reach it. What the terminal sends goes to the
//!   whole foreground group by itself, and is not sent a second time.
//! - Whatever happens to the record, the command's outcome is untouched: that is a line on standard
//!   error.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use tokio::signal::unix::{Signal as Caught, SignalKind, signal};
use tokio::sync::oneshot;
use ulid::Ulid;

use super::record::{Worth, command_line, occasion};
use super::tell::{Home, Told, tell};
use super::{cpu, sync, user};
use crate::domain::{Label, Note, Run, RunId, RunStatus, Seconds, Timestamp};

/// What a shell says of a command that is not there, and of one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
/// Signals that are passed on, with their numbers, which POSIX fixes.
const PASSED_ON: [(Signal, i32); 4] =
    [(Signal::HUP, 1), (Signal::INT, 2), (Signal::QUIT, 3), (Signal::TERM, 15)];

/// Runs a command, measures it, and records the work. Options stand before `--`.
///
/// The exit code is the command's. Automation is the time that the processors worked for it, unless
/// --automation says otherwise.
#[derive(Debug, clap::Args)]
pub struct Exec {
    /// What kind of work it is, such as `migrate`.
    #[arg(long, value_parser = |it: &str| Label::parse(it))]
    slug: Label,
    /// What the team reads in place of the command line.
    #[arg(long)]
    command: Option<String>,
    /// Seconds of it that a machine worked by itself.
    #[arg(long, value_parser = super::record::seconds)]
    automation: Option<Seconds>,
    #[command(flatten)]
    worth: Worth,
    /// The command and what it is given.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<OsString>,
}

/// How the command went.
struct Went {
    code: u8,
    status: RunStatus,
    took: Duration,
    cpu_ms: Option<i64>,
}

/// Runs it; the exit code. `home`: where it is recorded, or why it is not.
pub async fn exec(exec: Exec, home: Result<Home, String>) -> u8 {
    let mut asked = None;
    let named = home.as_ref().ok().and_then(|it| it.user.clone());
    let went = command(&exec.words, || asked = Some(user::ask(named.as_deref()))).await;
    let code = went.code;
    let recorded = match home {
        Ok(home) => record(exec, &went, asked, &home).await,
        Err(why) => Err(why),
    };
    if let Err(why) = recorded {
        eprintln!("aurora: this run is not recorded: {why}");
    }
    code
}

async fn record(
    exec: Exec,
    went: &Went,
    asked: Option<user::Asked>,
    home: &Home,
) -> Result<(), String> {
    let asked = asked.unwrap_or_else(|| user::ask(home.user.as_deref()));
    let command = match &exec.command {
        Some(command) => command_line(std::iter::once(OsStr::new(command))),
        None => command_line(exec.words.iter().map(OsString::as_os_str)),
    };
    let took = Seconds::new(went.took.as_secs_f64()).unwrap_or_default();
    let worked = went.cpu_ms.map_or(took, |it| Seconds::from_millis(it).unwrap_or_default());
    let run = Run {
        run_id: RunId(Ulid::nil()),
        user_id: asked.answer(),
        timestamp: Timestamp::from(SystemTime::now()),
        slug: exec.slug,
        command: Note::parse(&command).map_err(|err| format!("the command {err}"))?,
        status: went.status,
        duration_seconds: took,
        automation_seconds: exec.automation.unwrap_or(worked),
        lines_migrated: exec.worth.lines,
        manual_estimate_seconds: exec.worth.manual_estimate,
        report_path: exec.worth.report_path().map_err(|err| format!("{err:#}"))?,
        call_id: None,
    };
    let run = run.named(&occasion());
    run.check().map_err(|err| err.to_string())?;
    match tell(home, &run).await {
        Ok(Told::Server) => Ok(()),
        Ok(Told::Spool) => {
            sync::in_background(home);
            Ok(())
        }
        Err(err) => Err(format!("{:#}", anyhow::Error::from(err))),
    }
}

/// Runs the command to its end. `begun` is called as soon as it runs.
async fn command(words: &[OsString], begun: impl FnOnce()) -> Went {
    let failed = |code, err: &dyn std::fmt::Display| {
        let name = words.first().map(|it| it.to_string_lossy()).unwrap_or_default();
        eprintln!("aurora: {name}: {err}");
        Went { code, status: RunStatus::Failed, took: Duration::ZERO, cpu_ms: Some(0) }
    };
    let Some((program, arguments)) = words.split_first() else {
        return failed(NOT_FOUND, &"no command");
    };
    // Before the command runs: what reaches us from here on is for it.
    let mut signals = match signals() {
        Ok(signals) => signals,
        Err(err) => return failed(NOT_RUNNABLE, &err),
    };
    let (cpu_before, began) = (cpu::of_children_ms(), Instant::now());
    let child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return failed(NOT_FOUND, &err),
        Err(err) => return failed(NOT_RUNNABLE, &err),
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let mut ended = match waited_for(child) {
        Ok(ended) => ended,
        Err(err) => return failed(NOT_RUNNABLE, &err),
    };
    begun();
    let mut was_told_to_end = false;
    let status = loop {
        tokio::select! {
            status = &mut ended => break status.ok().and_then(Result::ok),
            caught = next(&mut signals) => {
                was_told_to_end = true;
                if let Some(pid) = pid.filter(|_| !is_from_the_terminal(caught)) {
                    // It may have ended just now.
                    let _ = kill_process(pid, caught);
                }
            }
        }
    };
    let took = began.elapsed();
    let cpu_ms = cpu::of_children_ms().zip(cpu_before).map(|(now, before)| (now - before).max(0));
    let Some(status) = status else { return failed(NOT_RUNNABLE, &"cannot be waited for") };
    Went { code: code(status), status: outcome(status, was_told_to_end), took, cpu_ms }
}

/// Those that are not ignored: what `nohup` has us ignore, the command ignores too.
fn signals() -> io::Result<Vec<(Signal, Caught)>> {
    let ignored = ignored();
    let caught = PASSED_ON.into_iter().filter(|it| ignored & (1 << (it.1 - 1)) == 0);
    caught.map(|(name, number)| Ok((name, signal(SignalKind::from_raw(number))?))).collect()
}

/// A bit for each signal that this process was started with as ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|it| it.strip_prefix("SigIgn:"));
    mask.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()).unwrap_or(0)
}

async fn next(signals: &mut [(Signal, Caught)]) -> Signal {
    std::future::poll_fn(|context| {
        for (name, caught) in signals.iter_mut() {
            if caught.poll_recv(context).is_ready() {
                return std::task::Poll::Ready(*name);
            }
        }
        std::task::Poll::Pending
    })
    .await
}

/// Ctrl-C and Ctrl-\ reach the whole foreground group of the terminal, the command included.
fn is_from_the_terminal(caught: Signal) -> bool {
    let is_key = caught == Signal::INT || caught == Signal::QUIT;
    let terminal = std::fs::File::open("/dev/tty");
    is_key
        && terminal
            .is_ok_and(|it| rustix::termios::tcgetpgrp(&it).is_ok_and(|group| group == getpgrp()))
}

fn waited_for(mut child: Child) -> io::Result<oneshot::Receiver<io::Result<ExitStatus>>> {
    let (tell, ended) = oneshot::channel();
    let wait = move || {
        let _ = tell.send(child.wait());
    };
    std::thread::Builder::new().name("command".to_owned()).spawn(wait)?;
    Ok(ended)
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|it| 128 + it));
    code.and_then(|it| u8::try_from(it).ok()).unwrap_or(1)
}

/// Whoever ends the work before it is done has interrupted it, however the command takes that.
fn outcome(status: ExitStatus, was_told_to_end: bool) -> RunStatus {
    let ended_by = status.signal().is_some_and(|it| PASSED_ON.iter().any(|own| own.1 == it));
    match () {
        () if was_told_to_end || ended_by => RunStatus::Interrupted,
        () if status.success() => RunStatus::Success,
        () => RunStatus::Failed,
    }
}
