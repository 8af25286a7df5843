//! A real journal, a mirror and a fake database: what the database has to become is what the journal
//! says.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aurora::conversation::desk::{DeskError, take_in};
use aurora::domain::{
    AnsweredBy, CallId, CallStarted, CallStatus, CallUpdated, Event, Label, Medium, Message,
    MessageAdded, MessageId, PhoneNumber, PublishedCall, PublishedMessage, RemoteClock, Role,
    SyncStatus, Timestamp, Urgency,
};
use aurora::journal::{Draft, Journal, JournalError, Need, Settings};
use aurora::readers::firebase::{
    BackoffLimits, ClientSettings, Credentials, Gone, Mirror, MirrorSettings, MirrorStatus, Pace,
    State, SyncReport, Target, Which, follow,
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use ulid::Ulid;

use crate::fakes::rtdb::Rtdb;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct House {
    pub rtdb: Rtdb,
    pub journal: Arc<Journal>,
    pub status: Arc<MirrorStatus>,
    pub settings: MirrorSettings,
    /// Calls that the archive has.
    pub archived: Arc<Mutex<Vec<CallId>>>,
    /// How often something was taken in.
    pub n_taken: Arc<AtomicUsize>,
    mirror: Option<Mirror>,
    n_messages: BTreeMap<CallId, u32>,
    dir: TempDir,
}

pub fn call(n: u64) -> CallId {
    CallId(Ulid::from_parts(1_763_640_000_000 + n, n.into()))
}

pub fn entry_of(n: u64) -> String {
    format!("active_calls/{}", call(n))
}

fn open(dir: &TempDir) -> Arc<Journal> {
    let settings = Settings {
        data_dir: dir.path().to_owned(),
        handed_out: Vec::new(),
        node: "node-1".into(),
        new_id_bits: 7,
        segment_bytes: 256 * 1024,
        ring_bytes: 64 * 1024,
    };
    Journal::open(settings, None).unwrap().0
}

impl House {
    /// Quick in everything, and with no pause between requests.
    pub fn new() -> Self {
        let rtdb = Rtdb::start();
        let dir = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
        let journal = open(&dir);
        let url = "https://aurora-test.firebaseio.com".parse().unwrap();
        let target = Target::emulator(&rtdb.host_port(), Some(&url)).unwrap();
        let mut client = ClientSettings::new(target, Credentials::Metadata);
        client.total_timeout = Duration::from_secs(5);
        let file = dir.path().join("readers/firebase.json");
        let (node, id) = ("node-1".to_owned(), journal.id().to_string());
        let mut settings = MirrorSettings::new(client, file, node, id);
        settings.backoff =
            BackoffLimits { base: Duration::from_millis(5), cap: Duration::from_millis(40) };
        settings.pace = Pace { per_second: 1e6, burst: 1e6, reserve: 0.0 };
        settings.silence = Duration::from_millis(200);
        Self {
            rtdb,
            journal,
            status: Arc::default(),
            settings,
            archived: Arc::default(),
            n_taken: Arc::default(),
            mirror: None,
            n_messages: BTreeMap::new(),
            dir,
        }
    }

    pub fn started() -> Self {
        let mut house = Self::new();
        house.start();
        house
    }

    pub fn start(&mut self) {
        let archived = Arc::clone(&self.archived);
        let gone = Gone {
            erased: Box::new(Vec::new),
            archived: Arc::new(move |mut calls| {
                calls.retain(|it| archived.lock().unwrap().contains(it));
                calls
            }),
        };
        let source = follow(Arc::clone(&self.journal), "node-1".into(), gone);
        let (journal, status) = (Arc::clone(&self.journal), Arc::clone(&self.status));
        let n_taken = Arc::clone(&self.n_taken);
        let take_in = move |remote, offset_ms| {
            n_taken.fetch_add(1, Ordering::SeqCst);
            let clock = RemoteClock { acked_seq: status.acked_seq(), offset_ms, puts_back: false };
            let decide = move |state: &aurora::domain::State, draft: &mut Draft<'_>| {
                take_in(state, draft, &remote, clock)
            };
            match journal.submit(Need::Durable, decide).wait() {
                Ok(_) | Err(DeskError::NoSuchCall) => Ok(()),
                Err(err) => Err(err.to_string()),
            }
        };
        let (settings, bell) = (self.settings.clone(), self.journal.bell());
        let status = Arc::clone(&self.status);
        let mirror = Mirror::start(settings, source, bell, status, Box::new(take_in));
        self.mirror = Some(mirror.unwrap());
    }

    /// Tries everything again that was refused.
    pub fn retry(&self) {
        self.mirror.as_ref().unwrap().retry(&Which::default());
    }

    /// Lets go of what is on its way to a path, up to the last record.
    pub fn forget(&self, path: String) -> bool {
        self.mirror.as_ref().unwrap().forget(vec![path], self.journal.head(), PATIENCE)
    }

    pub fn stop(&mut self) {
        if let Some(mirror) = self.mirror.take() {
            mirror.stop();
        }
    }

    /// Stops, closes the journal, and begins anew as another process would.
    pub fn restart(&mut self) {
        self.stop();
        self.journal.close();
        self.status = Arc::default();
        self.reopen();
        self.start();
    }

    fn reopen(&mut self) {
        let start = Instant::now();
        let other = TempDir::new().unwrap();
        // Whoever still holds the old one lets go of the folder's lock.
        self.journal = open(&other);
        loop {
            let settings = Settings {
                data_dir: self.dir.path().to_owned(),
                handed_out: Vec::new(),
                node: "node-1".into(),
                new_id_bits: 7,
                segment_bytes: 256 * 1024,
                ring_bytes: 64 * 1024,
            };
            match Journal::open(settings, None) {
                Ok((journal, _)) => break self.journal = journal,
                Err(err) => assert!(start.elapsed() < PATIENCE, "{err}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn happens(&self, events: Vec<Event>) {
        let push = move |_: &_, draft: &mut Draft<'_>| {
            events.into_iter().for_each(|it| draft.push(it));
            Ok::<_, JournalError>(())
        };
        self.journal.submit(Need::Durable, push).wait().unwrap();
    }

    pub fn begins(&self, n: u64) {
        self.happens(vec![Event::CallStarted(CallStarted {
            call_id: call(n),
            worker_id: "worker_1".into(),
            caller: PhoneNumber::parse(&format!("+1555{n:07}")).unwrap(),
            call_sid: None,
            medium: Medium::Voice,
            language: None,
            urgency: Urgency::Normal,
        })]);
    }

    /// What is said next in a call: the caller and the answer.
    pub fn turn(&mut self, n: u64) -> Vec<Event> {
        let id = call(n);
        let n_messages = self.n_messages.entry(id).or_default();
        let mut say = |role, content: String| {
            *n_messages += 1;
            Event::MessageAdded(MessageAdded {
                call_id: id,
                message: Arc::new(Message {
                    id: MessageId(*n_messages),
                    role,
                    content: content.into(),
                    timestamp: Timestamp::from_millis(1_763_640_000_000 + i64::from(*n_messages)),
                    sources: "".into(),
                    answered_by: (role == Role::Assistant).then_some(AnsweredBy::Card),
                    card: None,
                    by: None,
                    remote_key: None,
                }),
                request: None,
            })
        };
        let asked = say(Role::User, format!("There is smoke at gate {n}, what should we do now?"));
        // About as long as the built-in cards.
        let answer = "Leave the building by the stairs now, and close the doors behind you. Do not \
                      use the lift. Go to assembly point B and stay there. Is anybody still inside?";
        vec![asked, say(Role::Assistant, answer.to_owned())]
    }

    pub fn urgency(&self, n: u64, urgency: Urgency) {
        let update = CallUpdated::of(call(n), Label::parse("Kim").ok());
        self.happens(vec![Event::CallUpdated(CallUpdated { urgency: Some(urgency), ..update })]);
    }

    pub fn takes_over(&self, n: u64, name: &str) {
        let name = Label::parse(name).ok();
        let update = CallUpdated::of(call(n), name.clone());
        let status = Some(CallStatus::Takeover);
        let update = CallUpdated { status, admin_id: name, ..update };
        self.happens(vec![Event::CallUpdated(update)]);
    }

    pub fn report(&self) -> SyncReport {
        self.status.report(self.journal.head(), jiff::Timestamp::now())
    }

    pub fn until_synced(&self) {
        self.until("synced", || self.report().state == State::Synced);
    }

    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "not {what}: {:?}, {:?}", self.report(), self.status.trouble());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn there(&self, n: u64, field: &str) -> Value {
        self.rtdb.value(&format!("{}/{field}", entry_of(n)))
    }

    /// The database holds exactly the calls of the state.
    pub fn assert_equal(&self) {
        let (mut calls, mut conversations) = (Map::new(), Map::new());
        self.journal.view(|state| {
            for call in state.calls() {
                let published = PublishedCall::new(call, SyncStatus::Synced);
                calls.insert(call.id.to_string(), settled(json!(published)));
                let messages = call
                    .messages
                    .iter()
                    .map(|it| (it.id.to_string(), settled(json!(PublishedMessage::from(&**it)))));
                let messages = Value::Object(messages.collect());
                let conversation = settled(json!({"call_id": call.id, "messages": messages}));
                conversations.insert(call.conversation_id().to_string(), conversation);
            }
        });
        let mut there = self.rtdb.value("active_calls");
        for entry in there.as_object_mut().into_iter().flat_map(|it| it.values_mut()) {
            let entry = entry.as_object_mut().unwrap();
            entry.retain(|name, _| !["mirrored", "updated_at", "updated_by"].contains(&&**name));
        }
        for (id, here) in &calls {
            assert_eq!(*here, there[id], "{id}");
        }
        let there = there.as_object().into_iter().flat_map(|it| it.keys());
        assert_eq!(calls.keys().collect::<Vec<_>>(), there.collect::<Vec<_>>());
        let there = self.rtdb.value("active_conversations");
        assert!(settled(Value::Object(conversations)) == there, "the conversations differ");
    }
}

/// As the database keeps it: without nulls and empty nodes.
fn settled(value: Value) -> Value {
    let Value::Object(children) = value else { return value };
    let children = children.into_iter().map(|(key, it)| (key, settled(it)));
    let children: Map<_, _> = children.filter(|it| !it.1.is_null()).collect();
    if children.is_empty() { Value::Null } else { Value::Object(children) }
}
