//! The same request delivered twice makes one turn.
//!
//! The one idea: the first to arrive puts an entry under the request's key and does the work; who
//! comes with the same key waits for that entry's answer. Entries of webhooks stay for a moment
//! after the answer, because a provider repeats a request when the reply got lost on the way.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::{FxBuildHasher, FxHashMap};
use tokio::sync::oneshot;

use super::answer::{Answer, Request, Turn};
use crate::domain::{Label, PhoneNumber};

/// How long an answer is kept for a repeated webhook that has no token. Nobody can have heard an
/// answer and said the very same, recognised with the very same confidence, in that time.
pub const GRACE: Duration = Duration::from_secs(2);
/// With a token there is no doubt: as long as a provider may repeat (15 s in all).
/// Source: Twilio, "Webhooks (HTTP callbacks): Connection Overrides".
const TOKEN_GRACE: Duration = Duration::from_secs(20);
/// Answers kept, at most.
const KEPT: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    caller: Result<Label, PhoneNumber>,
    request: Request,
    /// Of the words, where nothing else tells one request from another.
    words: u64,
}

impl Key {
    pub fn new(turn: &Turn) -> Self {
        let caller = match &turn.caller.call_sid {
            Some(sid) => Ok(sid.clone()),
            None => Err(turn.caller.number.clone()),
        };
        let words = match turn.request {
            Request::Words => FxBuildHasher.hash_one(turn.utterance.as_str()),
            Request::Token(_) | Request::Body(_) => 0,
        };
        Self { caller, request: turn.request.clone(), words }
    }

    fn grace(&self) -> Option<Duration> {
        match self.request {
            Request::Token(_) => Some(TOKEN_GRACE),
            Request::Body(_) => Some(GRACE),
            Request::Words => None,
        }
    }
}

#[derive(Debug)]
enum Entry {
    Answering(Vec<oneshot::Sender<Answer>>),
    Answered(Answer, Instant),
}

#[derive(Debug, Default)]
struct Inner {
    entries: FxHashMap<Key, Entry>,
    /// When which answer may go.
    expiries: VecDeque<(Instant, Key)>,
}

#[derive(Debug, Default)]
pub struct Redeliveries(Mutex<Inner>);

/// What to do with a request.
#[derive(Debug)]
pub enum Delivery {
    /// It is the first: do the work, then [`Redeliveries::answered`].
    First,
    /// It is being answered: this brings the answer. Closed without one if the work broke off.
    Again(oneshot::Receiver<Answer>),
    /// It was answered a moment ago.
    Before(Answer),
}

impl Redeliveries {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn arrive(&self, key: &Key) -> Delivery {
        let now = Instant::now();
        let mut inner = self.lock();
        inner.let_old_ones_go(now);
        match inner.entries.get_mut(key) {
            Some(Entry::Answering(waiting)) => {
                let (answer, again) = oneshot::channel();
                waiting.push(answer);
                Delivery::Again(again)
            }
            Some(Entry::Answered(answer, until)) if *until > now => {
                Delivery::Before(answer.clone())
            }
            _ => {
                inner.entries.insert(key.clone(), Entry::Answering(Vec::new()));
                Delivery::First
            }
        }
    }

    /// The first one's answer, for all who wait for it.
    pub fn answered(&self, key: Key, answer: Option<&Answer>) {
        let mut inner = self.lock();
        let entry = inner.entries.remove(&key);
        if let Some((answer, grace)) = answer.zip(key.grace()) {
            let until = Instant::now() + grace;
            inner.entries.insert(key.clone(), Entry::Answered(answer.clone(), until));
            inner.expiries.push_back((until, key));
        }
        drop(inner);
        if let (Some(Entry::Answering(waiting)), Some(answer)) = (entry, answer) {
            for again in waiting {
                let _ = again.send(answer.clone());
            }
        }
    }
}

impl Inner {
    fn let_old_ones_go(&mut self, now: Instant) {
        // Two graces share the queue, so one may wait behind a longer one: it is only memory.
        while self.expiries.front().is_some_and(|it| it.0 <= now || self.expiries.len() > KEPT) {
            let Some((expiry, key)) = self.expiries.pop_front() else { break };
            if matches!(self.entries.get(&key), Some(Entry::Answered(_, until)) if *until <= expiry)
            {
                self.entries.remove(&key);
            }
        }
    }
}
