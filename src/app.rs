//! The wiring: who gets what, what starts before what, and what stops after what.

mod doors;
mod erase;
mod refusal;
mod stop;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crossbeam_channel::{Receiver, Sender};
use rustc_hash::FxHashSet;
use serde_json::json;
use tracing::{info, warn};

use self::doors::Doors;
pub use self::erase::erase;
pub use self::stop::STOP_LIMIT;

use crate::config::{Config, ModelConfig, Secret};
use crate::conversation::cards::Cards;
use crate::conversation::desk::{Desk, Limits};
use crate::conversation::keeping::Keeping;
use crate::conversation::model::{self, Model, ModelSettings};
use crate::domain::{Call, Position, Timestamp};
use crate::erasure::retention::Policy;
use crate::erasure::{self, Eraser, ErasureError};
use crate::journal::{self, DataLock, HolderState, Journal};
use crate::readers::archive::{self, Archive, Reads};
use crate::readers::firebase::{
    self, ClientSettings, Credentials, Mirror, MirrorLink, MirrorSettings, Target,
};
use crate::readers::keeper::{self, Floor};
use crate::readers::live::{self, Live};
use crate::readers::snapshot::{self, Checkpoint};
use crate::routes::{self, Auth, Context, Metrics, RateLimit};
use crate::telephony::Twiml;

/// How often the board is told of the mirror and the disk, if something changed.
const BOARD_INTERVAL: Duration = Duration::from_millis(500);
const INACTIVITY_INTERVAL: Duration = Duration::from_secs(15);
/// The policy is looked at when the start is over, then now and again.
const POLICY_FIRST: Duration = Duration::from_secs(3);
const POLICY_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// A local model may have to be loaded from disk.
const WARM_UP: Duration = Duration::from_secs(60);

/// Runs `work` on this thread with what the server needs around it.
///
/// Inside actix' own system every server thread has a runtime of its own. In a plain tokio runtime
/// they would all share that one, and each request would cross threads twice.
pub fn block_on<F: Future>(work: F) -> F::Output {
    actix_web::rt::System::new().block_on(work)
}

/// A server that is up.
pub struct Running {
    /// Where it listens; the port is real also if port 0 was asked for.
    pub address: SocketAddr,
    pub admin_token: Secret,
    /// Start of links to it.
    pub link_base: String,
    lock: Arc<DataLock>,
    doors: Doors,
    server: ServerHandle,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
    context: Data<Context>,
    /// Dropped to wake threads that rest.
    ending: Sender<()>,
    checkpoints: JoinHandle<()>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts everything: the journal first, what follows it, then the doors.
///
/// # Errors
/// What cannot be used and what to do about it; nothing is left running.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let started = Instant::now();
    create_private(&config.data_dir)
        .with_context(|| format!("cannot create the data folder {}", config.data_dir.display()))
        .map_err(refusal::explain)?;
    let cards = Arc::new(load_cards(&config)?);
    let twiml = twiml(&config, &cards)?;
    let model = config.model.as_ref().map(open_model).transpose()?;
    // First of all: an Aurora that stops still has the port, and may change anything in the folder.
    let lock = Arc::new(DataLock::wait(&config.data_dir).map_err(refusal::explain)?);
    let admin_token = admin_token(&config).map_err(refusal::explain)?;
    let listener = TcpListener::bind(config.bind)
        .with_context(|| format!("AURORA_BIND: cannot listen on {}", config.bind))?;
    let address = listener.local_addr()?;

