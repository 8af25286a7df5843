//! Listens to the entries of all calls, and has what others changed ruled on, in the order in which
//! the database tells of it.
//!
//! # Promises
//! - After each connection the first event holds everything: every call is compared with it, so an
//!   outage costs time and no edit.
//! - What is our own echo is never taken for an edit, also if only half of it is here.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustc_hash::FxHashMap;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tracing::{debug, info, warn};

use super::shadow::Shadow;
use super::shared::{Shared, Trouble};
use super::stream::{Change, Ended};
use crate::domain::{Call, CallId, Field, Timestamp};
use crate::readers::firebase::backoff::Backoff;
use crate::readers::firebase::client::{Client, Etag, Put, WriteError};
use crate::readers::firebase::entry::{self, Problem};
use crate::readers::firebase::here::NotTaken;
use crate::readers::firebase::source;
use crate::readers::firebase::status::MirrorStatus;
use crate::readers::firebase::writes::{Limits, Writes};

/// How often is looked whether something waits.
const TICK: Duration = Duration::from_millis(200);
/// When something that could not be done is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// A stream that lasted so long was a good one.
const LASTED: Duration = Duration::from_secs(5);
/// When a stream that owes us an echo is given up.
const GIVEN_UP: Duration = Duration::from_secs(8);

