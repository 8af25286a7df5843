//! One subscriber: a stream of bytes for a response body.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::frame::{self, Heartbeat};
use super::local::{self, Slot};
use super::{Live, Topic};
use crate::domain::{Position, Seq, Timestamp};

/// API.md: every 15 s.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A restart takes a second or two, and a thousand boards cost the new server a few each ms.
const RETRY_MS: Range<u32> = 1_000..4_000;

/// A cursor in the order of events. Lives on the server thread that made it.
pub struct Subscription {
    live: Arc<Live>,
    topic: Topic,
    slot: Rc<Slot>,
    /// Everything up to here was sent.
    cursor: Seq,
    controls: u64,
    /// Sent before anything else.
    first: VecDeque<Bytes>,
    heartbeat: Pin<Box<Sleep>>,
    is_over: bool,
    /// It was told that the server ends, and when to come back.
    is_dismissed: bool,
}

/// When to come back after the connection was lost: each browser at a time of its own, so that
/// not all of them come at once.
fn retry() -> Bytes {
    Bytes::from(format!("retry: {}\n\n", rand::random_range(RETRY_MS)))
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Subscription {
    /// `is_resuming` without a `last` that is held: the subscriber is told of the gap.
    pub(super) fn new(
        live: Arc<Live>,
        topic: Topic,
        last: Option<Position>,
        is_resuming: bool,
    ) -> Self {
        let slot = local::enter(&live, topic);
        live.look(topic);
        // The first heartbeats of many who come at once are spread over the whole interval.
        let phase = HEARTBEAT.mul_f64(rand::random_range(0.5..1.0));
        let mut own = Self {
            slot,
            topic,
            cursor: 0,
            controls: 0,
            first: VecDeque::from([retry()]),
            heartbeat: Box::pin(sleep_until(Instant::now() + phase)),
            is_over: false,
            is_dismissed: false,
            live,
        };
        let held = last.filter(|it| {
            it.journal == own.live.journal.id()
                && own.live.may_resume(it.seq)
                && own.live.journal.recent_after(it.seq, 1).is_some()
        });
        match held {
            Some(position) => {
                own.cursor = position.seq;
                own.slot.set_pending(Some(position.seq + 1));
            }
            None => own.begin(is_resuming),
        }
        own
    }

    fn begin(&mut self, is_gap: bool) {
        if is_gap {
            self.live.gaps.fetch_add(1, Ordering::Relaxed);
            self.first.push_back(frame::event(None, "gap", &self.beat()));
        }
        match self.live.initial(self.topic) {
            Some((initial, seq)) => {
                self.first.push_back(initial);
                self.cursor = seq;
                self.slot.set_pending(Some(seq + 1));
            }
            // The conversation has left since: there is nothing more to tell.
            None => self.is_over = true,
        }
    }

    fn beat(&self) -> Heartbeat {
        Heartbeat { timestamp: Timestamp::from(SystemTime::now()), seq: self.live.head() }
    }

    /// The next bytes that there are to send, if any.
    fn next_bytes(&mut self) -> Option<Bytes> {
        loop {
            if let Some(first) = self.first.pop_front() {
                return Some(first);
            }
            if let Some(pending) = self.slot.pending_from() {
                let from = pending.max(self.cursor + 1);
                self.slot.set_pending(None);
                match local::gather_once(&self.live, self.topic, from) {
                    None => self.begin(true),
                    Some((bytes, last)) => {
                        self.cursor = self.cursor.max(last);
                        if self.live.head() > self.cursor {
                            self.slot.set_pending(Some(self.cursor + 1));
                        }
                        if bytes.is_some() {
                            return bytes;
                        }
                    }
                }
                continue;
            }
            if self.topic == Topic::Board {
                return self.live.controls_after(&mut self.controls);
            }
            return None;
        }
    }

    /// What there is still to tell, then when to come back, then nothing.
    fn last_bytes(&mut self) -> Option<Bytes> {
        if self.is_dismissed {
            return None;
        }
        if self.slot.pending_from().is_none() && self.live.head() > self.cursor {
            self.slot.set_pending(Some(self.cursor + 1));
        }
        self.next_bytes().or_else(|| {
            self.is_dismissed = true;
            Some(retry())
        })
    }
}

impl Stream for Subscription {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.live.is_closed() {
            return Poll::Ready(self.last_bytes().map(Ok));
        }
        self.slot.register(cx.waker());
        if let Some(bytes) = self.next_bytes() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.heartbeat.as_mut().poll(cx).is_ready() {
            self.heartbeat.as_mut().reset(Instant::now() + HEARTBEAT);
            // Registers for the next one.
            let _ = self.heartbeat.as_mut().poll(cx);
            return Poll::Ready(Some(Ok(frame::event(None, "heartbeat", &self.beat()))));
        }
        Poll::Pending
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        local::leave(&self.live, self.topic, &self.slot);
        self.live.look_away(self.topic);
        self.live.subscribers.fetch_sub(1, Ordering::AcqRel);
    }
}
