//! Listens to the entries of all calls, and has what others changed ruled on, in the order in which
//! the database tells of it.
//!
//! # Promises
//! - After each connection the first event holds everything: every call is compared with it, so an
//!   outage costs time and no edit.
//! - What is our own echo is never taken for an edit, also if only half of it is here.
//! - Where there is too much to be told as a whole, the calls are looked at one by one.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::value::to_raw_value;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, info, warn};

use super::moves::Moves;
use super::removed::{is_rubble, put_back, write_again};
use super::shadow::Shadow;
use super::shared::{Shared, Trouble};
use super::stream::{Change, Ended, EventStream};
use crate::domain::{CallId, Field, RemoteCall, RemoteEdit};
use crate::readers::firebase::backoff::Backoff;
use crate::readers::firebase::client::{Client, WriteError};
use crate::readers::firebase::entry::{self, Problem};
use crate::readers::firebase::here::NotTaken;
use crate::readers::firebase::source;
use crate::readers::firebase::status::MirrorStatus;
use crate::readers::firebase::writes::Writes;

/// How often is looked whether something waits.
const TICK: Duration = Duration::from_millis(200);
/// When something that could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// A stream that lasted so long was a good one.
const LASTED: Duration = Duration::from_secs(5);
/// When a stream that owes us an echo is given up.
const GIVEN_UP: Duration = Duration::from_secs(8);
/// Changes that are ruled on at a time: they share a sync of the disk.
const MAX_RULED: usize = 256;
/// Calls that are written again in a row; then the stream is read.
const MAX_WRITTEN: usize = 8;

pub struct Calls {
    shared: Rc<Shared>,
    client: Client,
    shadow: Shadow,
    /// What has to be looked at again, and when.
    again: BTreeMap<CallId, Instant>,
    /// Calls that should be there and are not, as it was seen once.
    missing: BTreeSet<CallId>,
    /// And twice: somebody removed them.
    removed: BTreeSet<CallId>,
    /// Calls that left here while they were written there again.
    left: BTreeSet<CallId>,
    /// What somebody keeps setting although ours counts: put back at each look.
    stubborn: BTreeMap<(CallId, Field), RemoteEdit>,
    /// Where somebody may have said something.
    moves: Moves,
    /// Until then the whole is taken for too large.
    too_large_until: Option<Instant>,
    measured_at: Option<Instant>,
}

/// Takes the word back that the stream is good, however listening ends.
struct Good(Arc<MirrorStatus>);

impl Drop for Good {
    fn drop(&mut self) {
        self.0.set_stream_good(false);
    }
}

impl Calls {
    pub fn new(shared: Rc<Shared>, client: Client, moved: mpsc::Sender<CallId>) -> Self {
        Self {
            shared,
            client,
            shadow: Shadow::default(),
            again: BTreeMap::new(),
            missing: BTreeSet::new(),
            removed: BTreeSet::new(),
            left: BTreeSet::new(),
            stubborn: BTreeMap::new(),
            moves: Moves::new(moved),
            too_large_until: None,
            measured_at: None,
        }
    }

    /// Listens for ever. May be dropped at any time.
    pub async fn listen(&mut self) -> Infallible {
        let mut backoff = Backoff::new(self.shared.settings.backoff);
        loop {
            let mut trouble = match self.follow(&mut backoff).await {
                Ok(never) => match never {},
                Err(trouble) => trouble,
            };
            if matches!(trouble, Trouble::Stream(Ended::TooLong(_))) {
                self.too_large();
                trouble = Trouble::TooMuch;
            }
            let retry_after = match &trouble {
                Trouble::Request(WriteError::Temporary { retry_after, .. }) => *retry_after,
                _ => None,
            };
            let is_ordinary = matches!(trouble, Trouble::Stream(Ended::Revoked | Ended::Closed));
            if self.shared.listening.set_listening(false, Some(trouble.to_string())) && !is_ordinary
            {
                warn!(error = %trouble, "What others change in Firebase is not heard now.");
            }
            self.look_one_by_one().await;
            sleep(backoff.next(rand::random(), retry_after)).await;
        }
    }

