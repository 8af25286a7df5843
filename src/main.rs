//! The command `aurora`.

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use aurora::app::{self, Running};
use aurora::config::Config;
use aurora::exchange::{self, Interrupt};
use aurora::{care, load, runs, telemetry};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, warn};
use url::Url;

/// A voice-call conversation server: answers at once, loses no word.
///
/// Settings come from the environment and `.env`; `.env.example` explains every one.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default).
    Serve,
    /// Measure a running server: callers that speak, and supervisors that look.
    Load(Load),
    Verify(care::verify::Options),
    Repair(care::repair::Options),
    Backup(care::backup::Options),
    Import(exchange::import::Options),
    Export(exchange::export::Options),
    /// Erase every call of one number, for good.
    Erase(Erase),
    Run(runs::Options),
}

/// Speaks with many callers at once and reports times and throughput.
///
/// Each caller opens a call on the server at --url and ends it afterwards; what they say is stored
/// like any caller's words. Measure on a data folder of its own.
#[derive(clap::Args)]
struct Load {
    /// Where the server is.
    #[arg(long, default_value = "http://127.0.0.1:5000")]
    url: Url,
    /// Supervisors' token; needed for viewers, and beyond loopback.
    #[arg(long, env = "AURORA_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Callers who speak at the same time.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    callers: u16,
    /// Boards that watch at the same time.
    #[arg(long, default_value_t = 0)]
    viewers: u16,
    /// Turns a second of all callers together [default: as fast as the answers come].
    #[arg(long)]
    rate: Option<f64>,
    /// How long.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    seconds: u16,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Takes all calls of a number out of the journal, total.json, the archive, its index and the
/// mirror's database, and prints a receipt that holds none of it.
///
/// A server that runs on the data folder does it; without one this command does. A call that is
/// still going on, or on legal hold, is refused. Backups, exports, the phone provider's logs and
/// what others said of the caller stay as they are.
#[derive(clap::Args)]
struct Erase {
    /// The number, as the provider names it: +15550100.
    #[arg(long)]
    caller: String,
    /// Who does it; stands in the receipt.
    #[arg(long)]
    by: String,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(err) => {
            eprintln!("aurora: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Command::Run(options)) = arguments.command {
        return work(options);
    }
    command(arguments).map(|()| ExitCode::SUCCESS)
}

/// A run: settings are read and not set, so that a command that is run has its own environment.
fn work(options: runs::Options) -> anyhow::Result<ExitCode> {
    telemetry::init(Some("warn"))?;
    let mut file = HashMap::new();
    if let Ok(settings) = dotenvy::dotenv_iter() {
        file.extend(settings.flatten());
    }
    let lookup = |name: &str| std::env::var(name).ok().or_else(|| file.get(name).cloned());
    let config = Config::from_lookup(lookup);
    let home = config.as_ref().map_err(ToString::to_string).map(|it| runs::Home {
        data_dir: it.data_dir.clone(),
        user: it.user.clone(),
        token: it.admin_token.as_ref().map(|it| it.expose().to_owned()),
        mirrors: it.mirrors(),
    });
    let database = || app::mirrored_to(config.as_ref().map_err(|err| anyhow::anyhow!("{err}"))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(runs::run(options, home, database))?;
    // A question that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

fn command(arguments: Arguments) -> anyhow::Result<()> {
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(err) if err.not_found() => {}
        Err(err) => return Err(err).context(".env cannot be read"),
    }
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(),
        Command::Load(options) => load(options),
        Command::Backup(options) => Ok(care::backup::run(&options, &settings()?.data_dir)?),
        Command::Repair(options) => {
            let config = settings()?;
            let mut out = std::io::stdout().lock();
            Ok(care::repair::run(options, &config.data_dir, &config.node, &mut out)?)
        }
        Command::Verify(options) => {
            let config = settings()?;
            Ok(care::verify::run(options, &config.data_dir, &mut std::io::stdout().lock())?)
        }
        Command::Import(options) => {
            let (place, interrupt) = at_the_data_folder()?;
            let mut out = std::io::stdout().lock();
            Ok(exchange::import::run(&options, &place, &interrupt, &mut out)?)
        }
        Command::Export(options) => {
            let (place, interrupt) = at_the_data_folder()?;
            Ok(exchange::export::run(&options, &place, &interrupt)?)
        }
        Command::Erase(options) => erase(&options),
        Command::Run(options) => work(options).map(drop),
    }
}

/// What a command needs that works on the data folder.
fn settings() -> anyhow::Result<Config> {
    telemetry::init(std::env::var("RUST_LOG").ok().as_deref().or(Some("warn")))?;
    Ok(Config::from_lookup(|name| std::env::var(name).ok())?)
}

/// What a command needs that works where a server does.
fn at_the_data_folder() -> anyhow::Result<(exchange::Place, Interrupt)> {
    telemetry::init(std::env::var("RUST_LOG").ok().as_deref().or(Some("warn")))?;
    let config = Config::from_lookup(|name| std::env::var(name).ok())?;
    let place = exchange::Place {
        data_dir: config.data_dir,
        node: config.node,
        max_open_calls: config.max_open_calls,
    };
    let interrupt = Interrupt::watch().context("signals cannot be caught")?;
    Ok((place, interrupt))
}

fn load(options: Load) -> anyhow::Result<()> {
    anyhow::ensure!(options.rate.is_none_or(|it| it > 0.0), "--rate must be above 0");
    let is_json = options.json;
    let options = load::Options {
        token: options.token,
        callers: usize::from(options.callers),
        viewers: usize::from(options.viewers),
        rate: options.rate,
        duration: Duration::from_secs(u64::from(options.seconds)),
        ..load::Options::new(options.url)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = tokio::task::LocalSet::new().block_on(&runtime, load::run(options))?;
    let text =
        if is_json { format!("{}\n", serde_json::to_string(&report)?) } else { report.to_string() };
    std::io::stdout().write_all(text.as_bytes()).context("the report cannot be printed")?;
    anyhow::ensure!(report.refused == 0, "{} turns were refused", report.refused);
    Ok(())
}

fn erase(options: &Erase) -> anyhow::Result<()> {
    telemetry::init(std::env::var("RUST_LOG").ok().as_deref())?;
    let config = Config::from_lookup(|name| std::env::var(name).ok())?;
    let Erase { caller, by, yes } = options;
    let receipt = app::block_on(app::erase(&config, caller, by, *yes))?;
    let text = serde_json::to_string(&receipt)?;
    writeln!(std::io::stdout(), "{text}").context("the receipt cannot be printed")?;
    anyhow::ensure!(
        receipt.left.is_empty(),
        "erased, but these files could not be looked through: {}; remove what is theirs by hand",
        receipt.left.join(", ")
    );
    Ok(())
}

fn serve() -> anyhow::Result<()> {
    telemetry::init(std::env::var("RUST_LOG").ok().as_deref())?;
    let config = Config::from_lookup(|name| std::env::var(name).ok())?;
    app::block_on(async {
        let mut running = app::start(config).await?;
        if let Err(err) = greet(&running) {
            // Nobody reads it; callers are answered all the same.
            warn!(error = %err, "The addresses could not be printed.");
        }
        wait(&mut running).await?;
        end_in_time()?;
        running.stop().await
    })
}

/// Ends the process if its stop hangs, on a disk for example: somebody waits to start it again.
fn end_in_time() -> anyhow::Result<()> {
    let limit = || {
        std::thread::sleep(app::STOP_LIMIT);
        error!("The stop did not end in time, so it is cut short. The journal has everything.");
        std::process::exit(1);
    };
    std::thread::Builder::new().name("stop".to_owned()).spawn(limit)?;
    Ok(())
}

/// Tells a person how to go on.
fn greet(running: &Running) -> std::io::Result<()> {
    let (base, token) = (&running.link_base, running.admin_token.expose());
    let mut out = std::io::stdout().lock();
    writeln!(out, "Aurora answers on http://{}", running.address)?;
    writeln!(out)?;
    writeln!(out, "  Dashboard   {base}/login?token={token}")?;
    writeln!(out, "  Try a call  {base}/web-call")?;
    writeln!(
        out,
        "  Or say it   curl -s {base}/api/process-speech -H 'Content-Type: application/json' \
         -d '{{\"speech\": \"There is a fire in the warehouse\", \"ph_no\": \"+15550100\"}}'"
    )?;
    writeln!(out)?;
    out.flush()
}

/// Until somebody asks the process to stop. SIGHUP reads the cards again.
async fn wait(running: &mut Running) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            served = running.served() => return served,
            _ = hang_up.recv() => {
                if let Err(err) = running.reload_cards() {
                    warn!(error = format!("{err:#}"), "The cards were not read again: the old ones stay.");
                }
            }
        }
    }
}
