//! Listening to the fake database over real sockets: what streams do when they break, in all the
//! ways in which they break.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aurora::domain::{
    Call, CallId, CallStarted, Event, Medium, PhoneNumber, Record, RemoteCall, RemoteMessage,
    State, Timestamp, Urgency,
};
use aurora::readers::firebase::{
    BackoffLimits, ClientSettings, Credentials, Download, DownloadSettings, Here, ListeningReport,
    MirrorStatus, Mode, NotTaken, Target, Viewers, Wishes,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use ulid::Ulid;

use crate::fakes::rtdb::{Fault, NAMESPACE, Rtdb};

/// Longest wait for something that has to happen. Far more than it takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn id(n: u128) -> CallId {
    CallId(Ulid::from_parts(1_763_640_000_000, n))
}

/// What was handed over, and what is said to it.
#[derive(Default)]
struct Desk {
    edits: Mutex<Vec<RemoteCall>>,
    words: Mutex<Vec<RemoteMessage>>,
    /// So many are not taken now.
    refuses: Mutex<usize>,
}

impl Desk {
    fn refuses(&self) -> bool {
        let mut refuses = self.refuses.lock().unwrap();
        *refuses = refuses.saturating_sub(1);
        *refuses > 0
    }

    /// The notes that were handed over, in order and each once.
    fn notes(&self) -> Vec<String> {
        let edits = self.edits.lock().unwrap();
        let mut notes: Vec<String> = edits
            .iter()
            .flat_map(|it| &it.edits)
            .filter_map(|it| it.value.as_ref().map(ToString::to_string))
            .collect();
        notes.dedup();
        notes
    }
}

struct Site {
    rtdb: Rtdb,
    desk: Arc<Desk>,
    status: Arc<MirrorStatus>,
    settings: DownloadSettings,
    viewers: watch::Sender<Viewers>,
    download: Option<Download>,
}

impl Site {
    /// A database with three calls, of which two are ours; nobody listens yet.
    fn new() -> Self {
        let rtdb = Rtdb::start();
        let project = format!("https://{NAMESPACE}.firebaseio.com").parse().unwrap();
        let target = Target::emulator(&rtdb.host_port(), Some(&project)).unwrap();
        Self::with(rtdb, target, Credentials::Metadata)
    }

    fn with(rtdb: Rtdb, target: Target, credentials: Credentials) -> Self {
        for n in 1..=3 {
            let entry = json!({ "status": "ACTIVE", "urgency": "NORMAL",
                "mirrored": { "status": "ACTIVE", "urgency": "1:NORMAL" } });
            rtdb.put(&format!("active_calls/{}", id(n)), entry);
        }
        let mut client = ClientSettings::new(target, credentials);
        client.total_timeout = Duration::from_secs(2);
        let wishes = Wishes { person: None, environment: Some(Mode::Live) };
        let mut settings = DownloadSettings::new(client, "node-1".to_owned(), wishes);
        settings.backoff =
            BackoffLimits { base: Duration::from_millis(5), cap: Duration::from_millis(40) };
        let viewers = watch::Sender::default();
        let (desk, status) = (Arc::default(), Arc::default());
        Self { rtdb, desk, status, settings, viewers, download: None }
    }

    fn started(mut self) -> Self {
        self.start();
        self.until_good();
        self
    }

    fn start(&mut self) {
        let (edits, words) = (Arc::clone(&self.desk), Arc::clone(&self.desk));
        let here = Here {
            take_in: Arc::new(move |remote, _| {
                let desk = Arc::clone(&edits);
                Box::pin(async move {
                    if desk.refuses() {
                        return Err(NotTaken::Later("the disk is full".to_owned()));
                    }
                    desk.edits.lock().unwrap().push(remote);
                    Ok(1)
                })
            }),
            take_in_words: Arc::new(move |remote| {
                let desk = Arc::clone(&words);
                Box::pin(async move {
                    if desk.refuses() {
                        return Err(NotTaken::Later("the disk is full".to_owned()));
                    }
                    desk.words.lock().unwrap().push(remote);
                    Ok(true)
                })
            }),
            call: Arc::new(|id| calls().into_iter().find(|it| it.id == id)),
            calls: Arc::new(calls),
        };
        let (settings, status) = (self.settings.clone(), Arc::clone(&self.status));
        let download = Download::start(settings, here, self.viewers.subscribe(), status);
        self.download = Some(download.unwrap());
    }

    fn report(&self) -> ListeningReport {
        self.status.report(0, jiff::Timestamp::now()).listening
    }

