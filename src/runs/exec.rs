//! `aurora run exec`: runs a command as if it were not there, and records the work.
//!
//! # Promises
//! - The command has our standard input, output and error, our environment and process group; its
//!   exit code is ours, 128 and the signal's number if a signal ended it.
//! - SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 that reach us reach it. What the terminal
//!   sends goes to the whole foreground group by itself, and is not sent a second time.
//! - Whatever happens to the record, the command's outcome is untouched: that is a line on standard
//!   error.
//! - Who kills us while the command runs, or after it, loses no record of it ([`super::begun`]).

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use tokio::signal::unix::{Signal as Caught, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use ulid::Ulid;

use super::begun::{Keeper, Mark};
use super::record::{Worth, command_line, occasion};
use super::spool::Spool;
use super::tell::{Home, Told, tell};
use super::{cpu, sync, user};
use crate::domain::{Label, Note, Run, RunId, RunStatus, Seconds, Timestamp};

/// The kernel has handed them over already; reading of it takes one look.
const LAST_SIGNALS: Duration = Duration::from_millis(1);
/// What a shell says of a command that is not there, and of one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
/// Signals that are passed on, and whether they mean that the work is to end.
const PASSED_ON: [(Signal, bool); 6] = [
    (Signal::HUP, true),
    (Signal::INT, true),
    (Signal::QUIT, true),
    (Signal::TERM, true),
    (Signal::USR1, false),
    (Signal::USR2, false),
];

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
    /// Leave the command line out: the team reads the slug alone.
    #[arg(long, conflicts_with = "command")]
    no_command: bool,
    /// Seconds of it that a machine worked by itself.
    #[arg(long, value_parser = super::record::seconds)]
    automation: Option<Seconds>,
    #[command(flatten)]
    worth: Worth,
    /// The command and what it is given.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    words: Vec<OsString>,
}

/// Tells how a child ended.
type Ended = oneshot::Receiver<io::Result<ExitStatus>>;

/// How the command went.
struct Went {
    code: u8,
    status: RunStatus,
    took: Duration,
    cpu_ms: Option<i64>,
}

/// Runs it; the exit code. `home`: where it is recorded, or why it is not.
pub async fn exec(exec: Exec, home: Result<Home, String>) -> u8 {
    let planned = home.and_then(|home| Ok((described(&exec)?, home)));
    let occasion = occasion();
    let mut keeper = None;
    let begun = || {
        let Ok((run, home)) = &planned else { return };
        let asked = user::ask(home.user.as_deref());
        let spool = Spool::of(&home.data_dir);
        keeper = Keeper::begin(spool, run.clone(), occasion.clone(), asked);
    };
    let went = command(&exec.words, begun).await;
    let code = went.code;
    let recorded = match planned {
        Ok((run, home)) => {
            let (user_id, begun) = keeper
                .and_then(Keeper::end)
                .unwrap_or_else(|| (user::ask(home.user.as_deref()).answer(), None));
            let run = ended(Run { user_id, ..run }, &went, exec.automation).named(&occasion);
            record(&run, begun, &home).await
        }
        Err(why) => Err(why),
    };
    if let Err(why) = recorded {
        say(format_args!("this run is not recorded: {why}"));
    }
    code
}

/// To standard error, which may be closed or full, and is the command's too.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "aurora: {line}");
}

/// What is known of it at its beginning.
fn described(exec: &Exec) -> Result<Run, String> {
    let command = match &exec.command {
        _ if exec.no_command => exec.slug.as_str().to_owned(),
        Some(command) => command_line(std::iter::once(OsStr::new(command))),
        None => command_line(exec.words.iter().map(OsString::as_os_str)),
    };
    Ok(Run {
        run_id: RunId(Ulid::nil()),
        user_id: Note::default(),
        timestamp: Timestamp::from(SystemTime::now()),
        slug: exec.slug.clone(),
        command: Note::parse(&command).map_err(|err| format!("the command {err}"))?,
        status: RunStatus::Interrupted,
        duration_seconds: Seconds::default(),
        automation_seconds: exec.automation.unwrap_or_default(),
        lines_migrated: exec.worth.lines,
        manual_estimate_seconds: exec.worth.manual_estimate,
        report_path: exec.worth.report_path().map_err(|err| format!("{err:#}"))?,
        call_id: None,
    })
}

