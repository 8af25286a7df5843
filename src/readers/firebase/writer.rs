//! The sending loop: the same for history and for live records.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, after, never, select};
use jiff::Timestamp;

use super::client::WriteError;
use super::delivery::{Delivery, Flow};
use super::pace::Bucket;
use super::patience::Waited;
use super::source::remove;
use super::writes::{Limits, Writes};
use crate::domain::CallId;

/// Why the source can't be read now. The mirror waits and asks again.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// What the source has after a position.
pub enum Next {
    /// Nothing yet: the bell will ring.
    Nothing,
    Batch(Batch),
    /// The position is unknown or no longer held: the whole state has to be sent.
    Reset(Reset),
}

/// Records in a row, coalesced.
pub struct Batch {
    /// May be empty, if no record concerns the mirror.
    pub writes: Writes,
    /// Sequence of the last record in it; beyond the position that was asked after.
    pub last_seq: u64,
    /// Time of the first record in it, for the lag.
    pub first_at: Option<Timestamp>,
    /// What comes next has to wait until this was acknowledged.
    pub is_cut: bool,
}

/// The whole state as of a sequence.
pub struct Reset {
    /// Made one by one, so that memory is bounded by one of them.
    pub chunks: Box<dyn Iterator<Item = Writes> + Send>,
    pub at_seq: u64,
    /// Whether it may as well be told from the first record on.
    pub is_all_held: bool,
    /// Time of the oldest thing in it, for the lag; `None` if there is nothing in it.
    pub first_at: Option<Timestamp>,
    /// Those of the calls there that have left since.
    pub leave: Leave,
}

/// Of the calls that the database has, those that have left here.
pub type Leave = Box<dyn FnOnce(&BTreeSet<CallId>) -> Vec<CallId> + Send>;

/// The loop. `S` gives what follows a sequence; `None` asks it to start from nothing.
pub(super) struct Writer<S> {
    pub source: S,
    pub bell: Receiver<()>,
    pub delivery: Delivery,
    /// Whether the last reading failed.
    pub source_is_broken: bool,
    /// Everything was sent, and what comes now is sent together then.
    pub rests_until: Option<Instant>,
    pub bucket: Bucket,
}

/// Wait after a panic, so that one that repeats does not keep a core busy.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// While a batch waits for its turn: how often to look for something that can't wait.
const GLANCE: Duration = Duration::from_millis(100);

