//! Those who follow the journal, each with where it stands.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use crossbeam_channel::Receiver;
use tracing::warn;

use super::runs::with_runs;
use crate::config::Config;
use crate::conversation::desk::{Desk, DeskError};
use crate::domain::{Call, CallId, Position, RemoteClock};
use crate::erasure;
use crate::journal::Journal;
use crate::readers::archive::{self, Archive, Look};
use crate::readers::firebase::{
    self, ClientSettings, Credentials, Download, DownloadSettings, Gone, Here, Mirror, MirrorLink,
    MirrorSettings, MirrorStatus, NotTaken, Pace, TakeIn, Target, Wishes,
};
use crate::readers::keeper::{self, Floor};
use crate::readers::live::Live;
use crate::readers::snapshot::{self, Checkpoint};

/// Up to where the mirror and the archive have read, as far as they tell.
pub fn handed_out(config: &Config) -> Vec<Position> {
    let mirror = firebase::Cursor::open(&mirror_file(config)).ok().and_then(|it| it.position());
    let archive = archive::last_position(&archive::path(&config.data_dir));
    mirror.into_iter().chain(archive).collect()
}

/// Where the mirror keeps its position.
pub fn mirror_file(config: &Config) -> PathBuf {
    config.data_dir.join("readers").join("firebase.json")
}

/// The database to mirror to, if there is one.
///
/// # Errors
/// Which setting is wrong.
pub fn mirrored_to(config: &Config) -> anyhow::Result<Option<ClientSettings>> {
    let url = config.firebase_url.as_ref();
    let target = match (&config.firebase_emulator, url) {
        (Some(host), url) => {
            Target::emulator(host, url).context("FIREBASE_DATABASE_EMULATOR_HOST")?
        }
        (None, Some(url)) => Target::database(url).context("FIREBASE_DATABASE_URL")?,
        (None, None) => return Ok(None),
    };
    let credentials = match (&config.firebase_credentials, &config.google_credentials) {
        _ if target.is_emulator() => Credentials::Emulator,
        (Some(json), _) => Credentials::KeyJson(json.expose().to_owned()),
        (None, Some(path)) => Credentials::KeyFile(path.clone()),
        (None, None) => Credentials::Metadata,
    };
    Ok(Some(ClientSettings::new(target, credentials)))
}

pub fn start_mirror(
    config: &Config,
    client: ClientSettings,
    journal: &Arc<Journal>,
    archive: &Arc<Archive>,
    desk: &Arc<Desk>,
    link: &MirrorLink,
) -> anyhow::Result<()> {
    if config.firebase_emulator.is_some()
        && (config.google_credentials.is_some() || config.firebase_credentials.is_some())
    {
        warn!("FIREBASE_DATABASE_EMULATOR_HOST is set: the real database is not mirrored to.");
    }
    let mut settings = MirrorSettings::new(
        client,
        mirror_file(config),
        config.node.clone(),
        journal.id().to_string(),
    );
    settings.pace = Pace::of(config.firebase_requests_per_second);
    let data_dir = config.data_dir.clone();
    let erased = move || {
        erasure::erased_calls(&data_dir).unwrap_or_else(|err| {
            warn!(error = %err, "The mirror is not told which calls were erased long ago.");
            Vec::new()
        })
    };
    let path = archive.path().to_owned();
    let archived = move |calls| archived_of(&path, calls);
    let gone = Gone { erased: Box::new(erased), archived: Arc::new(archived) };
    let source = firebase::follow(Arc::clone(journal), config.node.as_str().into(), gone);
    let source = with_runs(source, journal, archive, &config.data_dir);
    let take_in = taking_in(desk, link.status());
    let mirror = Mirror::start(settings, source, journal.bell(), link.status(), take_in)?;
    link.started(mirror);
    Ok(())
}

/// Starts to listen to what others change in the mirror's database, if there is one.
pub fn start_listening(
    config: &Config,
    client: Option<ClientSettings>,
    desk: &Arc<Desk>,
    journal: &Arc<Journal>,
    live: &Live,
    link: &MirrorLink,
) -> anyhow::Result<()> {
    let environment = config.realtime_sync.as_deref().map(str::parse).transpose();
    let environment = environment.context("AURORA_REALTIME_SYNC")?;
    let wishes = Wishes { person: link.status().wished(), environment };
    let Some(client) = client else { return Ok(()) };
    let settings = DownloadSettings::new(client, config.node.clone(), wishes);
    let here = here(desk, journal);
    link.listens(Download::start(settings, here, live.viewers(), link.status())?);
    Ok(())
}

