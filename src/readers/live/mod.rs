//! The live streams: what happens, in the browser of whoever looks, in the order of the journal.
//!
//! The one idea: a subscriber is a cursor. One thread turns each record into bytes once; every
//! subscriber reads them from its own place on, so a slow one is behind and never in the way. One
//! that is too far behind is told so (`gap`) and begins anew (`initial`).
//!
//! Control events (`heartbeat`, `gap`, `sync`, `health`) carry no id: they are about the stream,
//! the mirror and the disk, and not part of the order.

mod frame;
mod local;
mod ring;
mod subscription;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use rustc_hash::FxHashMap;
use tokio::sync::watch;
use tracing::error;

pub use self::frame::Conversation;
use self::ring::{Entry, Gathered, Ring};
pub use self::subscription::Subscription;
use crate::domain::{Alert, Call, Conflict, ConversationId, Position, Seq, SyncStatus};
use crate::journal::Journal;

/// What a subscriber follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    Board,
    Conversation(ConversationId),
}

/// Why there is no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    #[error("there is no such conversation")]
    NoSuchConversation,
    #[error("{limit} streams are open, as many as this server accepts")]
    TooMany { limit: usize },
}

/// Records in one step of catching up: bounds the work between two writes.
const STEP: usize = 512;
/// Bytes of one write, about.
const WRITE: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, Default)]
struct News {
    head: Seq,
    controls: u64,
    is_closed: bool,
}

/// Latest control events, for the board.
#[derive(Debug, Default)]
struct Controls {
    version: u64,
    sync: Option<(Bytes, serde_json::Value)>,
    health: Option<(Bytes, serde_json::Value)>,
}

/// How far the mirror is with a call.
type SyncOf = Box<dyn Fn(&Call) -> SyncStatus + Send + Sync>;

pub struct Live {
    journal: Arc<Journal>,
    sync_of: SyncOf,
    ring: RwLock<Ring>,
    controls: RwLock<Controls>,
    news: watch::Sender<News>,
    limit: usize,
    /// Rings when a subscriber comes, or at the end.
    arrivals: (Sender<()>, Receiver<()>),
    subscribers: AtomicUsize,
    /// How many look at each conversation.
    viewers: watch::Sender<FxHashMap<ConversationId, usize>>,
    gaps: AtomicU64,
    /// What is older is not sent again: it may hold what was erased.
    forgotten: AtomicU64,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("subscribers", &self.subscribers).finish_non_exhaustive()
    }
}

