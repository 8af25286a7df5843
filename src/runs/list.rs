//! What is known here of finished work: by the server, or by the files that one left.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::elsewhere::TeamReader;
use super::hand_over::{Found, look};
use super::spool::{Place, Spool};
use super::stats::Stats;
use super::tell::Home;
use crate::domain::{Run, RunId, SyncStatus, Timestamp};
use crate::readers::archive::{self, Reads, RunsQuestion, TeamQuestion};
use crate::readers::firebase;

/// For a server to answer a question about the past.
const PATIENCE: Duration = Duration::from_secs(10);

/// A run, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    #[serde(flatten)]
    pub run: Run,
    pub sync_status: SyncStatus,
}

/// The latest runs, newest first.
///
/// # Errors
/// If neither server nor files can be read.
pub async fn latest(home: &Home, limit: usize) -> anyhow::Result<Vec<Listed>> {
    let mut runs = in_spool(home)?;
    let recorded = match look(&home.data_dir, home.token.as_deref()) {
        Found::Server(server) => {
            let mut answer = server.get(&format!("/api/runs?limit={limit}"), PATIENCE).await?;
            serde_json::from_value(answer["runs"].take())?
        }
        // A command that has the folder for a moment does not keep anybody from reading.
        Found::Busy(_) | Found::Nobody => in_archive(home, limit).await?,
    };
    for it in recorded {
        runs.retain(|own| own.run.run_id != it.run.run_id);
        runs.push(it);
    }
    runs.sort_by_key(|it| std::cmp::Reverse((it.run.timestamp, it.run.run_id)));
    runs.truncate(limit);
    Ok(runs)
}

fn in_spool(home: &Home) -> anyhow::Result<Vec<Listed>> {
    let spool = Spool::of(&home.data_dir);
    let mut runs = Vec::new();
    for (place, sync_status) in [
        (Place::Waiting, SyncStatus::PendingSync),
        (Place::Sent, SyncStatus::Synced),
        (Place::Refused, SyncStatus::Failed),
    ] {
        let found = spool.list(place, usize::MAX)?;
        runs.extend(found.into_iter().map(|run| Listed { run, sync_status }));
    }
    Ok(runs)
}

fn reads(home: &Home) -> Option<Arc<Reads>> {
    let path = archive::path(&home.data_dir);
    path.is_file().then(|| Reads::new(path))
}

async fn in_archive(home: &Home, limit: usize) -> anyhow::Result<Vec<Listed>> {
    let Some(reads) = reads(home) else { return Ok(Vec::new()) };
    let page = reads.runs(RunsQuestion { limit, ..RunsQuestion::default() }).await?;
    let journal = archive::last_position(&archive::path(&home.data_dir)).map(|it| it.journal);
    let mirror = home.data_dir.join("readers").join("firebase.json");
    let cursor = firebase::Cursor::open(&mirror).ok();
    let acked = cursor.as_ref().and_then(|it| it.position());
    let acked = acked.filter(|it| Some(it.journal) == journal).map_or(0, |it| it.seq);
    let status = |run: &Run, seq| {
        let path = firebase::run_path(run);
        let failed = cursor.iter().flat_map(|it| it.failed().as_slice());
        match () {
            () if failed.into_iter().any(|it| it.path.starts_with(&path)) => SyncStatus::Failed,
            () if seq <= acked => SyncStatus::Synced,
            () => SyncStatus::PendingSync,
        }
    };
    let listed =
        |it: archive::RecordedRun| Listed { sync_status: status(&it.run, it.seq), run: it.run };
    Ok(page.items.into_iter().map(listed).collect())
}

/// The team in the last days.
///
/// # Errors
/// As [`latest`].
pub async fn team(home: &Home, days: u32) -> anyhow::Result<Stats> {
    if let Found::Server(server) = look(&home.data_dir, home.token.as_deref()) {
        let answer = server.get(&format!("/api/team/stats?days={days}"), PATIENCE).await?;
        return Ok(serde_json::from_value(answer)?);
    }
    if !home.data_dir.is_dir() {
        bail!("there is no data folder {}: set AURORA_DATA_DIR", home.data_dir.display());
    }
    let asked = TeamQuestion { now: Timestamp::from(SystemTime::now()), days };
    let spooled = in_spool(home)?;
    let mut known: Vec<RunId> = Vec::new();
    let mut team = archive::Team::default();
    if let Some(reads) = reads(home) {
        known = reads.known_runs(spooled.iter().map(|it| it.run.run_id).collect()).await?;
        team = reads.team(asked).await?;
    }
    let mut own: Vec<Run> = spooled.into_iter().map(|it| it.run).collect();
    own.retain(|it| !known.contains(&it.run_id));
    let (mut others, elsewhere) = TeamReader::open(&home.data_dir, false).known();
    others.retain(|it| own.iter().all(|own| own.run_id != it.run_id));
    for run in own.iter().chain(&others) {
        team.add_run(run, asked);
    }
    Ok(Stats::new(team, asked, elsewhere))
}
