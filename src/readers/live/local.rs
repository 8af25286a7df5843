//! Waking the subscribers of one server thread.
//!
//! The one idea: waking a task of another thread costs a system call, waking one of one's own a
//! list entry. So each server thread has a single listener that is woken from outside, looks
//! which conversations moved, and wakes those of its own subscribers.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use super::{Live, News, Topic};
use crate::domain::Seq;

/// A subscriber's place to be woken at.
#[derive(Debug, Default)]
pub struct Slot {
    waker: RefCell<Option<Waker>>,
    /// First sequence that may concern it and that it has not read.
    pending_from: Cell<Option<Seq>>,
}

impl Slot {
    pub fn register(&self, waker: &Waker) {
        let mut own = self.waker.borrow_mut();
        if !own.as_ref().is_some_and(|it| it.will_wake(waker)) {
            *own = Some(waker.clone());
        }
    }

    pub fn pending_from(&self) -> Option<Seq> {
        self.pending_from.get()
    }

    pub fn set_pending(&self, from: Option<Seq>) {
        self.pending_from.set(from);
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn notify(&self, seq: Seq) {
        // Woken once for any number of records that it has not read.
        if self.pending_from.get().is_none() {
            self.pending_from.set(Some(seq));
            self.wake();
        }
    }
}

/// What [`Live::gather`] gave for a topic from a sequence on.
struct Last {
    live: usize,
    topic: Topic,
    from: Seq,
    gathered: (Option<Bytes>, Seq),
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// As [`Live::gather`]. Nearly all subscribers of a topic stand at the same place, so the bytes
/// that were put together for one are those of the next.
pub fn gather_once(live: &Arc<Live>, topic: Topic, from: Seq) -> Option<(Option<Bytes>, Seq)> {
    LAST.with_borrow_mut(|last| {
        let (address, head) = (Arc::as_ptr(live) as usize, live.head());
        if let Some(last) = last.as_ref().filter(|it| {
            (it.live, it.topic, it.from) == (address, topic, from) && it.gathered.1 == head
        }) {
            return Some(last.gathered.clone());
        }
        let gathered = live.gather(topic, from)?;
        *last = Some(Last { live: address, topic, from, gathered: gathered.clone() });
        Some(gathered)
    })
}

type Slots = FxHashMap<Topic, Vec<Weak<Slot>>>;

#[derive(Debug, Default)]
struct Local {
    slots: RefCell<Slots>,
    is_listening: Cell<bool>,
    /// Version of the control events that this thread has passed on.
    controls: Cell<u64>,
}

thread_local! {
    static LOCAL: RefCell<FxHashMap<usize, Rc<Local>>> = RefCell::default();
}

/// Enters a subscriber on this thread. Must run inside a tokio `LocalSet`.
pub fn enter(live: &Arc<Live>, topic: Topic) -> Rc<Slot> {
    let slot = Rc::new(Slot::default());
    let local = LOCAL.with_borrow_mut(|all| {
        let local = all.entry(Arc::as_ptr(live) as usize).or_default();
        Rc::clone(local)
    });
    local.slots.borrow_mut().entry(topic).or_default().push(Rc::downgrade(&slot));
    if !local.is_listening.replace(true) {
        // Both are taken before the first subscriber reads anything, so that nothing falls between.
        let (news, seen) = (live.news(), live.head());
        tokio::task::spawn_local(listen(Arc::clone(live), local, news, seen));
    }
    slot
}

/// Takes a subscriber off the list again.
pub fn leave(live: &Arc<Live>, topic: Topic, slot: &Rc<Slot>) {
    let local = LOCAL.with_borrow(|all| all.get(&(Arc::as_ptr(live) as usize)).cloned());
    let Some(local) = local else { return };
    let mut slots = local.slots.borrow_mut();
    if let Some(own) = slots.get_mut(&topic) {
        own.retain(|it| it.upgrade().is_some_and(|it| !Rc::ptr_eq(&it, slot)));
        if own.is_empty() {
            slots.remove(&topic);
        }
    }
}

async fn listen(live: Arc<Live>, local: Rc<Local>, mut news: watch::Receiver<News>, mut seen: Seq) {
    while news.changed().await.is_ok() {
        let news = *news.borrow_and_update();
        if news.is_closed {
            break;
        }
        seen = notify(&live, &local, seen, news.controls);
    }
    wake_all(&local);
    LOCAL.with_borrow_mut(|all| all.remove(&(Arc::as_ptr(&live) as usize)));
}

/// Wakes who is concerned by what came after `seen`; returns the new head.
fn notify(live: &Live, local: &Local, seen: Seq, controls: u64) -> Seq {
    let mut slots = local.slots.borrow_mut();
    let head = live.each_after(seen, |seq, entry| {
        if entry.frame.is_none() {
            return;
        }
        wake(&mut slots, Topic::Board, seq);
        if let Some(id) = entry.conversation {
            wake(&mut slots, Topic::Conversation(id), seq);
        }
    });
    let head = head.unwrap_or_else(|| {
        // So much came at once that it is gone from memory: everybody looks for themselves.
        for own in slots.values().flatten().filter_map(Weak::upgrade) {
            own.notify(seen + 1);
        }
        live.head()
    });
    if local.controls.replace(controls) != controls
        && let Some(board) = slots.get(&Topic::Board)
    {
        board.iter().filter_map(Weak::upgrade).for_each(|it| it.wake());
    }
    head
}

fn wake(slots: &mut Slots, topic: Topic, seq: Seq) {
    let Some(own) = slots.get_mut(&topic) else { return };
    own.retain(|it| it.upgrade().inspect(|it| it.notify(seq)).is_some());
    if own.is_empty() {
        slots.remove(&topic);
    }
}

fn wake_all(local: &Local) {
    for slot in local.slots.borrow().values().flatten().filter_map(Weak::upgrade) {
        slot.wake();
    }
}