impl Live {
    /// `limit`: streams at a time.
    pub fn new(
        journal: Arc<Journal>,
        limit: usize,
        sync_of: impl Fn(&Call) -> SyncStatus + Send + Sync + 'static,
    ) -> Arc<Self> {
        let head = journal.head();
        Arc::new(Self {
            journal,
            sync_of: Box::new(sync_of),
            ring: RwLock::new(Ring::new(head)),
            controls: RwLock::default(),
            news: watch::Sender::new(News { head, ..News::default() }),
            limit,
            arrivals: bounded(1),
            subscribers: AtomicUsize::new(0),
            viewers: watch::Sender::default(),
            gaps: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Follows the journal until it is closed; the work of the thread `live`. While nobody looks
    /// it sleeps.
    pub fn follow(&self, bell: &Receiver<()>) {
        while bell.recv().is_ok() {
            self.catch_up();
            if self.subscribers() == 0 && !self.is_closed() {
                // Nobody looks. Whoever comes begins at the head or reads the journal's own memory.
                let _ = self.arrivals.1.recv();
                self.skip();
            }
        }
        self.close();
    }

    fn skip(&self) {
        let head = self.journal.head();
        self.ring_mut(|ring| ring.skip_to(head));
        self.news.send_modify(|it| it.head = head);
    }

    fn catch_up(&self) {
        loop {
            let after = self.head();
            let head = self.journal.head();
            if after >= head {
                return;
            }
            if self.subscribers() == 0 {
                self.ring_mut(|ring| ring.skip_to(head));
            } else if let Some(records) = self.journal.recent_after(after, STEP) {
                let entries: Vec<Entry> = records
                    .iter()
                    .map(|it| Entry {
                        conversation: ring::conversation_of(&it.event),
                        frame: frame::of_record(it, self.journal.position(it.seq)),
                    })
                    .collect();
                self.ring_mut(|ring| entries.into_iter().for_each(|it| ring.push(it)));
            } else {
                // More at once than memory holds: subscribers begin anew.
                self.ring_mut(|ring| ring.skip_to(head));
            }
            let head = self.head();
            self.news.send_modify(|it| it.head = head);
        }
    }

    fn ring_mut(&self, change: impl FnOnce(&mut Ring)) {
        change(&mut self.ring.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sends nothing older than `seq` again: whoever is not there yet begins anew.
    pub fn forget_before(&self, seq: Seq) {
        self.forgotten.fetch_max(seq, Ordering::AcqRel);
        self.ring_mut(|ring| ring.forget_before(seq));
    }

    /// Whether what follows `seq` may still be sent.
    fn may_resume(&self, seq: Seq) -> bool {
        seq + 1 >= self.forgotten.load(Ordering::Acquire)
    }

    /// Follows `topic`: from `last` on if that is a place that is still held, else from now on.
    ///
    /// # Errors
    /// [`SubscribeError`]
    pub fn subscribe(
        self: &Arc<Self>,
        topic: Topic,
        last: Option<Position>,
        is_resuming: bool,
    ) -> Result<Subscription, SubscribeError> {
        if let Topic::Conversation(id) = topic
            && !self.journal.view(|state| state.conversation(id).is_some())
        {
            return Err(SubscribeError::NoSuchConversation);
        }
        if self.subscribers.fetch_add(1, Ordering::AcqRel) >= self.limit {
            self.subscribers.fetch_sub(1, Ordering::AcqRel);
            return Err(SubscribeError::TooMany { limit: self.limit });
        }
        let subscription = Subscription::new(Arc::clone(self), topic, last, is_resuming);
        let _ = self.arrivals.0.try_send(());
        Ok(subscription)
    }

    pub fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Acquire)
    }

    /// Which conversations somebody looks at, and how many.
    pub fn viewers(&self) -> watch::Receiver<FxHashMap<ConversationId, usize>> {
        self.viewers.subscribe()
    }

    fn look(&self, topic: Topic) {
        if let Topic::Conversation(id) = topic {
            self.viewers.send_modify(|it| *it.entry(id).or_default() += 1);
        }
    }

    fn look_away(&self, topic: Topic) {
        let Topic::Conversation(id) = topic else { return };
        self.viewers.send_modify(|it| {
            if let Some(n) = it.get_mut(&id) {
                *n -= 1;
                if *n == 0 {
                    it.remove(&id);
                }
            }
        });
    }

    /// How often a subscriber was too far behind.
    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Records that subscribers do not see yet; none while there is no subscriber.
    pub fn lag(&self) -> u64 {
        if self.subscribers() == 0 { 0 } else { self.journal.head().saturating_sub(self.head()) }
    }

    /// Last sequence that subscribers can read.
    pub fn head(&self) -> Seq {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).head()
    }

    /// Shows the mirror's state on every board.
    pub fn publish_sync(&self, sync: serde_json::Value) {
        self.publish(|controls| {
            controls.sync = Some((frame::event(None, "sync", &sync), sync));
        });
    }

    /// Shows on every board whether what is said reaches the disk.
    pub fn publish_health(&self, health: serde_json::Value) {
        self.publish(|controls| {
            controls.health = Some((frame::event(None, "health", &health), health));
        });
    }

    fn publish(&self, change: impl FnOnce(&mut Controls)) {
        let mut controls = self.controls.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut controls);
        controls.version += 1;
        let version = controls.version;
        drop(controls);
        self.news.send_modify(|it| it.controls = version);
    }

    /// Ends every stream, each after what it has still to tell. Who comes later is sent away, too.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.news.send_modify(|it| it.is_closed = true);
        let _ = self.arrivals.0.try_send(());
    }

