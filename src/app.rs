//! The wiring: who gets what, what starts before what, and what stops after what.

mod doors;
mod erase;
mod folder;
mod followers;
mod refusal;
mod rounds;
mod runs;
mod stop;
mod voice;

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use crossbeam_channel::Sender;
use tracing::{info, warn};

use self::doors::Doors;
pub use self::erase::erase;
use self::folder::{admin_token, journal_settings};
pub use self::followers::mirrored_to;
use self::followers::{floors, spawn_keeper, spawn_snapshot, start_listening, start_mirror};
use self::rounds::{end_inactive_calls, keep_to_the_policy, tell_the_board};
use self::runs::{read_of_others, take_runs_in, whose_work};
pub use self::stop::STOP_LIMIT;
use self::voice::{load_cards, open_model, twiml};

use crate::config::{Config, Secret};
use crate::conversation::desk::{Desk, Limits};
use crate::conversation::keeping::Keeping;
use crate::erasure::{Eraser, ErasureError};
use crate::files::create_folder;
use crate::journal::{self, DataLock, HolderState, Journal};
use crate::readers::archive::{self, Reads};
use crate::readers::firebase::MirrorLink;
use crate::readers::live::{self, Live};
use crate::readers::snapshot::{self, Checkpoint};
use crate::routes::{self, Auth, Context, Metrics, RateLimit};
use crate::runs::TeamReader;

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
    create_folder(&config.data_dir)
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
    let limits = Limits { open_calls: config.max_open_calls, turns: config.max_turns };
    let user = whose_work(&config).await?;
    let desk = Desk::new(Arc::clone(&journal), cards, model.clone(), limits, user);
    // Made once, so that all who talk with the database share a token.
    let database = mirrored_to(&config)?;
    if let Some(client) = database.clone() {
        start_mirror(&config, client, &journal, &archive, &desk, &mirror)?;
    }
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
    start_listening(&config, database.clone(), &desk, &journal, &live, &mirror)?;
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
        team: TeamReader::open(&config.data_dir, config.mirrors()),
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
    tokio::spawn(take_runs_in(Data::clone(&context)));
    if let Some(client) = database {
        tokio::spawn(read_of_others(Data::clone(&context), client));
    }
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
