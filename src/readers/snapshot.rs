//! `total.json`: the state in the published format, with its place in the journal.
//!
//! The one idea: it is a checkpoint and the published file at once. It is taken from a snapshot
//! that costs a pointer per call, and written on its own thread, so that no turn waits for it.
//! Written beside, synced, renamed, the folder synced: there is always a whole one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde::{Deserialize, Serialize, Serializer};

use crate::domain::{
    Alert, AlertId, AlertKind, Call, CallId, Conflict, ConversationId, JournalId, MessageId,
    Notices, Position, Seq, State, StoredCall, StoredCallRef, StoredMessage, StoredMessages,
    SyncStatus, Timestamp,
};
use crate::files::sync_folder;
use crate::journal::Journal;

/// The journal must have grown by this many times the last checkpoint before a new one is worth its
/// writing. Reading so much at start takes a fraction of a second.
const GROWN_TIMES: u64 = 3;
/// Between two looks: a checkpoint is never urgent, and each look wakes a thread.
const PAUSE: Duration = Duration::from_millis(200);
/// One that failed is tried again after so long, also when nobody speaks: old segments wait for it.
const RETRY: Duration = Duration::from_secs(5);
/// Without news: how often to look whether somebody else's try has failed.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} cannot be read: {source}. Nothing was changed. Restore it from a backup, or run \
         `aurora repair`, which sets it aside: the journal rebuilds it",
        .path.display()
    )]
    Unreadable { path: PathBuf, source: serde_json::Error },
    #[error(
        "{} has an impossible content: {why}. Nothing was changed. Restore it from a backup, or \
         run `aurora repair`, which sets it aside: the journal rebuilds it",
        .path.display()
    )]
    Impossible { path: PathBuf, why: String },
}

pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("total.json")
}

/// Writes the state in the published format; what the API answers and what the file holds.
///
/// # Errors
/// The writer's.
pub fn write(
    state: &State,
    position: Position,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
    out: impl Write,
) -> serde_json::Result<()> {
    let mut calls: Vec<&Arc<Call>> = state.calls().collect();
    calls.sort_unstable_by_key(|it| it.id);
    let total = Total {
        active_calls: Calls { calls: &calls, sync_of },
        active_conversations: Conversations { calls: &calls, sync_of },
        alerts: state.alerts().map(|it| &**it).collect(),
        conflicts: state.conflicts().map(|it| &**it).collect(),
        journal_id: position.journal.as_str(),
        journal_seq: position.seq,
    };
    serde_json::to_writer(out, &total)
}

/// Puts the state on disk; returns its size in bytes.
///
/// # Errors
/// [`SnapshotError::Io`]; the file that was there stays.
pub fn save(
    data_dir: &Path,
    state: &State,
    position: Position,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
) -> Result<u64, SnapshotError> {
    let (path, beside) = (path(data_dir), data_dir.join("total.json.new"));
    let saved = write_beside(&beside, state, position, sync_of).and_then(|size| {
        let io = |doing| io(doing, &beside);
        fs::rename(&beside, &path).map_err(io("rename"))?;
        sync_folder(data_dir).map_err(io("sync the folder of"))?;
        Ok(size)
    });
    if saved.is_err() {
        // A full disk has better use for the room; the next try makes it anew.
        let _ = fs::remove_file(&beside);
    }
    saved
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotError + use<> {
    let path = path.to_owned();
    move |source| SnapshotError::Io { doing, path, source }
}

fn write_beside(
    beside: &Path,
    state: &State,
    position: Position,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
) -> Result<u64, SnapshotError> {
    let io = |doing| io(doing, beside);
    let file = File::create(beside).map_err(io("create"))?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    write(state, position, sync_of, &mut out).map_err(io::Error::from).map_err(io("write"))?;
    let file = out.into_inner().map_err(|err| io("write")(err.into_error()))?;
    file.sync_all().map_err(io("sync"))?;
    Ok(file.metadata().map_err(io("measure"))?.len())
}

/// Reads the stored state; `None` if there is no file.
///
/// # Errors
/// [`SnapshotError`]: unreadable is not empty.
pub fn load(data_dir: &Path) -> Result<Option<(State, Position)>, SnapshotError> {
    let path = path(data_dir);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(SnapshotError::Io { doing: "read", path, source }),
    };
    let stored: StoredTotal = serde_json::from_slice(&bytes)
        .map_err(|source| SnapshotError::Unreadable { path: path.clone(), source })?;
    stored.into_state().map(Some).map_err(|why| SnapshotError::Impossible { path, why })
}

