//! The journal thread: owns the file, the order and the state that decides.
//!
//! The one idea: it takes every commit that waits, decides each against its own state, writes
//! them in one go, syncs once, and only then shows them to readers and wakes the callers. While a
//! sync runs the next batch gathers by itself, so a hundred callers share one sync.
//!
//! After a failed write or sync the file is never trusted again. Records go on being decided and
//! are kept in memory, bounded; a new segment is tried with back-off, and begins with what was
//! kept. Nobody is shown a record before it is on disk.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, info};

use super::commit::{Job, Need, Outcome};
use super::error::JournalError;
use super::line::{read_record, write_record};
use super::segment::OpenSegment;
use super::shared::Shared;
use super::wake::in_one_round;
use crate::domain::{Event, JournalId, Record, Seq, State, Timestamp};

/// Commits of one sync, at most. Bounds the batch's memory; far above what gathers in one sync.
const BATCH: usize = 1_024;
/// What is kept while the disk fails. About 16,000 turns.
const KEPT_BYTES: usize = 16 * 1024 * 1024;
/// How long the thread looks for more before it sleeps; others may have the core meanwhile.
const AWAKE: Duration = Duration::from_micros(100);
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MOST: Duration = Duration::from_secs(10);

pub(super) enum Command {
    Commit(Box<dyn Job>),
    /// Close the segment and begin the next; answered with where that one begins.
    Seal(SyncSender<Result<Seq, JournalError>>),
    Close,
}

pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub node: Arc<str>,
    pub segment_bytes: u64,
    pub id: JournalId,
    /// The state that decides: ahead of what readers see by what is not durable yet.
    pub state: State,
    pub last_at: Timestamp,
    pub next_ordinal: u32,
    /// `None` until the first write, and after a failure.
    pub segment: Option<OpenSegment>,
    /// Decided and not on disk: the batch under way, or all that gathered since the disk failed.
    pub unwritten: Vec<(Arc<Record>, usize)>,
    pub lines: Vec<u8>,
    /// How many of those records, and bytes of lines, callers' commits have made. People's changes
    /// stand behind them and can be taken back.
    pub of_callers: (usize, usize),
    /// Who waits for the segment to be sealed, once the batch under way is settled.
    pub seals: Vec<SyncSender<Result<Seq, JournalError>>>,
    pub retry: Option<Retry>,
    /// Shown and not yet rung for.
    pub has_news: bool,
    /// The last batch was one commit.
    pub was_alone: bool,
}

/// Since when the disk fails and when it is tried next.
pub(super) struct Retry {
    since: Instant,
    at: Instant,
    wait: Duration,
}

impl Writer {
    pub fn run(mut self, commands: &Receiver<Command>) {
        let mut jobs: Vec<(Box<dyn Job>, bool)> = Vec::with_capacity(BATCH);
        let mut events = Vec::new();
        loop {
            let is_closing = !self.gather(commands, &mut jobs, &mut events);
            self.settle(&mut jobs);
            self.seal();
            if is_closing {
                if self.retry.is_some() {
                    self.try_new_segment();
                    self.shared.ring_bells();
                }
                if !self.unwritten.is_empty() {
                    let n_lost = self.unwritten.len();
                    error!(n_lost, "Stopping with {n_lost} records that the disk did not take.");
                }
                return;
            }
        }
    }

    /// Waits for commits and decides all that are there. `false` when closing.
    fn gather(
        &mut self,
        commands: &Receiver<Command>,
        jobs: &mut Vec<(Box<dyn Job>, bool)>,
        events: &mut Vec<Event>,
    ) -> bool {
        let first = match &self.retry {
            None => self.next(commands),
            Some(retry) => {
                let wait = retry.at.saturating_duration_since(Instant::now());
                match commands.recv_timeout(wait) {
                    Ok(command) => command,
                    Err(RecvTimeoutError::Timeout) => return true,
                    Err(RecvTimeoutError::Disconnected) => Command::Close,
                }
            }
        };
        let now = Timestamp::from(SystemTime::now()).max(self.last_at);
        self.last_at = now;
        let rest = std::iter::from_fn(|| commands.try_recv().ok());
        let mut is_closing = false;
        for command in std::iter::once(first).chain(rest) {
            let mut job = match command {
                Command::Commit(job) => job,
                Command::Seal(reply) => {
                    self.seals.push(reply);
                    break;
                }
                Command::Close => {
                    is_closing = true;
                    break;
                }
            };
            let is_decided = job.need() == Need::Answer && self.decide(&mut *job, now, events);
            jobs.push((job, is_decided));
            if jobs.len() == BATCH {
                break;
            }
        }
        self.of_callers = (self.unwritten.len(), self.lines.len());
        // Last: nothing was decided upon what they did, so that they can be taken back.
        for (job, is_decided) in jobs.iter_mut().filter(|it| it.0.need() == Need::Durable) {
            *is_decided = self.decide(&mut **job, now, events);
        }
        !is_closing
    }

