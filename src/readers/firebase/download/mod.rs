//! The way back: what others change in the database comes to the calls.
//!
//! # Promises
//! - Nobody waits for it: it runs on a thread of its own, `firebase-down`.
//! - It decides nothing: what was changed is handed over, ruled on like everything else, and is in
//!   the journal before it counts.
//! - Whatever is in the database, the memory is bounded and the thread goes on; what can't be taken
//!   is shown with its path and the reason.
//!
//! # Not here
//! What is written to the database. Only the time is, to have the server say it.

mod calls;
mod clients;
mod event;
mod mode;
mod moves;
mod removed;
mod report;
pub(super) mod sent;
mod shadow;
mod shared;
mod stream;
mod talk;
mod talks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::timeout;
use tracing::{debug, error, info};

use self::calls::Calls;
use self::clients::Clients;
pub use self::mode::{BadMode, ChosenBy, Mode, Wishes};
pub use self::report::{Listening, ListeningReport, SetAside};
use self::shared::{Shared, Trouble};
pub use self::stream::StreamLimits;
use self::talks::Talks;
use super::backoff::{Backoff, BackoffLimits};
use super::client::{Client, ClientSettings};
use super::entry::Problem;
use super::here::Here;
use super::mirror::MirrorError;
use super::status::MirrorStatus;
use crate::domain::ConversationId;

/// Who is looked at, and by how many.
pub type Viewers = FxHashMap<ConversationId, usize>;

/// Where the rollout stands in the database.
const ROLLOUT: &str = "config/features/realtime_sync";
/// Calls that wait to have their words read; more are left until something moves again.
const MAX_MOVED: usize = 1_024;
/// What a [`Download`] needs to know.
#[derive(Debug, Clone)]
pub struct DownloadSettings {
    pub client: ClientSettings,
    /// Name of this node.
    pub node: String,
    pub wishes: Wishes,
    pub backoff: BackoffLimits,
    pub stream: StreamLimits,
    /// Streams of conversations at a time. Default 50.
    pub max_streams: usize,
    /// How long a conversation that nobody looks at any more keeps its stream. Default 30 s.
    pub close_after: Duration,
    /// Time between two looks at the database's clock. Default 10 min.
    pub measure_every: Duration,
    /// Time between two looks at the rollout, where it decides. Default 1 min.
    pub rollout_every: Duration,
    /// Where the whole is too large to be told: time between two looks at each call. Default 30 s.
    pub each_every: Duration,
    /// And until the whole is tried again, of which each try is billed. Default 30 min.
    pub whole_again: Duration,
}

impl DownloadSettings {
    pub fn new(client: ClientSettings, node: String, wishes: Wishes) -> Self {
        Self {
            client,
            node,
            wishes,
            backoff: BackoffLimits::default(),
            stream: StreamLimits::default(),
            max_streams: 50,
            close_after: Duration::from_secs(30),
            measure_every: Duration::from_secs(600),
            rollout_every: Duration::from_secs(60),
            each_every: Duration::from_secs(30),
            whole_again: Duration::from_secs(1_800),
        }
    }
}

/// What the thread is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    wishes: Wishes,
    is_stopping: bool,
}

