//! The thread `archive`: one loop for history and for what is said now.
//!
//! The one idea: it may be late, and it must not be felt. It runs at the lowest priority, so it
//! never holds a lock that a turn waits for: records are read from disk, in batches, and what it
//! tells others is a number.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, select};
use tracing::{error, warn};

use super::begin::Beginning;
use super::error::ArchiveError;
use super::outage::Outage;
use super::status::{Archive, ArchiveState, Scrubbed};
use super::store::Store;
use crate::domain::{Event, Seq, Timestamp};
use crate::journal::{Journal, JournalError, Need, Reader};

/// Records in one transaction.
const BATCH: usize = 2_000;
const BATCH_BYTES: usize = 1024 * 1024;
/// Live records gather for so long, unless somebody waits for them.
const GATHER: Duration = Duration::from_millis(100);
/// Between two batches while people speak.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// Without news: how often to look for calls that have ended long enough ago.
const TICK: Duration = Duration::from_secs(1);
/// How long what was taken in waits for the disk at most, in time and in records.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);
const CHECKPOINT_RECORDS: usize = 10_000;
/// Calls that leave the state in one commit. Each costs the journal's thread a moment.
const LEAVING: usize = 128;
/// When the server stops, what is left to read gets so long.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// An archive that can be written, and its place in the journal.
struct Opened {
    store: Store,
    reader: Reader,
    /// Records that wait for the next checkpoint, and since when something does.
    n_waiting: usize,
    waits_since: Option<Instant>,
}

struct Follower {
    journal: Arc<Journal>,
    archive: Arc<Archive>,
    bell: Receiver<()>,
    /// How long an ended call stays in the state.
    after: Duration,
    opened: Option<Opened>,
    outage: Outage,
    /// Calls are let go when everything up to here was read, the last ones to go included.
    sure_from: Seq,
}

/// Starts the thread. `first`: what was found at the start, unless the disk was in the way.
///
/// # Errors
/// [`ArchiveError::Thread`]
pub fn spawn(
    journal: &Arc<Journal>,
    archive: &Arc<Archive>,
    after: Duration,
    first: Option<(Store, Beginning)>,
) -> Result<JoinHandle<()>, ArchiveError> {
    let mut follower = Follower {
        journal: Arc::clone(journal),
        archive: Arc::clone(archive),
        bell: journal.bell(),
        after,
        opened: None,
        outage: Outage::default(),
        sure_from: journal.head(),
    };
    let archive = Arc::clone(archive);
    let work = move || {
        give_way();
        let run = std::panic::AssertUnwindSafe(|| follower.run(first));
        if std::panic::catch_unwind(run).is_err() {
            error!("The archive stopped by a defect; calls are answered. Restart when you can.");
            let reason = "It stopped by a defect. Restart when you can: it goes on from its place.";
            archive.failed(ArchiveState::Stopped, reason.to_owned());
        }
    };
    let thread = std::thread::Builder::new().name("archive".to_owned());
    thread.spawn(work).map_err(ArchiveError::Thread)
}

/// From now on this thread runs when nobody else wants to.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(err) =
        rustix::process::setpriority_process(Some(rustix::thread::gettid()), LEAST_PRIORITY)
    {
        warn!(error = %err, "The archive runs at the same priority as the calls.");
    }
}

#[cfg(target_os = "linux")]
const LEAST_PRIORITY: i32 = 19;

impl Follower {
    fn run(&mut self, first: Option<(Store, Beginning)>) {
        let mut first = first;
        loop {
            let (began, head) = (Instant::now(), self.journal.head());
            let goes_on = match self.step(first.take()) {
                Ok(n_records) if n_records > 0 && !self.journal.is_closed() => {
                    self.let_others_go_first(began, head, n_records >= BATCH);
                    continue;
                }
                Ok(_) => self.rest(),
                Err(err) if err.is_passing() => self.sit_out(&err),
                Err(err) => return self.stop(&err),
            };
            if !goes_on {
                return self.finish();
            }
        }
    }