/// The file of one data folder: written by one at a time, each later than the one before, so that
/// what was erased meanwhile does not come back with an older state.
#[derive(Debug)]
pub struct Checkpoint {
    data_dir: PathBuf,
    saved_seq: AtomicU64,
    size_bytes: AtomicU64,
    failures: AtomicU64,
    turn: Mutex<()>,
    /// Why the last try failed, if it did. Held for memory work only.
    trouble: Mutex<Option<String>>,
}

/// `checkpoint` in `/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointStatus {
    /// Whether the last try succeeded.
    pub healthy: bool,
    /// Where the file on disk stands; 0 without one.
    pub saved_seq: Seq,
    /// Records beyond it: a start reads them again, and no segment that holds one goes.
    pub behind: u64,
    pub size_bytes: u64,
    /// What is wrong, and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Checkpoint {
    /// `saved_seq`: where the file on disk stands; 0 without one.
    pub fn new(data_dir: PathBuf, saved_seq: Seq) -> Self {
        let size_bytes = fs::metadata(path(&data_dir)).map_or(0, |it| it.len());
        Self {
            data_dir,
            saved_seq: AtomicU64::new(saved_seq),
            size_bytes: AtomicU64::new(size_bytes),
            failures: AtomicU64::new(0),
            turn: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// Where the file on disk stands: a start needs what comes after it.
    pub fn saved_seq(&self) -> Seq {
        self.saved_seq.load(Ordering::Acquire)
    }

    /// Why the last try failed, if it did, and what to do about it.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Failed tries since the start.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// What `/status` says, given the journal's head.
    pub fn status(&self, head: Seq) -> CheckpointStatus {
        let (detail, saved_seq) = (self.trouble(), self.saved_seq());
        CheckpointStatus {
            healthy: detail.is_none(),
            saved_seq,
            behind: head.saturating_sub(saved_seq),
            size_bytes: self.size_bytes.load(Ordering::Relaxed),
            detail,
        }
    }

    /// Puts the durable state of now on disk.
    ///
    /// # Errors
    /// [`SnapshotError::Io`]; the file that was there stays, and [`Self::trouble`] says why until
    /// another try succeeds.
    pub fn save(
        &self,
        journal: &Journal,
        sync_of: &dyn Fn(&Call) -> SyncStatus,
    ) -> Result<(), SnapshotError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, seq) = journal.snapshot_at_head();
        let saved = save(&self.data_dir, &state, journal.position(seq), sync_of);
        if let Ok(size) = saved {
            self.size_bytes.store(size, Ordering::Relaxed);
            self.saved_seq.store(seq, Ordering::Release);
        }
        self.tell(saved.as_ref().err());
        saved.map(|_| ())
    }

    /// The log has one line when it begins to fail, and one when it works again.
    fn tell(&self, err: Option<&SnapshotError>) {
        let told = err.map(|err| {
            self.failures.fetch_add(1, Ordering::Relaxed);
            let cause =
                std::error::Error::source(err).map_or_else(String::new, |it| format!(": {it}"));
            format!("{err}{cause}. It is tried again by itself: see to the disk")
        });
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let was_well = trouble.is_none();
        trouble.clone_from(&told);
        drop(trouble);
        match told {
            Some(reason) if was_well => {
                tracing::warn!(
                    reason,
                    "A checkpoint could not be written; old segments wait for it."
                );
            }
            None if !was_well => tracing::info!("Checkpoints are written again."),
            _ => {}
        }
    }
}