impl<S> Writer<S>
where
    S: FnMut(Option<u64>, Limits) -> Result<Next, SourceError>,
{
    /// Runs until it is told to stop; then sends once more what waits, if that works at once.
    pub fn run(&mut self) {
        while self.turn() != Flow::Stop {
            self.delivery.progress.save_if_due();
        }
        if self.delivery.progress.due_in().is_some() {
            self.delivery.progress.save();
        }
    }

    /// Waits a moment. Returns whether the mirror is to end.
    pub fn pause_after_panic(&mut self) -> bool {
        self.delivery.patience.pause(AFTER_PANIC) == Waited::Stop
    }

    fn turn(&mut self) -> Flow {
        if self.delivery.patience.is_over() {
            return Flow::Stop;
        }
        self.delivery.attend();
        let is_stopping = self.delivery.patience.is_stopping();
        let is_asked = !self.delivery.patience.retries.is_empty();
        if !is_stopping && !is_asked && self.rest() {
            return Flow::Done;
        }
        let flow = self.delivery.check_position();
        if flow != Flow::Done {
            return flow;
        }
        let after = self.delivery.progress.acked();
        let next = match (self.source)(after, self.delivery.limits) {
            Ok(Next::Batch(it)) if after.is_some_and(|after| it.last_seq <= after) => {
                return self.source_failed("it gave nothing new");
            }
            Ok(next) => next,
            Err(err) => return self.source_failed(&err.to_string()),
        };
        if std::mem::take(&mut self.source_is_broken) {
            self.delivery.patience.recovered();
        }
        let flow = match next {
            Next::Nothing if is_stopping => Flow::Stop,
            Next::Nothing if is_asked => Flow::Done,
            Next::Nothing => {
                // The last look went well. While something waits, that a look goes well says nothing
                // of whether a write does.
                self.delivery.patience.recovered();
                match self.delivery.progress.status.listening().pace() {
                    Some(pace) => {
                        self.rests_until = Some(Instant::now() + pace);
                        Flow::Done
                    }
                    None => self.idle(),
                }
            }
            Next::Batch(batch) => self.batch(batch),
            Next::Reset(reset) => self.reset(reset),
        };
        // After what is newer, if that works.
        if flow == Flow::Stop || is_stopping { flow } else { self.retry_failed() }
    }

    fn batch(&mut self, mut batch: Batch) -> Flow {
        let since = batch.first_at.unwrap_or_else(Timestamp::now);
        self.delivery.progress.status.set_behind_since(since);
        self.bucket.saw(batch.last_seq, Instant::now());
        if !batch.writes.is_empty() {
            let wait = self.bucket.wait(Instant::now());
            if wait > Duration::ZERO && self.can_wait(&batch) {
                return match self.delivery.patience.pause(wait.min(GLANCE)) {
                    Waited::Enough => Flow::Reread,
                    Waited::Stop => Flow::Done,
                };
            }
            // Beside so many words the head of a request costs nothing.
            if !batch.writes.is_full(self.delivery.limits) {
                self.bucket.take(Instant::now());
            }
            let after = self.delivery.progress.acked().unwrap_or(0);
            self.delivery.doubt.note(after, batch.last_seq);
            let flow = self.delivery.deliver_contested(&mut batch.writes);
            if flow != Flow::Done {
                return flow;
            }
            let flow = self.delivery.deliver(batch.writes, Some(batch.last_seq));
            if flow != Flow::Done {
                return flow;
            }
        }
        self.delivery.progress.acknowledge(batch.last_seq);
        Flow::Done
    }

    fn can_wait(&self, batch: &Batch) -> bool {
        let writes = &batch.writes;
        let is_full = batch.is_cut || writes.is_full(self.delivery.limits);
        !(is_full || writes.is_urgent() || self.delivery.patience.is_stopping())
    }

    fn reset(&mut self, reset: Reset) -> Flow {
        if let Some(since) = reset.first_at {
            self.delivery.progress.status.set_behind_since(since);
        }
        let there = match self.delivery.calls_there() {
            Ok(there) => there,
            Err(err) => return self.delivery.waited(&err),
        };
        // An outage that began before the first contact is one like any other: also what is over is
        // told, in its order.
        if reset.is_all_held && there.is_empty() {
            match self.delivery.is_first_contact() {
                Ok(true) => return self.delivery.begin_anew(Some(0)),
                Ok(false) => {}
                Err(err) => return self.delivery.waited(&err),
            }
        }
        let flow = self.delivery.begin_anew(None);
        if flow != Flow::Done {
            return flow;
        }
        let mut is_empty = true;
        for chunk in reset.chunks {
            is_empty = false;
            // Without a position, as a crash in between has to begin the reset again.
            let flow = self.delivery.deliver_whole(chunk, &there);
            if flow != Flow::Done {
                return flow;
            }
        }
        let mut leaving = Writes::new();
        for id in (reset.leave)(&there) {
            remove(leaving.at(reset.at_seq), id);
        }
        if !leaving.is_empty() {
            let flow = self.delivery.deliver(leaving, None);
            if flow != Flow::Done {
                return flow;
            }
        }
        loop {
            match self.delivery.deliver(Writes::new(), Some(reset.at_seq)) {
                Flow::Done => break,
                // Nothing was sent that had to be sent again: look what has come meanwhile.
                Flow::Reread if is_empty || !self.delivery.is_filling => return Flow::Reread,
                Flow::Reread => continue,
                Flow::Stop => return Flow::Stop,
            }
        }
        // It may have been wiped after the first of it, or just before the last.
        self.delivery.watch.look_now();
        let flow = self.delivery.check_position();
        if flow != Flow::Done {
            return flow;
        }
        self.delivery.is_filling = false;
        self.delivery.progress.acknowledge(reset.at_seq);
        Flow::Done
    }

    /// Tries what was refused once more; of a call only in place of what is there, after that was
    /// looked at.
    fn retry_failed(&mut self) -> Flow {
        while !self.delivery.patience.retries.is_empty() {
            let which = self.delivery.patience.retries.remove(0);
            let limits = self.delivery.limits;
            for mut again in self.delivery.progress.failed().to_batches(&which, limits) {
                let mut flow = self.delivery.deliver_contested(&mut again);
                if flow == Flow::Done {
                    flow = self.delivery.deliver(again, None);
                }
                match flow {
                    Flow::Done => {}
                    // Somebody has put something there that is newer: it goes first.
                    Flow::Reread => {
                        self.delivery.patience.retries.push(which);
                        return Flow::Done;
                    }
                    Flow::Stop => return Flow::Stop,
                }
            }
        }
        Flow::Done
    }

    /// Where things are sent at a pace: waits until then, or for a command. Whether there is still
    /// time.
    fn rest(&mut self) -> bool {
        let pace = self.delivery.progress.status.listening().pace();
        let rest = self.rests_until.zip(pace);
        let rest = rest.map(|(until, _)| until.saturating_duration_since(Instant::now()));
        let Some(rest) = rest.filter(|it| !it.is_zero()) else {
            self.rests_until = None;
            return false;
        };
        let due = self.delivery.progress.due_in().unwrap_or(rest);
        self.delivery.patience.pause(rest.min(due));
        true
    }

    /// Waits for the bell, for a command, or until the position has to be saved.
    fn idle(&mut self) -> Flow {
        let look_in = self.delivery.watch.due_in();
        let due = after(self.delivery.progress.due_in().map_or(look_in, |it| it.min(look_in)));
        let patience = &mut self.delivery.patience;
        select! {
            recv(self.bell) -> ring => {
                if ring.is_err() {
                    // The journal is gone. Whoever closed it will stop us too.
                    self.bell = never();
                }
            }
            recv(patience.commands) -> command => patience.note(command.ok()),
            recv(due) -> _ => {}
        }
        Flow::Done
    }

    fn source_failed(&mut self, reason: &str) -> Flow {
        self.source_is_broken = true;
        let reason = format!("the journal can't be read: {reason}");
        match self.delivery.patience.wait_out(&WriteError::Misconfigured { reason }) {
            Waited::Enough => Flow::Reread,
            Waited::Stop => Flow::Stop,
        }
    }
}