    fn decide(&mut self, job: &mut dyn Job, now: Timestamp, events: &mut Vec<Event>) -> bool {
        let is_decided = self.takes(job.need()) && job.decide(&self.state, now, events);
        for event in events.drain(..) {
            self.add(event, now);
        }
        is_decided
    }

    /// The next command. After a lone caller the thread looks again for a moment before it sleeps:
    /// whoever was just answered often speaks again at once, and waking up costs as much as half a
    /// sync. After many, others need the core more.
    fn next(&self, commands: &Receiver<Command>) -> Command {
        let since = Instant::now();
        while self.was_alone && since.elapsed() < AWAKE {
            match commands.try_recv() {
                Ok(command) => return command,
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                Err(TryRecvError::Disconnected) => return Command::Close,
            }
        }
        commands.recv().unwrap_or(Command::Close)
    }

    fn takes(&self, need: Need) -> bool {
        self.retry.is_none() || (need == Need::Answer && self.lines.len() < KEPT_BYTES)
    }

    fn add(&mut self, event: Event, at: Timestamp) {
        let seq = self.state.seq() + 1;
        let record = Arc::new(Record { seq, at, node: Arc::clone(&self.node), event });
        let before = self.lines.len();
        write_record(&record, &mut self.lines);
        // A line that does not read back would stop the next start.
        debug_assert_eq!(
            read_record(&self.lines[before..self.lines.len() - 1]).as_ref(),
            Ok(&*record)
        );
        self.state.apply(&record);
        self.unwritten.push((record, self.lines.len() - before));
    }

    /// Puts what was decided on disk, shows it, and wakes the callers.
    fn settle(&mut self, jobs: &mut Vec<(Box<dyn Job>, bool)>) {
        match &self.retry {
            None if self.unwritten.is_empty() => {}
            None => self.write(),
            Some(retry) if retry.at <= Instant::now() => self.try_new_segment(),
            Some(_) => {}
        }
        self.was_alone = jobs.len() == 1;
        let seq = self.state.seq();
        let outcome = if self.retry.is_none() { Outcome::Durable } else { Outcome::Kept };
        let n_kept = if self.retry.is_none() { 0 } else { self.unwritten.len() };
        self.shared.stats.kept_records.store(n_kept as u64, Ordering::Relaxed);
        in_one_round(|| {
            for (job, is_decided) in jobs.drain(..) {
                let outcome = if is_decided { outcome } else { Outcome::Failed };
                job.finish(outcome, seq);
            }
        });
        // Callers first: readers have time.
        if std::mem::take(&mut self.has_news) {
            self.shared.ring_bells();
        }
    }

    fn write(&mut self) {
        let started = Instant::now();
        self.shared.stats.write_begins();
        let (next_seq, most_bytes) = (self.next_seq(), self.segment_bytes);
        let written = match self.segment.as_mut().filter(|it| !it.is_full(next_seq, most_bytes)) {
            Some(segment) => segment.append(&self.lines),
            None => self.begin_segment(),
        };
        self.shared.stats.write_ends();
        match written {
            Ok(()) => self.show(started.elapsed()),
            Err(err) => {
                error!(
                    error = %err, dir = %self.shared.dir.display(),
                    "The disk did not take a write. Callers are still answered and their words \
                     kept in memory; free space or repair the disk."
                );
                self.take_back();
                self.fail();
            }
        }
    }

