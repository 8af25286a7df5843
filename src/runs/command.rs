//! `aurora run`: its options, and what it prints.

use std::io::Write;

use anyhow::{Context as _, anyhow, ensure};
use clap::Subcommand;

use super::exec::{Exec, exec};
use super::list::{Listed, latest, team};
use super::record::Record;
use super::stats::{Numbers, Stats};
use super::sync::{self, sync};
use super::tell::{Home, Told, tell};
use super::user;
use crate::readers::archive::MAX_DAYS;
use crate::readers::firebase::ClientSettings;

/// Records finished work, and shows what the team has done.
///
/// Works with no server running and offline: what waits is kept in the data folder.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Record work that is finished.
    Record(Record),
    Exec(Exec),
    /// Show the latest runs that are known here, newest first.
    List(List),
    /// Send what waits: to the server on the data folder, else straight to the database.
    Sync(Sync),
    /// Show what everybody has done.
    Team(TeamOptions),
}

#[derive(Debug, clap::Args)]
struct List {
    /// At most so many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u8).range(1..=200))]
    limit: u8,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Sync {
    /// Print nothing.
    #[arg(long)]
    quiet: bool,
}

#[derive(Debug, clap::Args)]
struct TeamOptions {
    /// The last so many days, today included.
    #[arg(long, default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DAYS)))]
    days: u32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Does it; the exit code. `home`: where runs go, or why that is not known. `database`: tells which
/// one runs are sent to if no server does.
///
/// # Errors
/// What was asked for was not done. Not of `exec`, whose outcome is its command's.
pub async fn run(
    options: Options,
    home: Result<Home, String>,
    database: impl FnOnce() -> anyhow::Result<Option<ClientSettings>>,
) -> anyhow::Result<u8> {
    if let What::Exec(it) = options.what {
        return Ok(exec(it, home).await);
    }
    let home = home.map_err(|err| anyhow!(err))?;
    let text = match options.what {
        What::Exec(_) => String::new(),
        What::Record(it) => record(it, &home).await?,
        What::List(it) => lines(&latest(&home, it.limit.into()).await?, it.json)?,
        What::Sync(it) => send(&home, database()?, it.quiet).await?,
        What::Team(it) => {
            let stats = team(&home, it.days).await?;
            if it.json { format!("{}\n", serde_json::to_string(&stats)?) } else { table(&stats) }
        }
    };
    std::io::stdout().write_all(text.as_bytes()).context("the result cannot be printed")?;
    Ok(0)
}

async fn record(record: Record, home: &Home) -> anyhow::Result<String> {
    let user = user::ask(home.user.as_deref()).answer();
    let run = record.into_run(user)?;
    if tell(home, &run, None).await? == Told::Spool {
        sync::in_background(home);
    }
    Ok(format!("{}\n", run.run_id))
}

async fn send(
    home: &Home,
    database: Option<ClientSettings>,
    is_quiet: bool,
) -> anyhow::Result<String> {
    let synced = sync(home, database).await?;
    if let Some((n_refused, reason)) = synced.refused {
        ensure!(n_refused == 0, "the database refuses {n_refused} of them: {reason}");
    }
    let told = match synced.n_sent {
        0 => "nothing waits".to_owned(),
        n => format!("{} has {n} more", synced.by),
    };
    Ok(if is_quiet { String::new() } else { format!("{told}\n") })
}

fn lines(runs: &[Listed], is_json: bool) -> anyhow::Result<String> {
    let mut text = String::new();
    for it in runs {
        if is_json {
            text += &serde_json::to_string(it)?;
        } else {
            text += &format!(
                "{}  {:<11}  {:<12}  {:>9}  {}  {}  {}",
                it.run.timestamp,
                it.run.status.as_str(),
                it.sync_status.as_str(),
                format!("{:.1} s", it.run.duration_seconds.get()),
                it.run.user_id,
                it.run.slug,
                it.run.command,
            );
        }
        text.push('\n');
    }
    Ok(text)
}

fn table(stats: &Stats) -> String {
    let width = stats.people.iter().map(|it| it.user_id.chars().count()).max().unwrap_or(0).max(6);
    let heading = format!(
        "{:<width$}  {:>7}  {:>7}  {:>11}  {:>9}  last activity\n",
        "who", "runs", "success", "hours saved", "lines"
    );
    let row = |name: &str, it: &Numbers| {
        format!(
            "{name:<width$}  {:>7}  {:>7}  {:>11}  {:>9}  {}\n",
            it.runs,
            it.success_rate.map_or("-".to_owned(), |rate| format!("{:.0}%", rate * 100.0)),
            format!("{:.1}", it.hours_saved),
            it.lines_migrated,
            it.last_activity.map_or("-".to_owned(), |at| at.to_string()),
        )
    };
    let people = stats.people.iter().map(|it| row(&it.user_id, &it.numbers));
    let age = match (&*stats.elsewhere.state, stats.elsewhere.age_seconds) {
        ("old", Some(age)) => format!("Runs of other machines are known as of {age} s ago.\n"),
        _ => String::new(),
    };
    let rows: String = people.collect();
    format!("{heading}{rows}{}{age}", row("all", &stats.total))
}