    let stored = snapshot::load(&config.data_dir).map_err(refusal::explain)?;
    let saved_seq = stored.as_ref().map_or(0, |it| it.1.seq);
    let checkpoint = Arc::new(Checkpoint::new(config.data_dir.clone(), saved_seq));
    let (journal, opened) =
        Journal::open_locked(Arc::clone(&lock), journal_settings(&config), stored)
            .map_err(refusal::explain)?;
    info!(
        n_replayed = opened.n_replayed,
        n_open_calls = opened.n_open_calls,
        head = journal.head(),
        "The journal is open."
    );
    let (archive, archiving) = archive::start(&journal, &config.data_dir, config.archive_after)?;
    let mirror = Arc::new(MirrorLink::default());
    start_mirror(&config, &journal, &mirror)?;
    let live = {
        let mirror = Arc::clone(&mirror);
        Live::new(Arc::clone(&journal), config.max_streams, move |call| mirror.sync_of(call))
    };
    let floors = floors(&checkpoint, &mirror, config.mirrors(), &archive);
    let (ending, end) = crossbeam_channel::bounded(0);
    let checkpoints = spawn_snapshot(&config, &checkpoint, &journal, &mirror, end.clone())?;
    let threads = vec![live::spawn(&live)?, archiving, spawn_keeper(&journal, floors, end)?];
    let eraser = Arc::new(Eraser {
        data_dir: config.data_dir.clone(),
        journal: Arc::clone(&journal),
        archive: Arc::clone(&archive),
        mirror: Arc::clone(&mirror),
        live: Some(Arc::clone(&live)),
        checkpoint: Arc::clone(&checkpoint),
        keeping: Arc::new(Keeping::new(Arc::clone(&journal))),
        busy: Arc::default(),
    });
    // Before anybody can look: what is on its way out is out of sight.
    match eraser.resume().await {
        Err(err @ ErasureError::File(_)) => return Err(err.into()),
        // Callers must be answered; it is tried again with the policy.
        Err(err) => warn!(error = %err, "An erasure that was begun waits."),
        Ok(_) => {}
    }
    let limits = Limits { open_calls: config.max_open_calls, turns: config.max_turns };
    let desk = Desk::new(Arc::clone(&journal), cards, model.clone(), limits);
    if let Some(model) = model {
        tokio::spawn(async move {
            if let Err(err) = model.warm_up(WARM_UP).await {
                warn!(error = %err, "The model does not answer yet; cards do.");
            }
        });
    }

    let is_https = config.public_url.as_ref().is_some_and(|it| it.scheme() == "https");
    let link_base = config.link_base(address);
    let context = Data::new(Context {
        metrics: Metrics::new(&desk, &journal),
        auth: Auth::new(admin_token.expose(), is_https, config.trusted_proxies.clone()),
        rate: RateLimit::new(config.rate_limit),
        twiml: RwLock::new(Arc::new(twiml)),
        config,
        journal,
        desk,
        live,
        mirror,
        reads: Reads::new(archive.path().to_owned()),
        archive,
        checkpoint,
        eraser,
        started,
    });
    let doors = Doors::new(&listener)?;
    let server = serve(listener, &context, &doors)?;
    let handle = server.handle();
    let served = tokio::spawn(server);
    lock.announce(HolderState::Serving, Some(address));
    tokio::spawn(tell_the_board(Data::clone(&context)));
    tokio::spawn(end_inactive_calls(Data::clone(&context)));
    tokio::spawn(keep_to_the_policy(Data::clone(&context)));
    info!(%address, started_ms = started.elapsed().as_millis() as u64, "Aurora answers.");
    Ok(Running {
        address,
        admin_token,
        link_base,
        lock,
        doors,
        server: handle,
        served,
        context,
        ending,
        checkpoints,
        threads,
    })
}

impl Running {
    /// Serves until the server stops by itself, which it does only by [`Running::stop`].
    ///
    /// # Errors
    /// The server's own.
    pub async fn served(&mut self) -> anyhow::Result<()> {
        (&mut self.served).await??;
        Ok(())
    }

    /// Reads the cards again. The old ones stay if the new ones are wrong.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn reload_cards(&self) -> anyhow::Result<()> {
        let cards = Arc::new(load_cards(&self.context.config)?);
        let twiml = Arc::new(twiml(&self.context.config, &cards)?);
        *self.context.twiml.write().unwrap_or_else(PoisonError::into_inner) = twiml;
        self.context.desk.reload_cards(cards);
        info!("The cards were read again.");
        Ok(())
    }
}