pub struct Calls {
    shared: Rc<Shared>,
    client: Client,
    shadow: Shadow,
    /// What has to be looked at again, and when.
    again: BTreeMap<CallId, Instant>,
    /// Calls that should be there and are not, as it was seen once.
    missing: BTreeSet<CallId>,
    /// Where somebody may have said something, for those who listen to words.
    moved: mpsc::Sender<CallId>,
    /// The times of last words that were passed on.
    followed: FxHashMap<CallId, Value>,
    /// When nothing was heard any more.
    lost_at: Option<Timestamp>,
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
            moved,
            followed: FxHashMap::default(),
            lost_at: None,
            measured_at: None,
        }
    }

    /// Listens for ever. May be dropped at any time.
    pub async fn listen(&mut self) -> Infallible {
        let mut backoff = Backoff::new(self.shared.settings.backoff);
        loop {
            let began = Instant::now();
            let trouble = self.listen_once().await;
            if began.elapsed() >= LASTED {
                backoff.reset();
            }
            self.lost_at.get_or_insert_with(|| Timestamp::from(SystemTime::now()));
            let retry_after = match &trouble {
                Trouble::Request(WriteError::Temporary { retry_after, .. }) => *retry_after,
                _ => None,
            };
            let is_ordinary = matches!(trouble, Trouble::Stream(Ended::Revoked | Ended::Closed));
            if self.shared.listening.set_listening(false, Some(trouble.to_string())) && !is_ordinary
            {
                warn!(error = %trouble, "What others change in Firebase is not heard now.");
            }
            sleep(backoff.next(rand::random(), retry_after)).await;
        }
    }

    async fn listen_once(&mut self) -> Trouble {
        match self.follow().await {
            Ok(never) => match never {},
            Err(trouble) => trouble,
        }
    }

    async fn follow(&mut self) -> Result<Infallible, Trouble> {
        self.measure().await?;
        let mut stream = self.shared.open(&mut self.client, "active_calls").await?;
        let _open = self.shared.listening.opened();
        self.shared.sent.begin();
        let first = stream.next().await?;
        self.take(&first).await;
        let good = Good(Arc::clone(&self.shared.mirror));
        good.0.set_stream_good(true);
        if self.shared.listening.set_listening(true, None) {
            info!("Firebase tells of what others change.");
        }
        self.catch_up_on_words();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {
                    self.look_again().await;
                    good.0.set_stream_good(self.is_in_time()?);
                }
                change = stream.next() => self.take(&change?).await,
            }
        }
    }

    /// Looks at everything now and then, for ever. May be dropped at any time.
    pub async fn look_every(&mut self, pause: Duration) -> Infallible {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {}
                () = sleep(TICK), if !self.again.is_empty() => {
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
        self.shared.sent.begin();
        let found = self.client.get("active_calls", &[]).await?;
        let data = to_raw_value(&found.value).map_err(|_| Ended::NotRead)?;
        self.take(&Change { path: "/".to_owned(), data, is_patch: false }).await;
        self.catch_up_on_words();
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

    async fn take(&mut self, change: &Change) {
        let call = Arc::clone(&self.shared.here.call);
        let touched = self.shadow.apply(change, &|id| call(id).is_some());
        if touched.is_whole {
            self.shared.listening.settle("active_calls", &touched.problems);
        }
        touched.problems.iter().for_each(|it| self.shared.set_aside(it));
        for id in touched.calls {
            self.look(id).await;
        }
        if touched.is_whole {
            let calls = (self.shared.here.calls)();
            self.followed.retain(|id, _| call(*id).is_some());
            for it in calls.iter().filter(|it| self.shadow.get(it.id).is_none()) {
                self.again.entry(it.id).or_insert_with(|| Instant::now() + AGAIN);
            }
        }
    }

    async fn look_again(&mut self) {
        let now = Instant::now();
        let due: Vec<CallId> =
            self.again.iter().filter(|it| *it.1 <= now).map(|it| *it.0).collect();
        for id in due {
            self.again.remove(&id);
            self.look(id).await;
        }
    }

    /// Looks at one entry as it is now.
    async fn look(&mut self, id: CallId) {
        let shared = Rc::clone(&self.shared);
        let Some(entry) = self.shadow.get(id) else { return self.look_for(id).await };
        self.missing.remove(&id);
        let halves = shared.sent.look(id, entry, std::time::Instant::now());
        let path = format!("active_calls/{id}");
        let Some((mut remote, mut problems)) =
            entry::look(id, entry, shared.mirror.clock().server_now())
        else {
            let reason = "lacks `mirrored`, so that edits can't be told from what we wrote";
            let problem = Problem { path: path.clone(), reason };
            shared.set_aside(&problem);
            return;
        };
        self.follow_words(id);
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
        if remote.edits.is_empty() && remote.ended.is_none() {
            return;
        }
        match (shared.here.take_in)(remote, shared.clock()).await {
            Ok(n_taken) => shared.listening.took(n_taken),
            Err(NotTaken::Gone | NotTaken::Ended) => {}
            Err(NotTaken::Later(_)) => drop(self.again.insert(id, Instant::now() + AGAIN)),
        }
    }

    /// A call whose entry is not there.
    async fn look_for(&mut self, id: CallId) {
        self.shared.sent.forget(id);
        let Some(call) = (self.shared.here.call)(id) else {
            self.missing.remove(&id);
            self.shared.listening.settle(&format!("active_calls/{id}"), &[]);
            return;
        };
        // Something of ours may be on its way there, or it is leaving.
        if call.last_seq > self.shared.mirror.acked_seq() || self.missing.insert(id) {
            self.again.insert(id, Instant::now() + AGAIN);
            return;
        }
        match self.write_again(&call).await {
            Ok(()) => {
                self.missing.remove(&id);
                info!(%id, "Somebody removed the call in Firebase; it is written there again.");
            }
            Err(err) => {
                debug!(%id, error = %err, "A call that was removed can't be written again now.");
                self.again.insert(id, Instant::now() + AGAIN);
            }
        }
    }

    /// Puts a call back that somebody removed, unless something is there again.
    async fn write_again(&mut self, call: &Call) -> Result<(), WriteError> {
        let id = call.id.to_string();
        let mut whole = Writes::new();
        // What follows goes into the whole, as its entry is in the batch.
        whole.set_call(&id, json!({}));
        entry::whole(&mut whole, call, &self.shared.settings.node);
        let path = format!("active_calls/{id}");
        if let Some((_, _, value)) = whole.iter().next() {
            let body = value.to_string().into();
            self.put_unless_there(&path, body).await?;
        }
        let mut words = Writes::new();
        source::words(&mut words, call);
        for piece in words.pieces(Limits::default()) {
            self.client.patch(piece.to_body(None)).await?;
        }
        Ok(())
    }

    /// Puts an entry where there is none: nothing, or something that is none.
    async fn put_unless_there(&mut self, path: &str, body: Bytes) -> Result<(), WriteError> {
        let mut etag = Some(Etag::of_nothing());
        while let Some(there) = etag.take() {
            match self.client.put_if(path, &there, body.clone()).await? {
                Put::Changed(found) if !found.value.is_object() => etag = found.etag,
                Put::Changed(_) | Put::Done(_) => {}
            }
        }
        Ok(())
    }

    /// Somebody may have said something in a call, if its last words there are later than ours.
    fn follow_words(&mut self, id: CallId) {
        let Some(there) = self.shadow.get(id).and_then(|it| it.get("last_message_at")) else {
            return;
        };
        if self.followed.get(&id) == Some(there) {
            return;
        }
        let at = match there {
            Value::String(text) => text.parse().ok(),
            Value::Number(ms) => ms.as_i64().map(Timestamp::from_millis),
            _ => None,
        };
        let here = (self.shared.here.call)(id).filter(|it| it.is_open());
        let (Some(at), Some(here)) = (at, here) else { return };
        if at > here.last_message_at && self.moved.try_send(id).is_ok() {
            self.followed.insert(id, there.clone());
        }
    }

    /// Our own words may have covered the time of somebody's while nothing was heard.
    fn catch_up_on_words(&mut self) {
        let Some(lost_at) = self.lost_at.take() else { return };
        for call in (self.shared.here.calls)() {
            if call.is_open() && call.last_message_at >= lost_at {
                // Beyond what fits, they are read when somebody looks or speaks.
                let _ = self.moved.try_send(call.id);
            }
        }
    }
}