fn ended(run: Run, went: &Went, automation: Option<Seconds>) -> Run {
    let took = Seconds::new(went.took.as_secs_f64()).unwrap_or_default();
    let worked = went.cpu_ms.map_or(took, |it| Seconds::from_millis(it).unwrap_or_default());
    Run {
        timestamp: Timestamp::from(SystemTime::now()),
        status: went.status,
        duration_seconds: took,
        automation_seconds: automation.unwrap_or(worked),
        ..run
    }
}

async fn record(run: &Run, begun: Option<Mark>, home: &Home) -> Result<(), String> {
    run.check().map_err(|err| err.to_string())?;
    match tell(home, run, begun).await {
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
        say(format_args!("{name}: {err}"));
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
    // Also before: a command that nobody can wait for is not begun.
    let (give, mut ended) = match waiter() {
        Ok(waiter) => waiter,
        Err(err) => return failed(NOT_RUNNABLE, &err),
    };
    let (cpu_before, began) = (cpu::of_children_ms(), Instant::now());
    let child = match Command::new(program).args(arguments).spawn() {
        Ok(child) => child,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return failed(NOT_FOUND, &err),
        Err(err) => return failed(NOT_RUNNABLE, &err),
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // It waits for nothing else.
    let _ = give.send(child);
    begun();
    let mut was_told_to_end = false;
    let status = loop {
        tokio::select! {
            status = &mut ended => break status.ok().and_then(Result::ok),
            caught = next(&mut signals) => {
                was_told_to_end |= ends_work(caught);
                if let Some(pid) = pid.filter(|_| !is_from_the_terminal(caught)) {
                    // It may have ended just now.
                    let _ = kill_process(pid, caught);
                }
            }
        }
    };
    let took = began.elapsed();
    // What came just before the end may still be on its way to us.
    while let Ok(caught) = timeout(LAST_SIGNALS, next(&mut signals)).await {
        was_told_to_end |= ends_work(caught);
    }
    let cpu_ms = cpu::of_children_ms().zip(cpu_before).map(|(now, before)| (now - before).max(0));
    let Some(status) = status else { return failed(NOT_RUNNABLE, &"cannot be waited for") };
    Went { code: code(status), status: outcome(status, was_told_to_end), took, cpu_ms }
}

/// Those that are not ignored: what `nohup` has us ignore, the command ignores too.
fn signals() -> io::Result<Vec<(Signal, Caught)>> {
    let ignored = ignored();
    let names = PASSED_ON.into_iter().map(|it| it.0);
    let caught = names.filter(|it| ignored & (1 << (it.as_raw() - 1)) == 0);
    caught.map(|it| Ok((it, signal(SignalKind::from_raw(it.as_raw()))?))).collect()
}

fn ends_work(caught: Signal) -> bool {
    PASSED_ON.contains(&(caught, true))
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

/// A thread that waits for the command it is given.
fn waiter() -> io::Result<(mpsc::Sender<Child>, Ended)> {
    let (give, given) = mpsc::channel::<Child>();
    let (tell, ended) = oneshot::channel();
    let wait = move || {
        if let Ok(mut child) = given.recv() {
            let _ = tell.send(child.wait());
        }
    };
    std::thread::Builder::new().name("command".to_owned()).spawn(wait)?;
    Ok((give, ended))
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|it| 128 + it));
    code.and_then(|it| u8::try_from(it).ok()).unwrap_or(1)
}

/// Whoever ends the work before it is done has interrupted it, however the command takes that.
fn outcome(status: ExitStatus, was_told_to_end: bool) -> RunStatus {
    let ended_by = status.signal().and_then(Signal::from_named_raw).is_some_and(ends_work);
    match () {
        () if was_told_to_end || ended_by => RunStatus::Interrupted,
        () if status.success() => RunStatus::Success,
        () => RunStatus::Failed,
    }
}
