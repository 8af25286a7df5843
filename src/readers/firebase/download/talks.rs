//! Listens to what others say: by a stream where somebody looks, by a reading where something moved.
//!
//! # Promises
//! - A conversation has a stream from its first viewer on until a while after its last; at most so
//!   many at a time as the settings allow, the others are read when something moves.
//! - A conversation is read by one task at a time, until what is in it is written down here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use serde_json::value::to_raw_value;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::debug;

use super::Viewers;
use super::clients::Clients;
use super::shared::{Shared, Trouble};
use super::stream::Ended;
use super::talk::{TOO_MANY, Talk, is_ours, path_of};
use crate::domain::{CallId, ConversationId};
use crate::readers::firebase::backoff::Backoff;
use crate::readers::firebase::client::WriteError;
use crate::readers::firebase::entry::Problem;

/// Readings at a time.
const MAX_READS: usize = 4;
/// How often is looked whether something waits to be written down, or the call is over.
const AGAIN: Duration = Duration::from_secs(1);
/// Words of others that one reading takes.
const MAX_WORDS: usize = 64;
const TOO_LARGE: &str = "is too large to be read";

/// What a task needs.
#[derive(Clone)]
struct Parts {
    shared: Rc<Shared>,
    clients: Rc<Clients>,
}

pub struct Talks {
    parts: Parts,
    viewers: watch::Receiver<Viewers>,
    moved: mpsc::Receiver<CallId>,
}

/// The streams that are open, and when each is to be closed.
#[derive(Default)]
struct Streams {
    open: BTreeMap<ConversationId, Open>,
    tasks: JoinSet<()>,
}

struct Open {
    task: tokio::task::AbortHandle,
    closes_at: Option<Instant>,
}

/// The conversations that are being read, and whether something moved in them since.
struct Reads {
    going: BTreeMap<CallId, bool>,
    tasks: JoinSet<CallId>,
    permits: Rc<Semaphore>,
}

impl Talks {
    pub fn new(
        shared: Rc<Shared>,
        clients: Rc<Clients>,
        viewers: watch::Receiver<Viewers>,
        moved: mpsc::Receiver<CallId>,
    ) -> Self {
        Self { parts: Parts { shared, clients }, viewers, moved }
    }

    /// Listens for ever, with at most `max_streams`. May be dropped at any time, which ends all.
    pub async fn listen(&mut self, max_streams: usize) -> Infallible {
        let (mut streams, mut reads) = (Streams::default(), Reads::new());
        self.viewers.mark_changed();
        loop {
            let closing = streams.open.values().filter_map(|it| it.closes_at).min();
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
                }
                () = closing => {
                    for id in streams.close(Instant::now()) {
                        // What was told last may not have been looked at.
                        reads.begin(&self.parts, id.call());
                    }
                }
                Some(id) = self.moved.recv() => {
                    if !streams.open.contains_key(&id.conversation()) {
                        reads.begin(&self.parts, id);
                    }
                    continue;
                }
                Some(read) = reads.tasks.join_next(), if !reads.tasks.is_empty() => {
                    if let Some(id) = told(read) {
                        reads.ended(&self.parts, id);
                    }
                    continue;
                }
                Some(ended) = streams.tasks.join_next(), if !streams.tasks.is_empty() => {
                    told(ended);
                    streams.open.retain(|_, it| !it.task.is_finished());
                }
            }
            let viewers: Viewers = self.viewers.borrow_and_update().clone();
            streams.attend(&self.parts, viewers, max_streams);
        }
    }
}

/// What a task says in the end. Its panic is ours, so that everything begins anew.
fn told<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended {
        Ok(told) => Some(told),
        Err(err) if err.is_panic() => resume_unwind(err.into_panic()),
        Err(_) => None,
    }
}

impl Streams {
    /// Opens what is looked at and has no stream, and lets what nobody looks at close in a while.
    fn attend(&mut self, parts: &Parts, viewers: Viewers, max_streams: usize) {
        let close_after = parts.shared.settings.close_after;
        for (id, it) in &mut self.open {
            it.closes_at = match viewers.contains_key(id) {
                true => None,
                false => it.closes_at.or_else(|| Some(Instant::now() + close_after)),
            };
        }
        for id in viewers.into_keys() {
            let is_new = !self.open.contains_key(&id) && self.open.len() < max_streams;
            if is_new && parts.is_open(id.call()) {
                let task = self.tasks.spawn_local(follow(parts.clone(), id.call()));
                self.open.insert(id, Open { task, closes_at: None });
            }
        }
    }

    /// Closes what is due.
    fn close(&mut self, now: Instant) -> Vec<ConversationId> {
        let mut due = Vec::new();
        self.open.retain(|id, it| {
            let stays = it.closes_at.is_none_or(|at| at > now);
            if !stays {
                it.task.abort();
                due.push(*id);
            }
            stays
        });
        due
    }
}