    /// More may be there at once. While people speak they have the disk for nine tenths of the
    /// time: priority is of no use where a turn waits for a sync, and the archive writes too. What
    /// they say gathers as well: each batch writes whole pages, however little is new on them.
    fn let_others_go_first(&self, began: Instant, head: Seq, is_behind: bool) {
        if self.journal.head() == head {
            return std::thread::yield_now();
        }
        let gather = if is_behind { Duration::ZERO } else { GATHER };
        // Nobody sends on it but to end this wait.
        let _ =
            self.archive.hurry().recv_timeout((began.elapsed() * 9).clamp(gather, LONGEST_REST));
    }

    /// Takes in what comes next, and does what is due; how many records that were.
    fn step(&mut self, first: Option<(Store, Beginning)>) -> Result<usize, ArchiveError> {
        if self.opened.is_none() {
            self.open(first)?;
        }
        let n_records = self.take_in()?;
        self.checkpoint_if_due()?;
        self.let_ended_go()?;
        while let Ok(reply) = self.archive.scrubs().try_recv() {
            self.scrub(&reply)?;
        }
        if self.outage.is_on() {
            self.outage.is_over(Instant::now());
            self.archive.recovered();
        }
        Ok(n_records)
    }

    fn open(&mut self, first: Option<(Store, Beginning)>) -> Result<(), ArchiveError> {
        let (mut store, beginning) = match first {
            Some(first) => first,
            None => {
                let store = Store::open(self.archive.path())?;
                let beginning = Beginning::of(&store, self.archive.path(), &self.journal)?;
                (store, beginning)
            }
        };
        store.count()?;
        beginning.take(&mut store)?;
        let seq = store.position().map_or(0, |it| it.seq);
        self.archive.set_complete_from(store.complete_from());
        self.archive.stands_at(seq, store.n_calls());
        // What was found may have been written by a process that died before its checkpoint.
        let waits_since = Instant::now().checked_sub(CHECKPOINT_EVERY);
        let reader = self.journal.read_after(seq);
        self.opened = Some(Opened { store, reader, n_waiting: CHECKPOINT_RECORDS, waits_since });
        Ok(())
    }

    fn take_in(&mut self) -> Result<usize, ArchiveError> {
        let Some(own) = &mut self.opened else { return Ok(0) };
        let batch = own.reader.next_batch_from_disk(BATCH, BATCH_BYTES)?;
        if batch.is_empty() {
            return Ok(0);
        }
        own.store.apply(self.journal.id(), batch.iter().map(|it| &**it))?;
        own.n_waiting += batch.len();
        own.waits_since.get_or_insert_with(Instant::now);
        self.archive.took_in(batch.len());
        self.archive.stands_at(own.reader.position(), own.store.n_calls());
        Ok(batch.len())
    }

    fn checkpoint_if_due(&mut self) -> Result<(), ArchiveError> {
        let Some(own) = &self.opened else { return Ok(()) };
        let is_due = own.n_waiting >= CHECKPOINT_RECORDS
            || own.waits_since.is_some_and(|it| it.elapsed() >= CHECKPOINT_EVERY);
        if is_due { self.checkpoint() } else { Ok(()) }
    }

    fn checkpoint(&mut self) -> Result<(), ArchiveError> {
        let Some(own) = &mut self.opened else { return Ok(()) };
        if own.store.checkpoint()? {
            self.archive.set_durable(own.reader.position());
            own.waits_since = None;
        } else {
            // Somebody is reading what lies before: the rest follows at the next time.
            own.waits_since = Some(Instant::now());
        }
        own.n_waiting = 0;
        Ok(())
    }