/// The running thread. Dropping it stops it.
#[derive(Debug)]
pub struct Download {
    listening: Arc<Listening>,
    orders: watch::Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Download {
    /// Starts the thread `firebase-down`, which hands over to `here`. `viewers`: who looks where.
    ///
    /// # Errors
    /// [`MirrorError::Client`]: the credentials are none
    pub fn start(
        settings: DownloadSettings,
        here: Here,
        viewers: watch::Receiver<Viewers>,
        mirror: Arc<MirrorStatus>,
    ) -> Result<Self, MirrorError> {
        let order = Order { wishes: settings.wishes, is_stopping: false };
        let (orders, received) = watch::channel(order);
        let listening = mirror.listening();
        listening.set_mode(settings.wishes.mode().unwrap_or_default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(MirrorError::Thread)?;
        // Made here, so that wrong credentials stop the start.
        let mut clients = Some((
            Client::new(settings.client.clone(), mirror.meter())?,
            Client::new(settings.client.clone(), mirror.meter())?,
        ));
        let sent = mirror.sent();
        let mut orders_seen = received.clone();
        // One that repeats must not keep a core busy.
        let mut backoff = Backoff::new(settings.backoff);
        let run = move || {
            while !received.borrow().is_stopping {
                let made = clients.take().map_or_else(
                    || {
                        let client = || Client::new(settings.client.clone(), mirror.meter());
                        client().and_then(|it| Ok((it, client()?)))
                    },
                    Ok,
                );
                let began = Instant::now();
                let run = || {
                    let (first, second) = match made {
                        Ok(clients) => clients,
                        Err(err) => return error!(error = %err, "Firebase can't be listened to."),
                    };
                    let shared = Rc::new(Shared {
                        settings: settings.clone(),
                        here: here.clone(),
                        mirror: Arc::clone(&mirror),
                        listening: mirror.listening(),
                        sent: Arc::clone(&sent),
                    });
                    let work = run(shared, (first, second), viewers.clone(), received.clone());
                    LocalSet::new().block_on(&runtime, work);
                };
                // Everything is compared again, which is harmless.
                if catch_unwind(AssertUnwindSafe(run)).is_ok() {
                    break;
                }
                error!("Listening to Firebase panicked and starts again.");
                if began.elapsed() >= settings.backoff.cap {
                    backoff.reset();
                }
                mirror.listening().set_listening(false, Some("it panicked".to_owned()));
                let pause = backoff.next(1.0, None);
                let _ = runtime.block_on(async { timeout(pause, orders_seen.changed()).await });
            }
        };
        let thread = thread::Builder::new().name("firebase-down".into()).spawn(run);
        Ok(Self { listening, orders, thread: Some(thread.map_err(MirrorError::Thread)?) })
    }

    /// What a person wants from now on; `None`: what the environment or the rollout says.
    pub fn choose(&self, mode: Option<Mode>) {
        // Shown at once, and the pace of what is sent is another.
        let wishes = Wishes { person: mode, ..self.orders.borrow().wishes };
        if let Some(chosen) = wishes.mode() {
            self.listening.set_mode(chosen);
        }
        self.orders.send_modify(|it| it.wishes.person = mode);
    }

    /// Ends the thread.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.orders.send_modify(|it| it.is_stopping = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            error!("The thread that listens to Firebase ended by a panic.");
        }
    }
}

async fn run(
    shared: Rc<Shared>,
    (first, second): (Client, Client),
    viewers: watch::Receiver<Viewers>,
    mut orders: watch::Receiver<Order>,
) {
    let (moved, to_read) = mpsc::channel(MAX_MOVED);
    let mut calls = Calls::new(Rc::clone(&shared), first, moved);
    let clients = Rc::new(Clients::new(Rc::clone(&shared), second));
    let mut talks = Talks::new(Rc::clone(&shared), Rc::clone(&clients), viewers, to_read);
    // Who says how, if the rollout does.
    let mut rollout: Option<(Mode, ChosenBy)> = None;
    loop {
        let order = *orders.borrow_and_update();
        if order.is_stopping {
            return;
        }
        let chosen = order.wishes.mode();
        let mode = chosen.or(rollout);
        if let Some(chosen) = mode {
            let was = shared.listening.mode();
            shared.listening.set_mode(chosen);
            if was != chosen.0 {
                info!(mode = %chosen.0, by = ?chosen.1, "Listens to Firebase as was chosen.");
            }
        }
        shared.listening.set_listening(false, None);
        let max_streams = shared.settings.max_streams;
        let work = async {
            match mode.map(|it| it.0) {
                Some(Mode::Live) => {
                    tokio::join!(calls.listen(), talks.listen(max_streams));
                }
                Some(Mode::Periodic(pause)) => {
                    tokio::join!(calls.look_every(pause), talks.listen(0));
                }
                Some(Mode::Off) | None => std::future::pending().await,
            }
        };
        let is_asked = chosen.is_none();
        let asked = async {
            if is_asked {
                ask_for_the_rollout(&shared, &clients, rollout).await
            } else {
                std::future::pending().await
            }
        };
        tokio::select! {
            () = work => {}
            told = asked => rollout = Some(told),
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Asks until the rollout says something else than it did.
async fn ask_for_the_rollout(
    shared: &Rc<Shared>,
    clients: &Clients,
    before: Option<(Mode, ChosenBy)>,
) -> (Mode, ChosenBy) {
    let mut backoff = Backoff::new(shared.settings.backoff);
    if before.is_some() {
        tokio::time::sleep(shared.settings.rollout_every).await;
    }
    loop {
        let found = async { Ok::<_, Trouble>(clients.take().await?.get(ROLLOUT, &[]).await?) };
        match found.await {
            Ok(found) => {
                let told = mode::rolled_out(&found.value, &shared.settings.node);
                let problem = Problem { path: ROLLOUT.to_owned(), reason: mode::UNREADABLE };
                match told {
                    Some(_) => shared.listening.settle(ROLLOUT, &[]),
                    None => shared.set_aside(&problem),
                }
                let told = told.unwrap_or_default();
                if before != Some(told) {
                    return told;
                }
                backoff.reset();
                tokio::time::sleep(shared.settings.rollout_every).await;
            }
            Err(error) => {
                debug!(%error, "Whether to listen to Firebase can't be read now.");
                tokio::time::sleep(backoff.next(rand::random(), None)).await;
            }
        }
    }
}