/// Writes a checkpoint whenever the journal has grown enough, by `grown_bytes` at least, and again
/// when one has failed; the work of the thread `snapshot`. Returns when the journal is closed, or
/// as soon as `end` is disconnected; the last checkpoint is the caller's.
pub fn follow(
    journal: &Journal,
    bell: &Receiver<()>,
    end: &Receiver<()>,
    checkpoint: &Checkpoint,
    grown_bytes: u64,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
) {
    let bytes_now = || journal.stats().bytes.load(Ordering::Relaxed);
    let (mut tried_at_bytes, mut tried_at) = (bytes_now(), Instant::now());
    loop {
        let is_failing = checkpoint.trouble().is_some();
        let patience = if is_failing { RETRY.saturating_sub(tried_at.elapsed()) } else { IDLE };
        if bell.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected)
            || end.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected)
        {
            return;
        }
        let bytes = bytes_now();
        let size = checkpoint.size_bytes.load(Ordering::Relaxed);
        let has_grown = bytes - tried_at_bytes >= grown_bytes.max(size * GROWN_TIMES);
        if has_grown || (is_failing && tried_at.elapsed() >= RETRY) {
            (tried_at_bytes, tried_at) = (bytes, Instant::now());
            // The journal has everything, and the checkpoint says what is wrong.
            let _ = checkpoint.save(journal, sync_of);
        }
    }
}

#[derive(Serialize)]
struct Total<'a> {
    active_calls: Calls<'a>,
    active_conversations: Conversations<'a>,
    alerts: Vec<&'a Alert>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<&'a Conflict>,
    journal_id: &'a str,
    journal_seq: Seq,
}

struct Calls<'a> {
    calls: &'a [&'a Arc<Call>],
    sync_of: &'a dyn Fn(&Call) -> SyncStatus,
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(
            self.calls.iter().map(|call| (call.id, StoredCallRef::new(call, (self.sync_of)(call)))),
        )
    }
}

struct Conversations<'a> {
    calls: &'a [&'a Arc<Call>],
    sync_of: &'a dyn Fn(&Call) -> SyncStatus,
}

#[derive(Serialize)]
struct ConversationOut<'a> {
    call_id: CallId,
    sync_status: SyncStatus,
    messages: StoredMessages<'a>,
}

impl Serialize for Conversations<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.calls.iter().map(|call| {
            let (messages, sync_status) = (StoredMessages(&call.messages), (self.sync_of)(call));
            (call.conversation_id(), ConversationOut { call_id: call.id, sync_status, messages })
        }))
    }
}

#[derive(Deserialize)]
struct StoredTotal {
    active_calls: BTreeMap<CallId, StoredCall>,
    active_conversations: BTreeMap<ConversationId, StoredConversation>,
    #[serde(default)]
    alerts: Vec<StoredAlert>,
    #[serde(default)]
    conflicts: Vec<Conflict>,
    journal_id: String,
    journal_seq: Seq,
}

#[derive(Deserialize)]
struct StoredConversation {
    messages: BTreeMap<MessageId, StoredMessage>,
}

#[derive(Deserialize)]
struct StoredAlert {
    alert_id: AlertId,
    kind: AlertKind,
    call_id: Option<CallId>,
    detail: Arc<str>,
    at: Timestamp,
}

impl StoredTotal {
    fn into_state(mut self) -> Result<(State, Position), String> {
        let journal: JournalId =
            self.journal_id.parse().map_err(|_| "`journal_id` is no journal id".to_owned())?;
        let mut calls = Vec::with_capacity(self.active_calls.len());
        for (id, stored) in self.active_calls {
            let conversation = self.active_conversations.remove(&id.conversation());
            let messages = conversation.map(|it| it.messages).unwrap_or_default();
            calls.push(stored.into_call(id, messages)?);
        }
        let alerts = self.alerts.into_iter().map(|it| Alert {
            alert_id: it.alert_id,
            kind: it.kind,
            call_id: it.call_id,
            detail: it.detail,
            at: it.at,
        });
        let notices = Notices { alerts: alerts.collect(), conflicts: self.conflicts };
        let state = State::restore(calls, notices, self.journal_seq);
        Ok((state, Position { journal, seq: self.journal_seq }))
    }
}
