//! A fake database, a scripted journal, and a mirror between them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aurora::readers::firebase::{
    BackoffLimits, Batch, ClientSettings, Credentials, FailedItem, Limits, Mirror, MirrorError,
    MirrorSettings, MirrorStatus, Next, Pace, Reset, SourceError, State, Target, Which, Writes,
};
use crossbeam_channel::{Receiver, Sender, bounded};
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::fakes::rtdb::Rtdb;

/// Longest wait for something that has to happen. Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Site {
    pub rtdb: Rtdb,
    pub script: Arc<Script>,
    pub status: Arc<MirrorStatus>,
    pub settings: MirrorSettings,
    bell: Sender<()>,
    heard: Receiver<()>,
    mirror: Option<Mirror>,
    _folder: TempDir,
}

/// A journal in memory: one write a record, sequence = index + 1.
#[derive(Default)]
pub struct Script {
    pub records: Mutex<Vec<(String, Value)>>,
    /// Records up to here are no longer held.
    pub dropped: Mutex<u64>,
    /// What the next reading does instead.
    pub trouble: Mutex<Option<ScriptTrouble>>,
    /// After which sequences the mirror asked.
    pub asked: Mutex<Vec<Option<u64>>>,
}

#[derive(Debug, Clone, Copy)]
pub enum ScriptTrouble {
    Fails,
    Panics,
}

impl Site {
    /// A database and a mirror that has not been started; quick in everything.
    pub fn new() -> Self {
        let rtdb = Rtdb::start();
        let target = Target::emulator(&rtdb.host_port(), Some(&project()));
        Self::with(rtdb, target.expect("an emulator"), Credentials::Metadata)
    }

    /// The same with a service account instead of the emulator's credentials.
    pub fn with_service_account() -> Self {
        let rtdb = Rtdb::start();
        let url = rtdb.url().parse().expect("a URL");
        let target = Target::database(&url).expect("a local database");
        let key = rtdb.service_account_json();
        Self::with(rtdb, target, Credentials::KeyJson(key))
    }

    pub fn with(rtdb: Rtdb, target: Target, credentials: Credentials) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cursor_file = folder.path().join("readers/firebase.json");
        let mut client = ClientSettings::new(target, credentials);
        client.total_timeout = Duration::from_secs(2);
        let (node, journal) = ("node-1".to_owned(), "j1".to_owned());
        let mut settings = MirrorSettings::new(client, cursor_file, node, journal);
        settings.backoff =
            BackoffLimits { base: Duration::from_millis(5), cap: Duration::from_millis(40) };
        settings.pace = Pace { per_second: 1e6, burst: 1e6, reserve: 0.0 };
        let (bell, heard) = bounded(1);
        Self {
            rtdb,
            script: Arc::default(),
            status: Arc::default(),
            settings,
            bell,
            heard,
            mirror: None,
            _folder: folder,
        }
    }

    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    pub fn start(&mut self) {
        self.try_start().expect("the mirror starts");
    }

    pub fn try_start(&mut self) -> Result<(), MirrorError> {
        let script = Arc::clone(&self.script);
        let source = move |after, limits| script.next(after, limits);
        let (settings, bell) = (self.settings.clone(), self.heard.clone());
        let status = Arc::clone(&self.status);
        let mirror = Mirror::start(settings, source, bell, status, Box::new(|_, _| Ok(())))?;
        self.mirror = Some(mirror);
        Ok(())
    }

    pub fn stop(&mut self) {
        if let Some(mirror) = self.mirror.take() {
            mirror.stop();
        }
    }

    pub fn retry(&self, seq: Option<u64>) -> usize {
        let which = Which { seq, path: None };
        self.mirror.as_ref().map_or(0, |it| it.retry(&which))
    }

    pub fn record(&self, path: &str, value: impl Into<Value>) {
        self.record_all([(path.to_owned(), value.into())]);
    }

    pub fn record_all(&self, records: impl IntoIterator<Item = (String, Value)>) {
        self.script.lock().extend(records);
        let _ = self.bell.try_send(());
    }

    pub fn head(&self) -> u64 {
        self.script.lock().len() as u64
    }

    pub fn state(&self) -> State {
        self.status.report(self.head(), Timestamp::now()).state
    }

    pub fn failed(&self) -> Vec<FailedItem> {
        self.status.failed().to_vec()
    }

    pub fn cursor_file(&self) -> PathBuf {
        self.settings.cursor_file.clone()
    }

    pub fn until_synced(&self) {
        self.until("synced", || self.state() == State::Synced);
    }

    pub fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            let report = self.status.report(self.head(), Timestamp::now());
            let trouble = self.status.trouble();
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "not {what}: {report:?}, {trouble:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Paths of each applied write, without our own position.
    pub fn applied_paths(&self) -> Vec<Vec<String>> {
        let history = self.rtdb.history().into_iter();
        let paths = history.map(|it| {
            let paths = it.changes.into_iter().map(|(path, _)| path);
            paths.filter(|it| !it.starts_with("aurora/")).collect()
        });
        paths.collect()
    }
}

impl Script {
    pub fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(String, Value)>> {
        self.records.lock().expect("no holder panics")
    }

    fn next(&self, after: Option<u64>, limits: Limits) -> Result<Next, SourceError> {
        self.asked.lock().expect("no holder panics").push(after);
        let trouble = self.trouble.lock().expect("no holder panics").take();
        match trouble {
            Some(ScriptTrouble::Fails) => return Err("the script says so".into()),
            Some(ScriptTrouble::Panics) => panic!("the script says so"),
            None => {}
        }
        let records = self.lock();
        let head = records.len() as u64;
        if after.unwrap_or(0) < *self.dropped.lock().expect("no holder panics") {
            let whole: Vec<_> = records.clone();
            let chunks = whole.into_iter().enumerate().map(|(i, (path, value))| {
                let mut writes = Writes::new();
                writes.at(i as u64 + 1).set(&path, value);
                writes
            });
            let chunks = Box::new(chunks);
            return Ok(Next::Reset(Reset {
                chunks,
                at_seq: head,
                first_at: None,
                is_all_held: false,
                leave: Box::new(|_| Vec::new()),
            }));
        }
        let mut writes = Writes::new();
        let mut last_seq = after.unwrap_or(0);
        for (path, value) in records.iter().skip(last_seq as usize) {
            last_seq += 1;
            writes.at(last_seq).set(path, value.clone());
            if writes.is_full(limits) {
                break;
            }
        }
        if last_seq == after.unwrap_or(0) {
            return Ok(Next::Nothing);
        }
        Ok(Next::Batch(Batch { writes, last_seq, first_at: None, is_cut: false }))
    }
}

fn project() -> url::Url {
    let text = "https://aurora-test.firebaseio.com";
    text.parse().expect("a URL")
}