impl Reads {
    fn new() -> Self {
        let permits = Rc::new(Semaphore::new(MAX_READS));
        Self { going: BTreeMap::new(), tasks: JoinSet::new(), permits }
    }

    fn begin(&mut self, parts: &Parts, id: CallId) {
        if let Some(is_moved) = self.going.get_mut(&id) {
            *is_moved = true;
            return;
        }
        self.going.insert(id, false);
        let (parts, permits) = (parts.clone(), Rc::clone(&self.permits));
        self.tasks.spawn_local(async move {
            read_until_done(&parts, &permits, id).await;
            id
        });
    }

    fn ended(&mut self, parts: &Parts, id: CallId) {
        if self.going.remove(&id) == Some(true) {
            self.begin(parts, id);
        }
    }
}

impl Parts {
    fn is_open(&self, id: CallId) -> bool {
        (self.shared.here.call)(id).is_some_and(|it| it.is_open())
    }

    fn is_too_large(&self, id: CallId) {
        self.shared.set_aside(&Problem { path: path_of(id), reason: TOO_LARGE });
    }
}

/// Follows one conversation until the call has ended.
async fn follow(parts: Parts, id: CallId) {
    let mut backoff = Backoff::new(parts.shared.settings.backoff);
    while parts.is_open(id) {
        let Err(trouble) = follow_once(&parts, id, &mut backoff).await else { return };
        debug!(error = %trouble, "The stream of a conversation ended.");
        let pause = match trouble {
            // Each try is downloaded, and billed.
            Trouble::Stream(Ended::TooLong(_)) => {
                parts.is_too_large(id);
                parts.shared.settings.whole_again
            }
            _ => backoff.next(rand::random(), None),
        };
        sleep(pause).await;
    }
}

async fn follow_once(parts: &Parts, id: CallId, backoff: &mut Backoff) -> Result<(), Trouble> {
    let mut stream = {
        let mut client = parts.clients.take().await?;
        parts.shared.open(&mut client, &path_of(id)).await?
    };
    let _open = parts.shared.listening.opened();
    let mut talk = Talk::new(Rc::clone(&parts.shared), id);
    let (began, mut is_told) = (Instant::now(), false);
    let mut ticks = interval(AGAIN);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            change = stream.next() => {
                talk.take(&change?).await;
                is_told = true;
            }
            _ = ticks.tick() => {
                talk.try_again().await;
                if !parts.is_open(id) {
                    return Ok(());
                }
                if is_told && began.elapsed() >= AGAIN {
                    backoff.reset();
                }
            }
        }
    }
}

/// Reads a conversation, and keeps at it until what is in it is written down or the call is over.
async fn read_until_done(parts: &Parts, permits: &Semaphore, id: CallId) {
    let mut backoff = Backoff::new(parts.shared.settings.backoff);
    let mut talk = Talk::new(Rc::clone(&parts.shared), id);
    let mut is_read = false;
    while parts.is_open(id) {
        if is_read {
            talk.try_again().await;
        } else {
            let _permit = permits.acquire().await;
            match read(parts, id, &mut talk).await {
                Ok(()) => is_read = true,
                Err(Trouble::Request(WriteError::Unreadable { .. })) => {
                    return parts.is_too_large(id);
                }
                Err(trouble) => debug!(error = %trouble, "A conversation can't be read now."),
            }
        }
        if is_read && !talk.is_waiting() {
            return;
        }
        sleep(backoff.next(rand::random(), None)).await;
    }
}

/// Reads which keys there are, and then what is under those that are not ours.
async fn read(parts: &Parts, id: CallId, talk: &mut Talk) -> Result<(), Trouble> {
    let path = path_of(id);
    let mut client = parts.clients.take().await?;
    let found = client.get(&path, &[("shallow", "true")]).await?;
    let keys = found.value.as_object().into_iter().flat_map(|it| it.keys());
    let mut keys: Vec<&String> = keys.filter(|it| !is_ours(it) && talk.may_be_words(it)).collect();
    // In the order in which they were made; of too many the latest.
    keys.sort_unstable();
    if keys.len() > MAX_WORDS {
        talk.leave("", TOO_MANY);
    }
    for key in keys.iter().skip(keys.len().saturating_sub(MAX_WORDS)) {
        let value = match client.get(&format!("{path}/{key}"), &[]).await {
            Err(WriteError::Unreadable { .. }) => {
                talk.leave(key, TOO_LARGE);
                continue;
            }
            found => found?.value,
        };
        let value = to_raw_value(&value).map_err(|_| Ended::NotRead)?;
        talk.take_one(key, &value).await;
    }
    Ok(())
}