    /// Whether the journal is followed; `false` is a defect, or the end.
    pub fn is_following(&self) -> bool {
        !self.is_closed()
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// Shows each entry after `seq`; the head, or `None` if some are no longer here.
    fn each_after(&self, seq: Seq, mut each: impl FnMut(Seq, &Entry)) -> Option<Seq> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.from(seq + 1)?.for_each(|(seq, entry)| each(seq, entry));
        Some(ring.head())
    }

    /// Frames for `topic` from `from` on, about one write of them, and up to where they go.
    fn gather(&self, topic: Topic, from: Seq) -> Option<(Option<Bytes>, Seq)> {
        if !self.may_resume(from - 1) {
            return None;
        }
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let head = ring.head();
        if from > head {
            return Some((None, from - 1));
        }
        let mut gathered = Gathered::default();
        if let Some(entries) = ring.from(from) {
            for (seq, entry) in entries {
                if let Some(frame) = entry.frame.as_ref().filter(|_| entry.concerns(topic)) {
                    gathered.push(frame);
                    if gathered.len() >= WRITE {
                        return Some((gathered.into_bytes(), seq));
                    }
                }
            }
            return Some((gathered.into_bytes(), head));
        }
        drop(ring);
        // Older than what is kept as bytes: made again, for this one subscriber.
        let records = self.journal.recent_after(from - 1, STEP)?;
        let mut last = from - 1;
        for record in records.iter().take_while(|it| it.seq <= head) {
            last = record.seq;
            let conversation = ring::conversation_of(&record.event);
            if (Entry { conversation, frame: None }).concerns(topic)
                && let Some(frame) = frame::of_record(record, self.journal.position(record.seq))
            {
                gathered.push(&frame);
            }
        }
        Some((gathered.into_bytes(), last))
    }

    /// `initial`, and the sequence up to which it tells everything.
    fn initial(&self, topic: Topic) -> Option<(Bytes, Seq)> {
        let (state, seq) = self.journal.snapshot_at_head();
        let id = Some(self.journal.position(seq));
        let frame = match topic {
            Topic::Conversation(conversation) => {
                let call = state.conversation(conversation)?;
                let sync = (self.sync_of)(call);
                frame::event(id, "initial", &frame::Conversation::new(call, sync))
            }
            Topic::Board => {
                let mut open: Vec<_> = state.calls().filter(|it| it.is_open()).collect();
                open.sort_unstable_by_key(|it| it.id);
                let calls = open
                    .into_iter()
                    .map(|it| frame::BoardCall::new(it, (self.sync_of)(it)))
                    .collect();
                let controls = self.controls.read().unwrap_or_else(PoisonError::into_inner);
                let board = BoardInitial {
                    calls,
                    alerts: state.alerts().map(|it| &**it).collect(),
                    conflicts: state.conflicts().map(|it| &**it).collect(),
                    sync: controls.sync.as_ref().map(|it| &it.1),
                    health: controls.health.as_ref().map(|it| &it.1),
                    seq,
                };
                frame::event(id, "initial", &board)
            }
        };
        Some((frame, seq))
    }

    /// The control events newer than `seen`.
    fn controls_after(&self, seen: &mut u64) -> Option<Bytes> {
        let controls = self.controls.read().unwrap_or_else(PoisonError::into_inner);
        if controls.version == *seen {
            return None;
        }
        *seen = controls.version;
        let mut gathered = Gathered::default();
        for (frame, _) in controls.sync.iter().chain(&controls.health) {
            gathered.push(frame);
        }
        gathered.into_bytes()
    }
}

#[derive(serde::Serialize)]
struct BoardInitial<'a> {
    calls: Vec<frame::BoardCall<'a>>,
    alerts: Vec<&'a Alert>,
    conflicts: Vec<&'a Conflict>,
    sync: Option<&'a serde_json::Value>,
    health: Option<&'a serde_json::Value>,
    seq: Seq,
}

/// Starts the thread that follows the journal for `live`.
///
/// # Errors
/// If the system has no thread to give.
pub fn spawn(live: &Arc<Live>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let bell = live.journal.bell();
    let live = Arc::clone(live);
    std::thread::Builder::new().name("live".to_owned()).spawn(move || {
        let followed =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| live.follow(&bell)));
        if followed.is_err() {
            error!("The live streams stopped by a defect; boards say so. Restart when you can.");
            live.close();
        }
    })
}
