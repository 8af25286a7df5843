//! One change on its way through the journal thread: decided, then finished.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use super::error::JournalError;
use super::wake::through_inbox;
use crate::domain::{Event, Seq, State, Timestamp};

/// What a decision may write down.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The time that the records of this commit will carry.
    pub now: Timestamp,
    events: &'a mut Vec<Event>,
}

impl<'a> Draft<'a> {
    /// Gathers what a decision writes down, also without a journal.
    pub fn new(now: Timestamp, events: &'a mut Vec<Event>) -> Self {
        Self { now, events }
    }

    /// A record has one time: what says when it happened is set to [`Draft::now`].
    pub fn push(&mut self, mut event: Event) {
        match &mut event {
            Event::MessageAdded(it) if it.message.timestamp != self.now => {
                Arc::make_mut(&mut it.message).timestamp = self.now;
            }
            Event::AlertRaised(it) => it.at = self.now,
            _ => {}
        }
        self.events.push(event);
    }
}

/// What happens to a change while the disk takes no writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A caller waits for an answer: it is decided, kept in memory, and written when the disk is
    /// back.
    Answer,
    /// It is refused: nobody may believe that it happened.
    Durable,
}

/// A change that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed<T> {
    pub value: T,
    /// Whether it is on disk. `false` only for [`Need::Answer`] while the disk fails.
    pub durable: bool,
    /// The journal's last sequence with this change in it.
    pub seq: Seq,
}

/// How a batch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Durable,
    /// Kept in memory until the disk is back.
    Kept,
    /// The disk does not take it, or may have.
    Failed,
}

/// A commit, its types erased. Called twice, on the journal thread.
pub(super) trait Job: Send {
    fn need(&self) -> Need;
    /// Runs the decision; whether it was made (and not refused).
    fn decide(&mut self, state: &State, now: Timestamp, events: &mut Vec<Event>) -> bool;
    /// Tells who waits.
    fn finish(self: Box<Self>, outcome: Outcome, seq: Seq);
}

/// Who came first: the journal thread to decide on the change, or the one who waits to withdraw it.
#[derive(Debug, Clone, Default)]
pub(super) struct Claim(Arc<AtomicBool>);

impl Claim {
    fn is_first(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

type Reply<T, E> = Result<Committed<T>, E>;

pub(super) struct Change<F, T, E> {
    pub need: Need,
    pub claim: Claim,
    pub decide: Option<F>,
    pub decided: Option<Result<T, E>>,
    pub reply: oneshot::Sender<Reply<T, E>>,
}

impl<F, T, E> Job for Change<F, T, E>
where
    F: FnOnce(&State, &mut Draft<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<JournalError> + Send,
{
    fn need(&self) -> Need {
        self.need
    }

    fn decide(&mut self, state: &State, now: Timestamp, events: &mut Vec<Event>) -> bool {
        let Some(decide) = self.decide.take().filter(|_| self.claim.is_first()) else {
            return false;
        };
        let before = events.len();
        let mut draft = Draft::new(now, events);
        // A defect in one decision must not take the journal with it: `state` is only read, and
        // what the draft got is cut off again.
        let decided = catch_unwind(AssertUnwindSafe(|| decide(state, &mut draft)))
            .unwrap_or_else(|_| Err(JournalError::Panicked.into()));
        let is_made = decided.is_ok();
        if !is_made {
            events.truncate(before);
        }
        self.decided = Some(decided);
        is_made
    }

    fn finish(self: Box<Self>, outcome: Outcome, seq: Seq) {
        let reply = match (self.decided, outcome) {
            (Some(Err(err)), _) => Err(err),
            (Some(Ok(value)), Outcome::Durable) => Ok(Committed { value, durable: true, seq }),
            (Some(Ok(value)), Outcome::Kept) if self.need == Need::Answer => {
                Ok(Committed { value, durable: false, seq })
            }
            (Some(Ok(_)) | None, _) => Err(JournalError::Unwritable.into()),
        };
        // Nobody may be waiting any more: a caller who hung up does not undo what was said.
        let _ = self.reply.send(reply);
    }
}

/// A change under way. It happens whether or not this is awaited.
#[derive(Debug)]
pub struct Pending<T, E> {
    pub(super) reply: oneshot::Receiver<Reply<T, E>>,
    pub(super) claim: Claim,
}

impl<T, E: From<JournalError>> Pending<T, E> {
    /// Waits, but not for ever: a disk that hangs must not keep anybody on the line.
    ///
    /// # Errors
    /// The change's own; when `patience` is over, [`JournalError::Unwritable`] if it was not
    /// decided yet, and now never will be, else [`JournalError::Stalled`].
    pub async fn within(mut self, patience: Duration) -> Reply<T, E> {
        if let Ok(reply) = tokio::time::timeout(patience, &mut self).await {
            return reply;
        }
        let is_withdrawn = self.claim.is_first();
        Err(if is_withdrawn { JournalError::Unwritable } else { JournalError::Stalled }.into())
    }

    /// Waits on a plain thread.
    pub fn wait(self) -> Reply<T, E> {
        self.reply.blocking_recv().unwrap_or_else(|_| Err(JournalError::Closed.into()))
    }
}

impl<T, E: From<JournalError>> Future for Pending<T, E> {
    type Output = Reply<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = through_inbox(cx.waker());
        Pin::new(&mut self.reply)
            .poll(&mut Context::from_waker(&waker))
            .map(|it| it.unwrap_or_else(|_| Err(JournalError::Closed.into())))
    }
}