    fn note(&self, text: &str) {
        let path = format!("active_calls/{}", id(1));
        self.rtdb.patch(&path, &json!({ "admin_notes": text }));
    }

    fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < PATIENCE, "not {what}: {:?}", self.report());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn until_good(&self) {
        self.until("good", || self.status.is_stream_good());
    }

    fn until_noted(&self, text: &str) {
        self.until(text, || self.desk.notes().last().is_some_and(|it| it == text));
    }
}

/// Two calls, both long in the database.
fn calls() -> Vec<Arc<Call>> {
    let mut state = State::default();
    for n in 1..=2 {
        let started = CallStarted {
            call_id: id(n),
            worker_id: "worker".into(),
            caller: PhoneNumber::parse(&format!("+1555010{n}")).unwrap(),
            call_sid: None,
            medium: Medium::Voice,
            language: None,
            urgency: Urgency::Normal,
        };
        let event = Event::CallStarted(started);
        let at = Timestamp::from_millis(1_763_640_000_000);
        state.apply(&Record { seq: n as u64, at, node: "node-1".into(), event });
    }
    state.calls().cloned().collect()
}

#[test]
fn each_change_is_handed_over_in_order_however_the_bytes_come() {
    for faults in [vec![], vec![Fault::SplitBytes], vec![Fault::SplitBytes, Fault::SplitEvents]] {
        let site = Site::new().started();
        faults.iter().for_each(|it| site.rtdb.set_fault(it.clone()));

        let texts: Vec<String> = (0..50).map(|n| format!("note {n} Grüße 火\n")).collect();
        texts.iter().for_each(|it| site.note(it));

        site.until_noted(texts[49].trim());
        let told: Vec<_> = texts.iter().map(|it| it.trim().to_owned()).collect();
        assert_eq!(site.desk.notes(), told, "{faults:?}");
        assert!(site.desk.edits.lock().unwrap().iter().all(|it| it.call_id == id(1)));
    }
}

#[test]
fn a_stream_that_ends_is_opened_again_and_what_happened_meanwhile_is_found() {
    type End = fn(&Rtdb);
    let ends: [(&str, End); 5] = [
        ("closed", Rtdb::end_streams),
        ("cancelled", Rtdb::cancel_streams),
        ("revoked", Rtdb::revoke_streams),
        ("cut", Rtdb::go_down),
        ("cut at the door", |it| it.set_fault(Fault::AcceptAndClose)),
    ];
    let site = Site::new().started();
    for (name, end) in ends {
        end(&site.rtdb);
        site.note(name);
        site.rtdb.clear_faults();

        site.until_noted(name);
        site.until_good();
        assert_eq!(site.report().listeners, 1, "{name}");
        site.until("closed there, too", || site.rtdb.streams() == 1);
    }
}

#[test]
fn a_stream_that_falls_silent_is_given_up() {
    let mut site = Site::new();
    site.settings.stream.silence = Duration::from_millis(1_200);
    let site = site.started();
    site.rtdb.set_fault(Fault::SilentStreams);
    site.note("into the void");
    site.until("given up", || !site.status.is_stream_good());
    assert!(site.report().listening_trouble.is_some());

    site.rtdb.clear_faults();

    site.until_noted("into the void");
    site.until_good();
}

#[test]
fn a_token_that_runs_out_is_renewed_and_a_redirect_keeps_it() {
    let rtdb = Rtdb::start();
    let other = Rtdb::start();
    let url = rtdb.url().parse().unwrap();
    let target = Target::database(&url).unwrap();
    let key = Credentials::KeyJson(rtdb.service_account_json());
    let namespaced = format!("{}/?ns={NAMESPACE}", rtdb.url()).parse().unwrap();
    assert_ne!(target, Target::database(&namespaced).unwrap());
    let site = Site::with(rtdb, Target::database(&namespaced).unwrap(), key).started();
    let n_tokens = site.rtdb.token_requests();

    site.rtdb.set_fault(Fault::ExpiredCredentials);
    site.rtdb.revoke_streams();
    site.note("with another token");
    site.until_noted("with another token");
    assert!(site.rtdb.token_requests() > n_tokens);

    // The same database, behind another door.
    other.set_fault(Fault::Redirect(site.rtdb.url()));
    let door = format!("{}/?ns={NAMESPACE}", other.url()).parse().unwrap();
    let mut site = site;
    site.download = None;
    site.settings.client.target = Target::database(&door).unwrap();
    site.start();
    site.until_good();
    site.note("behind another door");
    site.until_noted("behind another door");
}