    async fn follow(&mut self, backoff: &mut Backoff) -> Result<Infallible, Trouble> {
        self.measure().await?;
        let acked_seq = self.shared.mirror.acked_seq();
        let mut stream = self.shared.open(&mut self.client, "active_calls").await?;
        let _open = self.shared.listening.opened();
        self.shared.sent.begin();
        let first = self.first(&mut stream).await?;
        if !self.take(&first).await {
            return Err(Ended::NotRead.into());
        }
        self.catch_up_on_words(acked_seq);
        let good = Good(Arc::clone(&self.shared.mirror));
        good.0.set_stream_good(true);
        if self.shared.listening.set_listening(true, None) {
            info!("Firebase tells of what others change.");
        }
        let began = Instant::now();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    self.look_again().await;
                    good.0.set_stream_good(self.is_in_time()?);
                    if began.elapsed() >= LASTED {
                        backoff.reset();
                    }
                }
                change = stream.next() => drop(self.take(&change?).await),
            }
        }
    }

    /// Everything. Signs of life alone are none.
    async fn first(&self, stream: &mut EventStream) -> Result<Change, Trouble> {
        let patience = self.shared.settings.stream.silence;
        let first = timeout(patience, stream.next()).await;
        Ok(first.map_err(|_| Trouble::NoAnswer(patience))??)
    }

    /// Looks at everything now and then, for ever. May be dropped at any time.
    pub async fn look_every(&mut self, pause: Duration) -> Infallible {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {}
                () = sleep(TICK), if self.is_waiting() => {
                    self.look_again().await;
                    continue;
                }
            }
            let trouble = self.look_once().await.err().map(|it| it.to_string());
            if self.shared.listening.set_listening(false, trouble.clone())
                && let Some(trouble) = trouble
            {
                warn!(error = trouble, "What others changed in Firebase can't be read now.");
            }
        }
    }

    async fn look_once(&mut self) -> Result<(), Trouble> {
        self.measure().await?;
        if self.too_large_until.is_some_and(|it| it > Instant::now()) {
            self.look_at_each().await?;
            return Err(Trouble::TooMuch);
        }
        let acked_seq = self.shared.mirror.acked_seq();
        self.shared.sent.begin();
        let found = match self.client.get("active_calls", &[]).await {
            Err(WriteError::Unreadable { .. }) => {
                self.too_large();
                self.look_at_each().await?;
                return Err(Trouble::TooMuch);
            }
            found => found?,
        };
        let data = to_raw_value(&found.value).map_err(|_| Ended::NotRead)?;
        self.take(&Change { path: "/".to_owned(), data, is_patch: false }).await;
        self.catch_up_on_words(acked_seq);
        Ok(())
    }

    async fn measure(&mut self) -> Result<(), Trouble> {
        let every = self.shared.settings.measure_every;
        if self.measured_at.is_some_and(|it| it.elapsed() < every) {
            return Ok(());
        }
        let clock = self.shared.mirror.clock();
        clock.measure(&mut self.client, &self.shared.settings.node).await?;
        self.measured_at = Some(Instant::now());
        Ok(())
    }

    /// What was told as a whole is too large: each try is downloaded, and billed.
    fn too_large(&mut self) {
        self.too_large_until = Some(Instant::now() + self.shared.settings.whole_again);
    }

    /// As long as the whole is too large.
    async fn look_one_by_one(&mut self) {
        while self.too_large_until.is_some_and(|it| it > Instant::now()) {
            if let Err(error) = self.look_at_each().await {
                debug!(%error, "The calls in Firebase can't be read now.");
            }
            sleep(self.shared.settings.each_every).await;
            self.look_again().await;
        }
    }

    /// Looks at the entries of our own calls, whatever else is there.
    async fn look_at_each(&mut self) -> Result<(), Trouble> {
        let acked_seq = self.shared.mirror.acked_seq();
        self.shared.sent.begin();
        self.moves.begin();
        for call in (self.shared.here.calls)() {
            let id = call.id;
            let found = match self.client.get(&format!("active_calls/{id}"), &[]).await {
                Err(WriteError::Unreadable { .. }) => {
                    let (path, reason) = (format!("active_calls/{id}"), "is too large to be read");
                    self.shared.set_aside(&Problem { path, reason });
                    continue;
                }
                found => found?,
            };
            let data = to_raw_value(&found.value).map_err(|_| Ended::NotRead)?;
            self.take(&Change { path: format!("/{id}"), data, is_patch: false }).await;
        }
        self.catch_up_on_words(acked_seq);
        Ok(())
    }

    /// Whether no echo is overdue.
    fn is_in_time(&self) -> Result<bool, Trouble> {
        let (sent, now) = (&self.shared.sent, std::time::Instant::now());
        if sent.overdue(now).is_none() {
            return Ok(true);
        }
        // What changes nothing there is not told of.
        for id in sent.waiting() {
            match self.shadow.get(id) {
                Some(entry) => drop(sent.look(id, entry, now)),
                None => sent.forget(id),
            }
        }
        match sent.overdue(now) {
            None => Ok(true),
            Some(late) if late < GIVEN_UP => Ok(false),
            Some(late) => Err(Trouble::Overdue(late)),
        }
    }

    /// Whether it told everything.
    async fn take(&mut self, change: &Change) -> bool {
        let call = Arc::clone(&self.shared.here.call);
        let touched = self.shadow.apply(change, &|id| call(id).is_some());
        if touched.is_whole {
            self.moves.begin();
            // What is wrong with our own is looked at below, and told of once.
            let is_ours = |path: &str| {
                let id = path.split('/').nth(1).and_then(|it| it.parse().ok());
                id.is_some_and(|id| self.shadow.get(id).is_some())
            };
            self.shared.listening.settle_but("active_calls", |path| {
                is_ours(path) || touched.problems.iter().any(|it| it.path == path)
            });
        }
        touched.problems.iter().for_each(|it| self.shared.set_aside(it));
        self.look_at(touched.calls).await;
        if touched.is_whole {
            for it in
                (self.shared.here.calls)().iter().filter(|it| self.shadow.get(it.id).is_none())
            {
                self.again.entry(it.id).or_insert_with(|| Instant::now() + AGAIN);
            }
        }
        touched.is_whole
    }

    fn is_waiting(&self) -> bool {
        !self.again.is_empty()
            || !self.removed.is_empty()
            || !self.left.is_empty()
            || !self.stubborn.is_empty()
    }

    async fn look_again(&mut self) {
        let now = Instant::now();
        let due: Vec<CallId> =
            self.again.iter().filter(|it| *it.1 <= now).map(|it| *it.0).collect();
        self.again.retain(|_, at| *at > now);
        self.look_at(due).await;
        self.write_again().await;
        self.remove_left().await;
        self.put_back().await;
    }

    /// Puts our values back where somebody keeps setting others; a few at a time.
    async fn put_back(&mut self) {
        for _ in 0..MAX_WRITTEN {
            let Some(((id, _), edit)) = self.stubborn.pop_first() else { return };
            let Some(call) = (self.shared.here.call)(id) else { continue };
            if let Err(err) = put_back(&mut self.client, &call, &edit).await {
                debug!(%id, error = %err, "Our value can't be put back now.");
                self.again.insert(id, Instant::now() + AGAIN);
                return;
            }
        }
    }

    /// Looks at entries as they are now, and has what was changed in them ruled on.
    async fn look_at(&mut self, ids: impl IntoIterator<Item = CallId>) {
        let changed: Vec<RemoteCall> = ids.into_iter().filter_map(|id| self.look(id)).collect();
        self.moves.pass_on();
        let shared = Rc::clone(&self.shared);
        let ruling = changed.into_iter().map(|remote| {
            let id = remote.call_id;
            let ruling = (shared.here.take_in)(remote, shared.clock());
            async move { (id, ruling.await) }
        });
        let mut ruled = stream::iter(ruling).buffer_unordered(MAX_RULED);
        while let Some((id, taken)) = ruled.next().await {
            match taken {
                Ok(ruled_on) => {
                    shared.listening.took(ruled_on.n_taken);
                    let back = ruled_on.put_back.into_iter();
                    self.stubborn.extend(back.map(|it| ((id, it.field), it)));
                }
                Err(NotTaken::Gone | NotTaken::Ended) => {}
                Err(NotTaken::Later(_)) => drop(self.again.insert(id, Instant::now() + AGAIN)),
            }
        }
    }

    /// What was changed in an entry.
    fn look(&mut self, id: CallId) -> Option<RemoteCall> {
        let shared = Rc::clone(&self.shared);
        let Some(entry) = self.shadow.get(id).filter(|it| !is_rubble(it)) else {
            self.is_missing(id);
            return None;
        };
        self.missing.remove(&id);
        let halves = shared.sent.look(id, entry, std::time::Instant::now());
        let path = format!("active_calls/{id}");
        if let Some(call) = (shared.here.call)(id) {
            self.moves.look(&call, entry.get("last_message_at"));
        }
        let Some((mut remote, mut problems)) =
            entry::look(id, entry, shared.mirror.clock().server_now())
        else {
            let reason = "lacks `mirrored`, so that edits can't be told from what we wrote";
            shared.set_aside(&Problem { path, reason });
            return None;
        };
        if let Some((halves, until)) = halves {
            remote.edits.retain(|it| !halves.contains(&it.field));
            if halves.contains(&Field::AdminId) {
                remote.ended = None;
                problems
                    .retain(|it| !it.path.ends_with("status") && !it.path.ends_with("admin_id"));
            }
            problems.retain(|it| halves.iter().all(|half| !it.path.ends_with(half.as_str())));
            self.again.insert(id, until.into());
        }
        shared.listening.settle(&path, &problems);
        problems.iter().for_each(|it| shared.set_aside(it));
        (!remote.edits.is_empty() || remote.ended.is_some()).then_some(remote)
    }

    /// A call whose entry is not there.
    fn is_missing(&mut self, id: CallId) {
        self.shared.sent.forget(id);
        let Some(call) = (self.shared.here.call)(id) else {
            self.missing.remove(&id);
            self.shared.listening.settle(&format!("active_calls/{id}"), &[]);
            let conversation = format!("active_conversations/{}", id.conversation());
            self.shared.listening.settle(&conversation, &[]);
            return;
        };
        // Something of ours may be on its way there, or it is leaving.
        if call.last_seq > self.shared.mirror.acked_seq() || self.missing.insert(id) {
            self.again.insert(id, Instant::now() + AGAIN);
        } else {
            self.removed.insert(id);
        }
    }

    /// Puts calls back that somebody removed; a few at a time, as changes wait meanwhile.
    async fn write_again(&mut self) {
        for _ in 0..MAX_WRITTEN {
            let Some(id) = self.removed.pop_first() else { return };
            let is_there = self.shadow.get(id).is_some_and(|it| !is_rubble(it));
            let Some(call) = (self.shared.here.call)(id).filter(|_| !is_there) else { continue };
            let done = write_again(&mut self.client, &call, &self.shared.settings.node).await;
            if (self.shared.here.call)(id).is_none() {
                // It left or was erased meanwhile: maybe before the last of this arrived there.
                self.left.insert(id);
            }
            match done {
                Ok(is_written) => {
                    self.missing.remove(&id);
                    if is_written {
                        info!(%id, "Somebody removed the call in Firebase; it is there again.");
                    }
                }
                Err(WriteError::Refused { .. }) => {
                    let path = format!("active_calls/{id}");
                    let reason = "was removed there, and is refused when it is written again";
                    self.shared.set_aside(&Problem { path, reason });
                }
                Err(err) => {
                    debug!(%id, error = %err, "A call that was removed can't be written again now.");
                    self.again.insert(id, Instant::now() + AGAIN);
                    // It would be the same with the others.
                    return;
                }
            }
        }
    }

    /// Removes what was written of calls that left while it was on its way.
    async fn remove_left(&mut self) {
        let mut gone = Writes::new();
        self.left.iter().for_each(|id| source::remove(&mut gone, *id));
        if !gone.is_empty() && self.client.patch(gone.to_body(&[])).await.is_ok() {
            self.left.clear();
        }
    }

    fn catch_up_on_words(&mut self, acked_seq: u64) {
        let calls = (self.shared.here.calls)();
        self.moves.catch_up(calls.iter().map(|it| &**it), acked_seq);
        self.moves.pass_on();
    }
}
