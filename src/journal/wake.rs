//! Waking many waiting tasks of one server thread with one call to it.
//!
//! The one idea: waking a task of another thread costs a system call, and a sync has dozens of
//! callers waiting. So the journal thread collects who is due, by server thread, and knocks once
//! at each; a task there then wakes its neighbours, which costs next to nothing.
//!
//! A thread that did not ask for this with [`wake_together`] is woken task by task.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Wake, Waker};

/// The tasks of one server thread that are due.
#[derive(Debug, Default)]
struct Inbox {
    inner: Mutex<Due>,
}

#[derive(Debug, Default)]
struct Due {
    tasks: Vec<Waker>,
    /// Wakes the task that wakes the others.
    door: Option<Waker>,
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Due> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn knock(&self) {
        let door = self.lock().door.clone();
        if let Some(door) = door {
            door.wake();
        }
    }
}

thread_local! {
    /// On a server thread: where its tasks are put when they are due.
    static INBOX: RefCell<Option<Arc<Inbox>>> = const { RefCell::new(None) };
    /// On the journal thread, while it tells callers: at whose doors to knock afterwards.
    static ROUND: RefCell<Option<Vec<Arc<Inbox>>>> = const { RefCell::new(None) };
}

/// From now on, tasks of this thread that wait for the journal are woken together. Must run inside
/// a tokio `LocalSet` that lives as long as the thread.
pub fn wake_together() {
    if INBOX.with_borrow(Option::is_some) {
        return;
    }
    let inbox = Arc::new(Inbox::default());
    INBOX.set(Some(Arc::clone(&inbox)));
    tokio::task::spawn_local(poll_fn(move |cx| {
        let due = {
            let mut due = inbox.lock();
            if !due.door.as_ref().is_some_and(|it| it.will_wake(cx.waker())) {
                due.door = Some(cx.waker().clone());
            }
            std::mem::take(&mut due.tasks)
        };
        due.into_iter().for_each(Waker::wake);
        Poll::<()>::Pending
    }));
}

/// `waker`, or one that goes through this thread's inbox.
pub(super) fn through_inbox(waker: &Waker) -> Waker {
    INBOX.with_borrow(|inbox| match inbox {
        None => waker.clone(),
        Some(inbox) => Waker::from(Arc::new(Task { own: waker.clone(), inbox: Arc::clone(inbox) })),
    })
}

struct Task {
    own: Waker,
    inbox: Arc<Inbox>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let is_collected = ROUND.with_borrow_mut(|round| {
            let Some(round) = round else { return false };
            self.inbox.lock().tasks.push(self.own.clone());
            if !round.iter().any(|it| Arc::ptr_eq(it, &self.inbox)) {
                round.push(Arc::clone(&self.inbox));
            }
            true
        });
        if !is_collected {
            self.own.wake_by_ref();
        }
    }
}

/// Runs `tell`, which wakes many, and then knocks once at each server thread that is concerned.
pub(super) fn in_one_round(tell: impl FnOnce()) {
    ROUND.set(Some(Vec::new()));
    tell();
    for inbox in ROUND.take().unwrap_or_default() {
        inbox.knock();
    }
}
