//! A data folder with a long past, written with the library's own writers as a server would have
//! left it, in a fraction of the time that saying it all would take.
//!
//! The same sizes give the same past in every run: what was said can be asked for again. The test
//! of growth and `benches/growth.rs` share it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aurora::domain::{
    AnsweredBy, Call, CallEnded, CallId, CallStarted, EndReason, Event, JournalId, Medium, Message,
    MessageAdded, MessageId, PhoneNumber, Position, Record, Role, Seq, State, SyncStatus,
    Timestamp, Urgency,
};
use aurora::journal::line::{Header, write_header, write_record};
use aurora::readers::archive::{self, Store};
use aurora::readers::snapshot;
use ulid::Ulid;

/// How much happened.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// A multiple of `n_open`: so many begin together, and the last so many are still open.
    pub n_calls: u64,
    pub n_open: u64,
    /// In each call.
    pub n_messages: u32,
    pub segment_bytes: usize,
    /// The last records, which only the journal has: what a process that died had not got to.
    pub n_left: u64,
}

/// What [`fill`] wrote.
#[derive(Debug)]
pub struct Past {
    pub json_bytes: u64,
    pub n_segments: u32,
    pub head: Seq,
    /// The state where the archive ends, for a `total.json`.
    state: State,
    position: Position,
}

impl Past {
    /// Writes `total.json` where the archive ends.
    ///
    /// # Panics
    /// If there is no room.
    pub fn save_total(&self, dir: &Path) {
        let sync = |_: &Call| SyncStatus::PendingSync;
        snapshot::save(dir, &self.state, self.position, &sync).expect("room on the disk");
    }
}

/// What people say at work, to be put together to sentences.
const WORDS: &str = "the gate press line four valve smoke water is hot cold open closed near office \
    hall forklift pallet somebody hand cut floor wet light out pump noise strange smell gas oil \
    leak stairs lift stuck door alarm fire extinguisher box needs help now please can you send a \
    person from maintenance to building seven second shift leader knows number called again later";

/// The number that the call came from.
pub fn caller(n: u64) -> String {
    format!("+1555{n:07}")
}

pub fn call(n: u64) -> CallId {
    CallId(Ulid::from_parts(1_763_640_000_000 + n, n.into()))
}

/// What was said in that call as the message of that number, from 1 on.
pub fn words(n: u64, id: u32) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    // splitmix64 to begin with, so that neighbours have nothing in common; then xorshift64.
    let mut random = (n * 1_000 + u64::from(id)).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize
    };
    next();
    let n_words = 6 + next() % 14;
    let said: Vec<&str> = (0..n_words).map(|_| words[next() % words.len()]).collect();
    said.join(" ")
}

/// Writes journal and archive into an empty folder.
///
/// # Panics
/// If it can't.
pub fn fill(dir: &Path, size: Size) -> Past {
    let mut writing = Writing::begin(dir, size);
    let n_blocks = size.n_calls / size.n_open;
    for block in 0..n_blocks {
        let calls = block * size.n_open..(block + 1) * size.n_open;
        calls.clone().for_each(|n| writing.happen(started(n)));
        for id in 1..=size.n_messages {
            for n in calls.clone() {
                writing.happen(said(n, id));
            }
        }
        if block + 1 < n_blocks {
            for n in calls.clone() {
                let reason = EndReason::CallerHungUp;
                writing.happen(Event::CallEnded(CallEnded::new(call(n), reason, None)));
            }
            for call_id in calls.map(call) {
                writing.happen(Event::CallArchived { call_id });
            }
        }
    }
    writing.finish()
}

struct Writing {
    size: Size,
    journal: JournalId,
    seq: Seq,
    at: i64,
    /// The last record that the archive gets.
    until: Seq,
    state: State,
    store: Store,
    batch: Vec<Record>,
    folder: PathBuf,
    segment: BufWriter<File>,
    n_segments: u32,
    in_segment: usize,
    bytes: u64,
}

