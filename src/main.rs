//! The command `aurora`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use aurora::app::{self, Running};
use aurora::config::Config;
use aurora::telemetry;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing::warn;

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
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("aurora: {err:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match dotenvy::dotenv() {
        Ok(_) => {}
        Err(err) if err.not_found() => {}
        Err(err) => return Err(err).context(".env cannot be read"),
    }
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(),
    }
}

fn serve() -> anyhow::Result<()> {
    telemetry::init(std::env::var("RUST_LOG").ok().as_deref())?;
    let config = Config::from_lookup(|name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let mut running = app::start(config).await?;
        greet(&running)?;
        wait(&mut running).await?;
        running.stop().await
    })
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