#[test]
fn an_event_that_is_too_large_is_no_crash_and_no_loop() {
    let mut site = Site::new();
    site.settings.stream.max_bytes = 64 * 1024;
    let site = site.started();

    site.rtdb.put(&format!("active_calls/{}/huge", id(3)), json!("x".repeat(100_000)));
    site.until("told", || {
        site.report().listening_trouble.is_some_and(|it| it.contains("larger than 65536 bytes"))
    });
    assert!(!site.status.is_stream_good());

    site.rtdb.put(&format!("active_calls/{}/huge", id(3)), Value::Null);
    site.note("small again");
    site.until_noted("small again");
}

#[test]
fn what_can_not_be_written_down_now_is_handed_over_again() {
    let site = Site::new().started();
    *site.desk.refuses.lock().unwrap() = 3;

    site.note("in the end");

    site.until_noted("in the end");
    assert_eq!(site.desk.notes(), ["in the end"]);
}

#[test]
fn words_are_taken_where_somebody_looks_and_a_stream_closes_after_the_last() {
    let mut site = Site::new();
    site.settings.close_after = Duration::from_millis(50);
    site.settings.max_streams = 1;
    let site = site.started();
    let look = |n| site.viewers.send_modify(|it| it.extend([(id(n).conversation(), 1)]));
    let say = |n: u128, key: &str, text: &str| {
        let path = format!("active_conversations/{}/messages/{key}", id(n).conversation());
        site.rtdb.put(&path, json!({ "role": "admin", "content": text }));
    };
    let said = |text: &str| {
        let words = site.desk.words.lock().unwrap();
        words.iter().any(|it| it.content.as_str() == text)
    };
    say(1, "msg_000001", "ours");
    say(1, "-N1", "before");
    look(1);
    site.until("told what was there", || said("before"));
    *site.desk.refuses.lock().unwrap() = 2;
    say(1, "-N2", "now");
    site.until("told at once", || said("now"));
    assert!(!said("ours"));

    // One stream is all there may be; the other is read when something moves.
    look(2);
    say(2, "-N3", "there");
    let moved = json!({ "last_message_at": { ".sv": "timestamp" } });
    site.rtdb.patch(&format!("active_calls/{}", id(2)), &moved);
    site.until("read", || said("there"));
    assert_eq!((site.report().listeners, site.rtdb.streams()), (2, 2));

    site.viewers.send_modify(Viewers::clear);
    site.until("closed", || site.report().listeners == 1 && site.rtdb.streams() == 1);
    assert_eq!(site.desk.words.lock().unwrap().len(), 3);
}

#[test]
fn the_clock_of_the_database_is_known_to_some_milliseconds() {
    let site = Site::new().started();

    let offset_ms = site.status.report(0, jiff::Timestamp::now()).clock_offset_ms;

    assert!(offset_ms.abs() < 100, "they are on one machine: {offset_ms} ms");
    let there = site.rtdb.value("aurora/clock/node-1").as_i64().unwrap();
    let now = Timestamp::from(SystemTime::now()).as_millis();
    assert!((now - 60_000..=now).contains(&there));
}

#[test]
fn it_stops_at_once_whatever_it_is_about() {
    for fault in [None, Some(Fault::Hang), Some(Fault::Down), Some(Fault::SilentStreams)] {
        let mut site = Site::new().started();
        if let Some(fault) = fault.clone() {
            site.rtdb.set_fault(fault);
            site.rtdb.end_streams();
        }
        let began = Instant::now();
        site.download.take().unwrap().stop();
        assert!(began.elapsed() < Duration::from_secs(1), "{fault:?}: {:?}", began.elapsed());
    }
}

#[test]
fn the_rollout_is_followed_as_it_changes() {
    let mut site = Site::new();
    site.settings.wishes = Wishes::default();
    site.settings.rollout_every = Duration::from_millis(20);
    let config = "config/features/realtime_sync";
    site.rtdb.put(config, json!({ "enabled": true, "percentage": 0 }));
    site.start();
    site.until("off", || site.report().mode == "off");

    site.rtdb.put(config, json!({ "enabled": true, "percentage": 100 }));
    site.until_good();
    site.note("live");
    site.until_noted("live");
    site.rtdb.put(config, json!({ "enabled": false }));
    site.until("off again", || site.report().mode == "off" && site.rtdb.streams() == 0);
    site.download.as_ref().unwrap().choose(Some(Mode::Live));
    site.until_good();
}