impl Writing {
    fn begin(dir: &Path, size: Size) -> Self {
        let folder = dir.join("journal");
        fs::create_dir_all(&folder).expect("a folder");
        let journal = JournalId::from_bits(7);
        let mut store = Store::open(&archive::path(dir)).expect("a new archive");
        store.begin_at(Position { journal, seq: 0 }, false).expect("it begins");
        let segment = segment(&folder, journal, 1, 1);
        // Two days before now, so that nothing lies in the future.
        let at = Timestamp::from(SystemTime::now()).as_millis() - 2 * 86_400_000;
        let n_ended = size.n_calls - size.n_open;
        // Each call begins; each ended one ends and leaves.
        let n_records = size.n_calls * (1 + u64::from(size.n_messages)) + 2 * n_ended;
        Self {
            size,
            journal,
            seq: 0,
            at,
            until: n_records - size.n_left,
            state: State::default(),
            store,
            batch: Vec::new(),
            folder,
            segment,
            n_segments: 1,
            in_segment: 0,
            bytes: 0,
        }
    }

    fn happen(&mut self, mut event: Event) {
        self.seq += 1;
        self.at += 80;
        let at = Timestamp::from_millis(self.at);
        if let Event::MessageAdded(it) = &mut event {
            Arc::make_mut(&mut it.message).timestamp = at;
        }
        let record = Record { seq: self.seq, at, node: "local".into(), event };
        let mut line = Vec::with_capacity(512);
        write_record(&record, &mut line);
        if self.in_segment > self.size.segment_bytes {
            self.n_segments += 1;
            self.segment = segment(&self.folder, self.journal, self.n_segments, self.seq);
            self.in_segment = 0;
        }
        self.segment.write_all(&line).expect("room on the disk");
        self.in_segment += line.len();
        self.bytes += line.len() as u64;
        if self.seq <= self.until {
            self.state.apply(&record);
            self.batch.push(record);
        }
        if self.batch.len() == 5_000 {
            self.archive();
        }
    }

    fn archive(&mut self) {
        self.store.apply(self.journal, &self.batch).expect("the archive takes it");
        self.batch.clear();
    }

    fn finish(mut self) -> Past {
        self.archive();
        self.segment.flush().expect("room on the disk");
        assert!(self.store.checkpoint().expect("room on the disk"), "nobody else reads it");
        Past {
            json_bytes: self.bytes,
            n_segments: self.n_segments,
            head: self.seq,
            state: self.state,
            position: Position { journal: self.journal, seq: self.until },
        }
    }
}

fn segment(folder: &Path, journal: JournalId, n: u32, first_seq: Seq) -> BufWriter<File> {
    let mut header = Vec::new();
    write_header(&Header::new(journal, first_seq), &mut header);
    let file = File::create(folder.join(format!("{n:08}.jsonl"))).expect("a new segment");
    let mut file = BufWriter::with_capacity(1024 * 1024, file);
    file.write_all(&header).expect("room on the disk");
    file
}

fn started(n: u64) -> Event {
    Event::CallStarted(CallStarted {
        call_id: call(n),
        worker_id: format!("worker_1555{n:07}").into(),
        caller: PhoneNumber::parse(&caller(n)).expect("a number"),
        call_sid: None,
        medium: Medium::Voice,
        language: None,
        urgency: if n.is_multiple_of(9) { Urgency::Critical } else { Urgency::Normal },
    })
}

fn said(n: u64, id: u32) -> Event {
    let is_caller = id % 2 == 1;
    let message = Message {
        id: MessageId(id),
        role: if is_caller { Role::User } else { Role::Assistant },
        content: words(n, id).into(),
        timestamp: Timestamp::default(),
        sources: if is_caller { "".into() } else { "Help card".into() },
        answered_by: (!is_caller).then_some(AnsweredBy::Card),
        card: None,
        by: None,
        remote_key: None,
    };
    Event::MessageAdded(MessageAdded {
        call_id: call(n),
        message: Arc::new(message),
        request: None,
    })
}
