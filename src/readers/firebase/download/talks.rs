//! Listens to what others say: by a stream where somebody looks, by a reading where something moved.
//!
//! # Promises
//! - A conversation has a stream from its first viewer on until a while after its last; at most so
//!   many at a time as the settings allow, the others are read when something moves.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use serde_json::value::to_raw_value;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::debug;

use super::Viewers;
use super::shared::{Shared, Trouble};
use super::stream::Ended;
use super::talk::{Talk, is_ours, path_of};
use crate::domain::{CallId, ConversationId};
use crate::readers::firebase::backoff::Backoff;
use crate::readers::firebase::client::Client;

/// Readings at a time.
const MAX_READS: usize = 4;
/// When something that could not be done is tried again, and how often for one reading.
const AGAIN: Duration = Duration::from_secs(1);
const MAX_TRIES: usize = 30;
/// Words of others that one reading takes.
const MAX_WORDS: usize = 64;

/// Shared by the tasks of one thread, each of which needs it for a moment.
type OneClient = Rc<Mutex<Client>>;

pub struct Talks {
    shared: Rc<Shared>,
    client: OneClient,
    viewers: watch::Receiver<Viewers>,
    moved: mpsc::Receiver<CallId>,
}

/// An open stream, and when it is to be closed.
struct Open {
    task: tokio::task::AbortHandle,
    closes_at: Option<Instant>,
}

impl Talks {
    pub fn new(
        shared: Rc<Shared>,
        client: Client,
        viewers: watch::Receiver<Viewers>,
        moved: mpsc::Receiver<CallId>,
    ) -> Self {
        Self { shared, client: Rc::new(Mutex::new(client)), viewers, moved }
    }

    /// Listens for ever, with at most `max_streams`. May be dropped at any time, which ends all.
    pub async fn listen(&mut self, max_streams: usize) -> Infallible {
        let mut open: BTreeMap<ConversationId, Open> = BTreeMap::new();
        let (mut streams, mut reads) = (JoinSet::new(), JoinSet::new());
        let permits = Rc::new(Semaphore::new(MAX_READS));
        self.viewers.mark_changed();
        loop {
            let closing = open.values().filter_map(|it| it.closes_at).min();
            let closing = async {
                match closing {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                seen = self.viewers.changed() => {
                    if seen.is_err() {
                        // Nobody can look any more.
                        std::future::pending::<()>().await;
                    }
                    self.attend(&mut open, &mut streams, max_streams);
                }
                () = closing => {
                    let now = Instant::now();
                    open.retain(|_, it| {
                        let stays = it.closes_at.is_none_or(|at| at > now);
                        if !stays {
                            it.task.abort();
                        }
                        stays
                    });
                    self.attend(&mut open, &mut streams, max_streams);
                }
                id = self.moved.recv() => {
                    if let Some(id) = id.filter(|it| !open.contains_key(&it.conversation())) {
                        let (permits, own) = (Rc::clone(&permits), self.parts());
                        reads.spawn_local(async move {
                            let _permit = permits.acquire().await;
                            read_until_done(own, id).await;
                        });
                    }
                }
                Some(_) = reads.join_next(), if !reads.is_empty() => {}
                Some(_) = streams.join_next(), if !streams.is_empty() => {
                    open.retain(|_, it| !it.task.is_finished());
                }
            }
        }
    }

    /// Opens what is looked at and has no stream, and lets what nobody looks at close in a while.
    fn attend(
        &mut self,
        open: &mut BTreeMap<ConversationId, Open>,
        streams: &mut JoinSet<()>,
        max_streams: usize,
    ) {
        let viewers: Viewers = self.viewers.borrow_and_update().clone();
        let close_after = self.shared.settings.close_after;
        for (id, it) in open.iter_mut() {
            it.closes_at = match viewers.contains_key(id) {
                true => None,
                false => it.closes_at.or_else(|| Some(Instant::now() + close_after)),
            };
        }
        for id in viewers.into_keys() {
            let is_new = !open.contains_key(&id) && open.len() < max_streams;
            if is_new && (self.shared.here.call)(id.call()).is_some_and(|it| it.is_open()) {
                let task = streams.spawn_local(follow(self.parts(), id.call()));
                open.insert(id, Open { task, closes_at: None });
            }
        }
    }

    fn parts(&self) -> (Rc<Shared>, OneClient) {
        (Rc::clone(&self.shared), Rc::clone(&self.client))
    }
}

/// Follows one conversation until the call has ended.
async fn follow((shared, client): (Rc<Shared>, OneClient), id: CallId) {
    let mut backoff = Backoff::new(shared.settings.backoff);
    while (shared.here.call)(id).is_some_and(|it| it.is_open()) {
        let began = Instant::now();
        let Err(trouble) = follow_once(&shared, &client, id).await else { return };
        debug!(error = %trouble, "The stream of a conversation ended.");
        if began.elapsed() > AGAIN {
            backoff.reset();
        }
        sleep(backoff.next(rand::random(), None)).await;
    }
}

async fn follow_once(shared: &Rc<Shared>, client: &OneClient, id: CallId) -> Result<(), Trouble> {
    let mut stream = shared.open(&mut *client.lock().await, &path_of(id)).await?;
    let _open = shared.listening.opened();
    let mut talk = Talk::new(Rc::clone(shared), id);
    let mut ticks = interval(AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            change = stream.next() => talk.take(&change?).await,
            _ = ticks.tick() => {
                talk.try_again().await;
                if (shared.here.call)(id).is_none_or(|it| !it.is_open()) {
                    return Ok(());
                }
            }
        }
    }
}

async fn read_until_done((shared, client): (Rc<Shared>, OneClient), id: CallId) {
    let mut talk = Talk::new(Rc::clone(&shared), id);
    for _ in 0..MAX_TRIES {
        match read(&client, id, &mut talk).await {
            Ok(()) if !talk.is_waiting() => return,
            Ok(()) => {}
            Err(trouble) => debug!(error = %trouble, "A conversation can't be read now."),
        }
        sleep(AGAIN).await;
        if (shared.here.call)(id).is_none_or(|it| !it.is_open()) {
            return;
        }
    }
}

/// Reads which keys there are, and then what is under those that are not ours.
async fn read(client: &OneClient, id: CallId, talk: &mut Talk) -> Result<(), Trouble> {
    let path = path_of(id);
    let mut client = client.lock().await;
    let keys = client.get(&path, &[("shallow", "true")]).await?;
    let keys = keys.value.as_object().into_iter().flat_map(|it| it.keys());
    for key in keys.filter(|it| !is_ours(it)).take(MAX_WORDS) {
        let found = client.get(&format!("{path}/{key}"), &[]).await?;
        let value = to_raw_value(&found.value).map_err(|_| Ended::NotRead)?;
        talk.take_one(key, &value).await;
    }
    Ok(())
}