fn serve(
    listener: TcpListener,
    context: &Data<Context>,
    doors: &Doors,
) -> std::io::Result<actix_web::dev::Server> {
    let (shared, workers) = (Data::clone(context), context.config.workers);
    let (entrance, counter) = (doors.clone(), doors.clone());
    let server = HttpServer::new(move || {
        journal::wake_together();
        let entrance = Rc::new(entrance.clone());
        App::new()
            .configure(|service| routes::configure(service, &shared))
            .wrap_fn(move |request, service| entrance.pass(request, service))
    })
    .on_connect(move |connection, data| counter.opened(connection, data))
    .workers(workers)
    .disable_signals()
    // A browser that goes away is noticed at once, not at the next failed write.
    .h1_allow_half_closed(false)
    .keep_alive(Duration::from_secs(75))
    .shutdown_timeout(STOP_LIMIT.as_secs())
    .listen(listener)?;
    Ok(server.run())
}

/// Up to where the mirror and the archive have read, as far as they tell.
fn handed_out(config: &Config) -> Vec<Position> {
    let mirror = firebase::Cursor::open(&mirror_file(config)).ok().and_then(|it| it.position());
    let archive = archive::last_position(&archive::path(&config.data_dir));
    mirror.into_iter().chain(archive).collect()
}

/// The supervisors' token: configured, or made at the first start and kept for its owner alone.
fn admin_token(config: &Config) -> anyhow::Result<Secret> {
    if let Some(token) = &config.admin_token {
        return Ok(token.clone());
    }
    let path = config.data_dir.join("admin.token");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= 16 => return Ok(Secret::new(text.trim())),
        Ok(_) => anyhow::bail!(
            "{} holds no token of at least 16 characters: remove the file to have one made",
            path.display()
        ),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
        Err(err) => return Err(err).with_context(|| format!("cannot read {}", path.display())),
    }
    let mut bits = [0; 24];
    rand::fill(&mut bits);
    let token = URL_SAFE_NO_PAD.encode(bits);
    write_private(&path, &token).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Secret::new(token))
}

/// What callers say is nobody's business but the server's. A folder that is there stays as it is.
fn create_private(dir: &Path) -> std::io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    folder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(dir)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

fn load_cards(config: &Config) -> anyhow::Result<Cards> {
    match &config.cards {
        None => Ok(Cards::builtin()),
        Some(path) => Cards::load(path).context("AURORA_CARDS"),
    }
}

fn twiml(config: &Config, cards: &Cards) -> anyhow::Result<Twiml> {
    let mut twiml = Twiml::new(&config.language).context("AURORA_LANGUAGE")?;
    // Below a path of the public address, the provider would look for a relative action beside it.
    let public = config.public_url.as_ref();
    if let Some(url) = public.filter(|it| it[url::Position::BeforePath..] != *"/") {
        twiml = twiml.with_base(url.as_str()).context("AURORA_PUBLIC_URL")?;
    }
    Ok(twiml.with_hints(cards.hints()))
}

fn open_model(config: &ModelConfig) -> anyhow::Result<Model> {
    let key = config.api_key.as_ref().map(|it| model::Secret::new(it.expose()));
    let settings = ModelSettings::new(config.url.clone(), config.model.as_str())
        .with_deadline(config.deadline)
        .with_api_key(key);
    Model::new(settings).context("AURORA_LLM_URL")
}

/// Where the mirror keeps its position.
fn mirror_file(config: &Config) -> PathBuf {
    config.data_dir.join("readers").join("firebase.json")
}

fn start_mirror(config: &Config, journal: &Arc<Journal>, link: &MirrorLink) -> anyhow::Result<()> {
    let url = config.firebase_url.as_ref();
    let target = match (&config.firebase_emulator, url) {
        (Some(host), url) => {
            if config.google_credentials.is_some() || config.firebase_credentials.is_some() {
                warn!(
                    "FIREBASE_DATABASE_EMULATOR_HOST is set: the real database is not mirrored to."
                );
            }
            Target::emulator(host, url).context("FIREBASE_DATABASE_EMULATOR_HOST")?
        }
        (None, Some(url)) => Target::database(url).context("FIREBASE_DATABASE_URL")?,
        (None, None) => return Ok(()),
    };
    let credentials = match (&config.firebase_credentials, &config.google_credentials) {
        _ if target.is_emulator() => Credentials::Emulator,
        (Some(json), _) => Credentials::KeyJson(json.expose().to_owned()),
        (None, Some(path)) => Credentials::KeyFile(path.clone()),
        (None, None) => Credentials::Metadata,
    };
    let settings = MirrorSettings::new(
        ClientSettings::new(target, credentials),
        mirror_file(config),
        config.node.clone(),
        journal.id().to_string(),
    );
    let data_dir = config.data_dir.clone();
    let erased = move || {
        erasure::erased_calls(&data_dir).unwrap_or_else(|err| {
            warn!(error = %err, "The mirror is not told which calls were erased long ago.");
            Vec::new()
        })
    };
    let source = firebase::follow(Arc::clone(journal), erased);
    let mirror = Mirror::start(settings, source, journal.bell(), link.status())?;
    link.started(mirror);
    Ok(())
}

