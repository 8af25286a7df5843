//! `aurora run sync`: what waits goes to where it belongs, by a server or straight to the database.
//!
//! # Promises
//! - It ends: every request has a deadline, and so has the whole.
//! - Doing it twice, or twice at once, is doing it once: the same values under the same keys.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use tokio::time::timeout;

use super::hand_over::{Found, look};
use super::spool::{Place, Spool};
use super::tell::Home;
use crate::domain::Run;
use crate::readers::firebase::{self, Client, ClientSettings, WriteError};

/// Longest that all of it takes.
const LONGEST: Duration = Duration::from_secs(60);
/// Longest that a server takes to take everything in.
const TAKE_IN: Duration = Duration::from_secs(30);
/// For one request to the database; more than one attempt is the next run's matter.
const CONNECT: Duration = Duration::from_secs(5);
const REQUEST: Duration = Duration::from_secs(15);
/// Runs in one request.
const BATCH: usize = 200;

/// What became of what waited.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Synced {
    pub n_sent: usize,
    /// Refused by the database for good, and why the last of them was.
    pub refused: Option<(usize, String)>,
    /// Who has them now, in words.
    pub by: &'static str,
}

/// Sends what waits. `settings`: the database, if there is one.
///
/// # Errors
/// Why something waits still.
pub async fn sync(home: &Home, settings: Option<ClientSettings>) -> anyhow::Result<Synced> {
    timeout(LONGEST, all(home, settings))
        .await
        .unwrap_or_else(|_| bail!("it is not done within {LONGEST:?}; what waits is kept"))
}

async fn all(home: &Home, settings: Option<ClientSettings>) -> anyhow::Result<Synced> {
    let spool = Spool::of(&home.data_dir);
    match look(&home.data_dir, home.token.as_deref()) {
        Found::Server(server) => {
            let answer = server.post("/api/runs/take-in", Bytes::from("{}"), TAKE_IN).await?;
            let n_sent = answer["taken_in"].as_u64().unwrap_or(0) as usize;
            Ok(Synced { n_sent, refused: None, by: "the server" })
        }
        Found::Busy(why) => bail!("{why}: try again in a moment"),
        Found::Nobody => {
            // With nothing to send there is nobody to ask.
            let waiting = spool.list(Place::Waiting, usize::MAX)?;
            let refused = spool.list(Place::Refused, usize::MAX)?;
            if waiting.is_empty() && refused.is_empty() {
                return Ok(Synced { by: "the database", ..Synced::default() });
            }
            let settings = settings.context(
                "there is no database to send to: set FIREBASE_DATABASE_URL, or start a server",
            )?;
            let Some(_turn) = turn(spool.dir())? else {
                bail!("another `aurora run sync` is under way");
            };
            straight(&spool, settings, waiting, refused).await
        }
    }
}

/// The right to send; `None` if another process has it.
fn turn(dir: &Path) -> anyhow::Result<Option<File>> {
    let path = dir.join("sync.lock");
    let open = || File::options().create(true).truncate(false).write(true).open(&path);
    let file = open().with_context(|| format!("cannot open {}", path.display()))?;
    Ok(file.try_lock().is_ok().then_some(file))
}

async fn straight(
    spool: &Spool,
    settings: ClientSettings,
    waiting: Vec<Run>,
    refused: Vec<Run>,
) -> anyhow::Result<Synced> {
    let settings = ClientSettings { connect_timeout: CONNECT, total_timeout: REQUEST, ..settings };
    let mut client = Client::new(settings, Arc::default())?;
    let mut synced = Synced { by: "the database", ..Synced::default() };
    for (place, runs) in [(Place::Waiting, waiting), (Place::Refused, refused)] {
        for batch in runs.chunks(BATCH) {
            match send(&mut client, batch).await {
                Ok(()) => {
                    for run in batch {
                        spool.shift(run.run_id, place, Place::Sent)?;
                    }
                    synced.n_sent += batch.len();
                }
                Err(WriteError::Refused { .. }) => {
                    one_by_one(&mut client, spool, place, batch, &mut synced).await?;
                }
                Err(err) => return Err(err).context("the database does not take them"),
            }
        }
    }
    spool.trim_sent()?;
    Ok(synced)
}

/// Finds out which ones are refused.
async fn one_by_one(
    client: &mut Client,
    spool: &Spool,
    place: Place,
    batch: &[Run],
    synced: &mut Synced,
) -> anyhow::Result<()> {
    for run in batch {
        match send(client, std::slice::from_ref(run)).await {
            Ok(()) => {
                spool.shift(run.run_id, place, Place::Sent)?;
                synced.n_sent += 1;
            }
            Err(WriteError::Refused { reason, .. }) => {
                if place != Place::Refused {
                    spool.shift(run.run_id, place, Place::Refused)?;
                }
                let n_before = synced.refused.as_ref().map_or(0, |it| it.0);
                synced.refused = Some((n_before + 1, reason));
            }
            Err(err) => return Err(err).context("the database does not take them"),
        }
    }
    Ok(())
}

async fn send(client: &mut Client, runs: &[Run]) -> Result<(), WriteError> {
    let update: serde_json::Map<_, _> =
        runs.iter().map(|it| (firebase::run_path(it), firebase::run_value(it))).collect();
    let body = serde_json::to_vec(&update).expect("published objects have text keys only");
    client.patch(body.into()).await.map(|_| ())
}

/// Lets a process of its own send what waits, which nobody waits for and which holds nothing of
/// ours open.
pub fn in_background(home: &Home) {
    if !home.mirrors {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let begun = Command::new(program)
        .args(["run", "sync", "--quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    // What could not be begun is tried with the next run.
    drop(begun);
}