/// Our side, as those who follow the database see it.
fn here(desk: &Arc<Desk>, journal: &Arc<Journal>) -> Here {
    let (edits, words) = (Arc::clone(desk), Arc::clone(desk));
    let (one, all) = (Arc::clone(journal), Arc::clone(journal));
    Here {
        take_in: Arc::new(move |remote, clock| {
            let desk = Arc::clone(&edits);
            Box::pin(async move { desk.take_in(remote, clock).await.map_err(not_taken) })
        }),
        take_in_words: Arc::new(move |remote| {
            let desk = Arc::clone(&words);
            Box::pin(async move { desk.take_in_words(remote).await.map_err(not_taken) })
        }),
        call: Arc::new(move |id| one.view(|state| state.call(id).cloned())),
        calls: Arc::new(move || all.view(|state| state.calls().cloned().collect())),
    }
}

fn not_taken(err: DeskError) -> NotTaken {
    match err {
        DeskError::NoSuchCall => NotTaken::Gone,
        DeskError::CallEnded => NotTaken::Ended,
        other => NotTaken::Later(other.to_string()),
    }
}

/// Those of `calls` that are over and in the archive.
fn archived_of(archive: &Path, mut calls: Vec<CallId>) -> Vec<CallId> {
    let look = match Look::open(archive) {
        Ok(Some(look)) => look,
        Ok(None) => return Vec::new(),
        Err(err) => {
            warn!(error = %err, "Past calls stay in the database: the archive can't be asked.");
            return Vec::new();
        }
    };
    calls.retain(|id| matches!(look.call(*id), Ok(Some(call)) if !call.is_open()));
    calls
}

/// For readers of the database: their way to the desk.
fn taking_in(desk: &Arc<Desk>, status: Arc<MirrorStatus>) -> TakeIn {
    let desk = Arc::clone(desk);
    Box::new(move |remote, offset_ms| {
        let clock = RemoteClock { acked_seq: status.acked_seq(), offset_ms, puts_back: false };
        let cant = |err: &dyn Display| format!("what was changed there can't be taken in: {err}");
        // Of its own: the mirror's thread does not wait for the server's.
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().build().map_err(|err| cant(&err))?;
        match runtime.block_on(desk.take_in(remote, clock)) {
            Ok(_) | Err(DeskError::NoSuchCall) => Ok(()),
            Err(err) => Err(cant(&err)),
        }
    })
}

pub fn spawn_snapshot(
    config: &Config,
    checkpoint: &Arc<Checkpoint>,
    journal: &Arc<Journal>,
    mirror: &Arc<MirrorLink>,
    end: Receiver<()>,
) -> std::io::Result<JoinHandle<()>> {
    let (journal, mirror) = (Arc::clone(journal), Arc::clone(mirror));
    let (bell, checkpoint) = (journal.bell(), Arc::clone(checkpoint));
    let grown_bytes = config.checkpoint_bytes;
    std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
        let sync_of = |call: &Call| mirror.sync_of(call);
        snapshot::follow(&journal, &bell, &end, &checkpoint, grown_bytes, &sync_of);
    })
}

/// Up to where each who follows the journal never reads again.
pub fn floors(
    checkpoint: &Arc<Checkpoint>,
    mirror: &Arc<MirrorLink>,
    mirrors: bool,
    archive: &Arc<Archive>,
) -> Vec<Floor> {
    let (checkpoint, status) = (Arc::clone(checkpoint), mirror.status());
    let archive = Arc::clone(archive);
    vec![
        Box::new(move || Some(checkpoint.saved_seq())),
        Box::new(move || mirrors.then(|| status.saved_seq())),
        Box::new(move || Some(archive.durable_seq())),
    ]
}

pub fn spawn_keeper(
    journal: &Arc<Journal>,
    floors: Vec<Floor>,
    end: Receiver<()>,
) -> std::io::Result<JoinHandle<()>> {
    let (journal, bell) = (Arc::clone(journal), journal.bell());
    std::thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || keeper::follow(&journal, &bell, &end, &floors, keeper::PAUSE))
}
