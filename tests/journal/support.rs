//! Small words for the tests: a folder, a journal with tiny segments, things that callers say.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora::domain::{
    CallId, CallStarted, Event, Medium, Message, MessageAdded, PhoneNumber, Record, Role, State,
    Timestamp, Urgency,
};
use aurora::journal::{Draft, Journal, JournalError, Need, Pending, Settings};
use tempfile::TempDir;
use ulid::Ulid;

/// Segments of a few records and nearly no memory, so that every test crosses files.
pub fn settings(dir: &Path) -> Settings {
    Settings {
        data_dir: dir.to_owned(),
        handed_out: Vec::new(),
        node: "test".into(),
        new_id_bits: 7,
        segment_bytes: 2_000,
        ring_bytes: 1_000,
    }
}

/// Whether there is time for every case.
pub fn is_long() -> bool {
    std::env::var_os("AURORA_TEST_LONG").is_some_and(|it| it == "1")
}

/// In memory where there is a place for it: thousands of journals are opened here, and each is
/// synced. What a sync is good for is tried with a model of a disk, and on the real server.
pub fn folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

pub fn try_open(dir: &Path) -> Result<Arc<Journal>, JournalError> {
    Journal::open(settings(dir), None).map(|it| it.0)
}

pub fn open(dir: &Path) -> Arc<Journal> {
    try_open(dir).unwrap()
}

pub fn call(n: u64) -> CallId {
    CallId(Ulid::from_parts(1_763_640_000_000, n.into()))
}

pub fn started(n: u64) -> Event {
    Event::CallStarted(CallStarted {
        call_id: call(n),
        worker_id: "worker_1".into(),
        caller: PhoneNumber::parse(&format!("+1555{n:04}")).unwrap(),
        call_sid: None,
        medium: Medium::Voice,
        language: None,
        urgency: Urgency::Normal,
    })
}

/// What the caller of call `n` says next.
pub fn said(state: &State, n: u64, words: &str) -> Event {
    let id = state.call(call(n)).unwrap().next_message_id();
    Event::MessageAdded(MessageAdded {
        call_id: call(n),
        message: Arc::new(Message {
            id,
            role: Role::User,
            content: words.into(),
            timestamp: Timestamp::default(),
            sources: "".into(),
            answered_by: None,
            card: None,
            by: None,
            remote_key: None,
        }),
        request: None,
    })
}

/// Opens call `n` if need be, then adds `words` to it; both as one change. The value is how many
/// messages the call has then.
pub fn say(
    journal: &Journal,
    need: Need,
    n: u64,
    words: impl Into<String>,
) -> Pending<usize, JournalError> {
    let words = words.into();
    journal.submit(need, move |state, draft| Ok(push_words(state, draft, n, &words)))
}

fn push_words(state: &State, draft: &mut Draft<'_>, n: u64, words: &str) -> usize {
    let mut state = state.clone();
    if state.call(call(n)).is_none() {
        draft.push(started(n));
        let (seq, at) = (state.seq() + 1, draft.now);
        state.apply(&Record { seq, at, node: "test".into(), event: started(n) });
    }
    draft.push(said(&state, n, words));
    state.call(call(n)).unwrap().messages.len() + 1
}

/// Says `word 1`, `word 2`, … in three calls, one durable commit each.
pub fn say_words(journal: &Journal, words: impl IntoIterator<Item = u64>) {
    for word in words {
        say(journal, Need::Durable, word % 3, format!("word {word}")).wait().unwrap();
    }
}

/// All that a reader gets from the start on, in batches of a few.
pub fn records(journal: &Journal) -> Vec<Arc<Record>> {
    records_after(journal, 0, 7, 500)
}

pub fn records_after(
    journal: &Journal,
    seq: u64,
    limit: usize,
    limit_bytes: usize,
) -> Vec<Arc<Record>> {
    let mut reader = journal.read_after(seq);
    let mut all = Vec::new();
    loop {
        let batch = reader.next_batch(limit, limit_bytes).unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch);
    }
}

/// What was said, in order.
pub fn words(records: &[Arc<Record>]) -> Vec<String> {
    let said = records.iter().filter_map(|it| match &it.event {
        Event::MessageAdded(it) => Some(it.message.content.to_string()),
        _ => None,
    });
    said.collect()
}

pub fn seqs(records: &[Arc<Record>]) -> Vec<u64> {
    records.iter().map(|it| it.seq).collect()
}

/// What stands where words were.
pub const GONE: &str = "[erased]";

/// A record of call `n` with its words taken away.
pub fn without_words(record: &Record, n: u64) -> Option<Event> {
    match &record.event {
        Event::MessageAdded(it) if it.call_id == call(n) => {
            let mut it = it.clone();
            Arc::make_mut(&mut it.message).content = GONE.into();
            Some(Event::MessageAdded(it))
        }
        _ => None,
    }
}

/// Every file of the journal with its bytes.
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir.join("journal")).unwrap();
    entries.map(|it| it.unwrap().path()).map(|it| (it.clone(), fs::read(it).unwrap())).collect()
}

pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let is_segment = |it: &PathBuf| {
        let name = it.file_name().unwrap().to_str().unwrap();
        name.strip_suffix(".jsonl").is_some_and(|it| it.parse::<u32>().is_ok())
    };
    files(dir).into_keys().filter(is_segment).collect()
}

pub fn lines(file: &Path) -> Vec<Vec<u8>> {
    fs::read(file).unwrap().split_inclusive(|it| *it == b'\n').map(<[u8]>::to_vec).collect()
}

/// The same journal in another folder.
pub fn copy(dir: &Path) -> TempDir {
    let copy = folder();
    fs::create_dir(copy.path().join("journal")).unwrap();
    for (file, bytes) in files(dir) {
        fs::write(copy.path().join("journal").join(file.file_name().unwrap()), bytes).unwrap();
    }
    copy
}
