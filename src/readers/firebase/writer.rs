//! The sending loop: the same for history and for live records.

use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};
use jiff::Timestamp;

use super::client::WriteError;
use super::delivery::{Delivery, Flow};
use super::writes::{Limits, Writes};

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
}

/// The whole state as of a sequence.
pub struct Reset {
    /// Made one by one, so that memory is bounded by one of them.
    pub chunks: Box<dyn Iterator<Item = Writes> + Send>,
    pub at_seq: u64,
}

/// The loop. `S` gives what follows a sequence; `None` asks it to start from nothing.
pub(super) struct Writer<S> {
    pub source: S,
    pub bell: Receiver<()>,
    pub delivery: Delivery,
}

/// Wait after a panic, so that one that repeats does not keep a core busy.
const AFTER_PANIC: Duration = Duration::from_secs(1);

impl<S> Writer<S>
where
    S: FnMut(Option<u64>, Limits) -> Result<Next, SourceError>,
{
    /// Runs until it is told to stop; then sends once more what waits, if that works at once.
    pub fn run(&mut self) {
        while self.turn() != Flow::Stop {}
    }

    /// Waits a moment. Returns whether the mirror is to end.
    pub fn pause_after_panic(&mut self) -> bool {
        self.delivery.pause(AFTER_PANIC) == Flow::Stop
    }

    fn turn(&mut self) -> Flow {
        let is_stopping = self.delivery.is_stopping();
        if !is_stopping && self.retry_failed() == Flow::Stop {
            return Flow::Stop;
        }
        let after = self.delivery.acked();
        match (self.source)(after, self.delivery.limits) {
            Ok(Next::Nothing) if is_stopping => Flow::Stop,
            Ok(Next::Nothing) => self.idle(),
            Ok(Next::Batch(batch)) if after.is_some_and(|it| batch.last_seq <= it) => {
                self.source_failed("it gave nothing new")
            }
            Ok(Next::Batch(batch)) => self.batch(batch),
            Ok(Next::Reset(reset)) => self.reset(reset),
            Err(err) => self.source_failed(&err.to_string()),
        }
    }

    fn batch(&mut self, batch: Batch) -> Flow {
        let since = batch.first_at.unwrap_or_else(Timestamp::now);
        self.delivery.status.set_behind_since(since);
        if !batch.writes.is_empty() {
            let flow = self.delivery.deliver(batch.writes, Some(batch.last_seq));
            if flow != Flow::Done {
                return flow;
            }
        }
        self.delivery.acknowledge(batch.last_seq);
        Flow::Done
    }

    fn reset(&mut self, reset: Reset) -> Flow {
        self.delivery.status.set_behind_since(Timestamp::now());
        for chunk in reset.chunks {
            // Without a position, as a crash in between has to begin the reset again.
            if self.delivery.deliver(chunk, None) == Flow::Stop {
                return Flow::Stop;
            }
        }
        loop {
            match self.delivery.deliver(Writes::new(), Some(reset.at_seq)) {
                Flow::Done => break,
                Flow::Reread => continue,
                Flow::Stop => return Flow::Stop,
            }
        }
        self.delivery.acknowledge(reset.at_seq);
        Flow::Done
    }

    fn retry_failed(&mut self) -> Flow {
        while !self.delivery.retries.is_empty() {
            let which = self.delivery.retries.remove(0);
            let again = self.delivery.cursor.failed().to_writes(which);
            if !again.is_empty() && self.delivery.deliver(again, None) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::Done
    }

    fn idle(&mut self) -> Flow {
        select! {
            recv(self.bell) -> ring => {
                if ring.is_err() {
                    // The journal is gone. Whoever closed it will stop us too.
                    self.bell = never();
                }
            }
            recv(self.delivery.commands) -> command => self.delivery.note(command.ok()),
        }
        Flow::Done
    }

    fn source_failed(&mut self, reason: &str) -> Flow {
        let reason = format!("the journal can't be read: {reason}");
        self.delivery
            .wait_out(&WriteError::Misconfigured { reason })
    }
}