fn journal_settings(config: &Config) -> journal::Settings {
    journal::Settings {
        data_dir: config.data_dir.clone(),
        // One that cannot be read is refused by its reader.
        handed_out: handed_out(config),
        node: config.node.as_str().into(),
        segment_bytes: config.segment_bytes,
        ..journal::Settings::default()
    }
}

fn spawn_snapshot(
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
fn floors(
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

fn spawn_keeper(
    journal: &Arc<Journal>,
    floors: Vec<Floor>,
    end: Receiver<()>,
) -> std::io::Result<JoinHandle<()>> {
    let (journal, bell) = (Arc::clone(journal), journal.bell());
    std::thread::Builder::new()
        .name("keeper".to_owned())
        .spawn(move || keeper::follow(&journal, &bell, &end, &floors, keeper::PAUSE))
}

/// Keeps every board's view of the mirror, the disk and the archive current.
async fn tell_the_board(context: Data<Context>) {
    let mut interval = tokio::time::interval(BOARD_INTERVAL);
    let (mut told_sync, mut told_health) = (None, None);
    let mut was_writable = true;
    loop {
        interval.tick().await;
        let sync = json!(context.mirror.report(context.journal.head()));
        if told_sync.as_ref() != Some(&sync) {
            context.live.publish_sync(sync.clone());
            told_sync = Some(sync);
        }
        let is_writable = context.journal.is_writable();
        let health = (is_writable, context.archive.trouble(), context.checkpoint.trouble());
        if told_health.as_ref() != Some(&health) {
            context.live.publish_health(json!({
                "durable": is_writable,
                "detail": if is_writable { "" } else {
                    "The disk does not take writes. Callers are answered; what they say is only \
                     in memory."
                },
                "archive": health.1.as_ref().map_or("", |it| &it.1),
                "checkpoint": health.2.as_deref().unwrap_or_default(),
            }));
            told_health = Some(health);
        }
        if is_writable && !was_writable {
            context.desk.storage_came_back().await;
        }
        was_writable = is_writable;
    }
}

async fn end_inactive_calls(context: Data<Context>) {
    let limit = context.config.inactivity;
    let mut interval = tokio::time::interval(INACTIVITY_INTERVAL.min(limit / 4));
    let mut alerted = FxHashSet::default();
    loop {
        interval.tick().await;
        if let Err(err) = context.desk.end_inactive(limit, &mut alerted).await {
            warn!(error = %err, "Inactive calls could not be ended.");
        }
    }
}

/// Deletes and erases what the policy says is to go.
async fn keep_to_the_policy(context: Data<Context>) {
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let kept = context.config.retention;
    let policy = Policy {
        normal: kept.normal.map(days),
        urgent: kept.urgent.map(days),
        critical: kept.critical.map(days),
        undo: days(context.config.undo_days),
    };
    tokio::time::sleep(POLICY_FIRST).await;
    loop {
        let now = Timestamp::from(std::time::SystemTime::now());
        let wait = match context.eraser.apply(policy, now).await {
            Ok(_) => POLICY_INTERVAL,
            Err(ErasureError::Busy | ErasureError::ArchiveBehind) => POLICY_FIRST,
            Err(err) => {
                warn!(error = %err, "The policy could not be followed; tried again later.");
                POLICY_INTERVAL
            }
        };
        tokio::time::sleep(wait).await;
    }
}