    /// Calls that ended long enough ago and are here leave the state.
    fn let_ended_go(&mut self) -> Result<(), ArchiveError> {
        let Some(own) = &mut self.opened else { return Ok(()) };
        // What was submitted last has to come back first, or the same calls would be found again.
        if own.reader.position() < self.sure_from || !self.journal.is_writable() {
            return Ok(());
        }
        let now = Timestamp::from(SystemTime::now()).as_millis();
        let after = i64::try_from(self.after.as_millis()).unwrap_or(i64::MAX);
        let until = Timestamp::from_millis(now.saturating_sub(after));
        let ids = own.store.ended_until(until, LEAVING)?;
        if ids.is_empty() {
            return Ok(());
        }
        let decided = self.journal.submit(Need::Durable, move |state, draft| {
            let mut have_left = Vec::new();
            for call_id in ids {
                match state.call(call_id) {
                    Some(call) if call.is_open() => {}
                    Some(_) => draft.push(Event::CallArchived { call_id }),
                    // Others have ended since, an hour has passed, or it was erased.
                    None => have_left.push(call_id),
                }
            }
            Ok::<_, JournalError>(have_left)
        });
        // While the disk fails nobody leaves; a change that was under way comes back as a record.
        if let Ok(done) = decided.wait() {
            self.sure_from = done.seq;
            own.store.have_left(&done.value)?;
        }
        Ok(())
    }

    /// Leaves no trace of what was deleted up to here, and says how that went.
    fn scrub(&mut self, reply: &Sender<Scrubbed>) -> Result<(), ArchiveError> {
        let Some(own) = &mut self.opened else { return Ok(()) };
        let scrubbed = own.store.scrub();
        let told = match &scrubbed {
            Ok(true) => Ok(()),
            Ok(false) => Err("somebody is reading what was there before".to_owned()),
            Err(err) => Err(err.to_string()),
        };
        if told.is_ok() {
            self.archive.set_durable(own.reader.position());
            (own.n_waiting, own.waits_since) = (0, None);
        }
        // Whoever asked may have stopped waiting.
        let _ = reply.try_send(told);
        scrubbed.map(|_| ())
    }

    /// Waits for news; whether the journal goes on.
    fn rest(&mut self) -> bool {
        let asked = select! {
            recv(self.bell) -> ring => {
                if ring.is_ok() {
                    // Nobody sends on it but to end this wait.
                    let _ = self.archive.hurry().recv_timeout(GATHER);
                }
                return ring.is_ok();
            }
            recv(self.archive.scrubs()) -> reply => reply.ok(),
            default(TICK) => None,
        };
        match asked.map(|reply| self.scrub(&reply)) {
            None | Some(Ok(())) => true,
            Some(Err(err)) => self.sit_out(&err),
        }
    }

    /// Waits for the next try; whether the journal goes on.
    fn sit_out(&mut self, err: &ArchiveError) -> bool {
        // Whatever became of this connection, the file knows how far it came.
        self.opened = None;
        let now = Instant::now();
        let until = now + self.outage.failed(err, now);
        // What to do about a damaged file is no advice here: the file may be as good as ever.
        let cause = if let ArchiveError::Unreadable { source, .. } = err { source } else { err };
        let reason = format!("{cause}. It goes on by itself when it can: see to the disk");
        self.archive.failed(ArchiveState::Failing, reason);
        loop {
            match self.bell.recv_deadline(until) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn stop(&mut self, err: &ArchiveError) {
        self.opened = None;
        let path = self.archive.path().display();
        error!(
            error = %err,
            "The archive has stopped; calls are answered. Stop Aurora when you can and restore \
             {path} from a backup, or run `aurora repair`."
        );
        let reason = format!(
            "{err}. It has stopped; the journal keeps everything. Restore archive.db from a \
             backup, or run `aurora repair`, while Aurora is stopped."
        );
        self.archive.failed(ArchiveState::Stopped, reason);
    }

    /// The journal is closed: reads the rest, if that is quickly done.
    fn finish(&mut self) {
        let until = Instant::now() + LAST_WORDS;
        let rest = loop {
            match self.take_in() {
                Ok(n_records) if n_records > 0 && Instant::now() < until => {}
                Ok(_) => break self.checkpoint(),
                Err(err) => break Err(err),
            }
        };
        if let Err(err) = rest {
            warn!(error = %err, "The archive goes on from its place at the next start.");
        }
    }
}