    /// Takes back what people changed: they are told that it failed, so it must not happen later.
    fn take_back(&mut self) {
        let (n_records, n_bytes) = self.of_callers;
        if n_records == self.unwritten.len() {
            return;
        }
        self.unwritten.truncate(n_records);
        self.lines.truncate(n_bytes);
        // Everything before this batch is durable and in the view.
        let mut state = self.shared.view().state.clone();
        for (record, _) in &self.unwritten {
            state.apply(record);
        }
        self.state = state;
    }

    /// The first record that is not on disk yet, or that is still to come.
    fn next_seq(&self) -> Seq {
        self.unwritten.first().map_or(self.state.seq() + 1, |it| it.0.seq)
    }

    /// Begins a segment with all that is not on disk yet. What a failed try may have left under
    /// its name is replaced by the next one, so no file remains that nobody knows of.
    fn begin_segment(&mut self) -> std::io::Result<()> {
        let (ordinal, first_seq) = (self.next_ordinal, self.next_seq());
        let (segment, open) =
            OpenSegment::create(&self.shared.dir, ordinal, self.id, first_seq, &self.lines)?;
        self.next_ordinal += 1;
        self.segment = Some(open);
        self.shared.lock_segments().push(segment);
        Ok(())
    }

    /// Begins the next segment for those who asked, unless the last one holds no record yet.
    fn seal(&mut self) {
        if self.seals.is_empty() {
            return;
        }
        let next_seq = self.next_seq();
        let is_fresh = self.shared.lock_segments().last().is_none_or(|it| it.first_seq >= next_seq);
        let sealed = match &self.retry {
            Some(_) => Err(None),
            None if is_fresh => Ok(()),
            None => self.begin_segment().map_err(Some),
        };
        if matches!(sealed, Err(Some(_))) {
            // A file that says where the next segment begins may be there now: what is appended
            // to this one would not count.
            self.segment = None;
        }
        for reply in self.seals.drain(..) {
            let answer = match &sealed {
                Ok(()) => Ok(next_seq),
                Err(None) => Err(JournalError::Unwritable),
                Err(Some(err)) => {
                    let source = std::io::Error::new(err.kind(), err.to_string());
                    Err(JournalError::io("begin a segment in", &self.shared.dir)(source))
                }
            };
            // Nobody may be waiting any more.
            let _ = reply.send(answer);
        }
    }

    fn fail(&mut self) {
        self.segment = None;
        let now = Instant::now();
        let (since, wait) = match &self.retry {
            Some(retry) => (retry.since, (retry.wait * 2).min(RETRY_MOST)),
            None => (now, RETRY_FIRST),
        };
        self.retry = Some(Retry { since, at: now + wait, wait });
        self.shared.stats.failures.fetch_add(1, Ordering::Relaxed);
        self.shared.stats.is_writable.store(false, Ordering::Release);
    }

    fn try_new_segment(&mut self) {
        let started = Instant::now();
        match self.begin_segment() {
            Ok(()) => {
                let failing_ms =
                    self.retry.take().map_or(0, |it| it.since.elapsed().as_millis() as u64);
                let n_kept = self.unwritten.len();
                info!(n_kept, failing_ms, "The disk is back; {n_kept} kept records are on it.");
                self.shared.stats.is_writable.store(true, Ordering::Release);
                self.show(started.elapsed());
            }
            Err(_) => self.fail(),
        }
    }

    /// Lets readers see what is on disk now.
    fn show(&mut self, took: Duration) {
        let stats = &self.shared.stats;
        stats.observe_sync(self.unwritten.len(), self.lines.len(), took);
        let mut view = self.shared.view_mut();
        for (record, size) in self.unwritten.drain(..) {
            view.state.apply(&record);
            view.ring.push(record, size);
        }
        view.head = self.state.seq();
        // Under the lock: whoever was handed a record must find it covered by `head`.
        self.shared.head.store(view.head, Ordering::Release);
        drop(view);
        self.has_news = true;
        self.lines.clear();
        // A burst's buffer is not kept for ever.
        self.lines.shrink_to(1024 * 1024);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A defect here ends all writing: health must not stay green.
        if std::thread::panicking() {
            self.shared.stats.is_writable.store(false, Ordering::Release);
            self.shared.take_bells_away();
        }
    }
}
