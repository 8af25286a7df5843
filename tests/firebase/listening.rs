//! Listening to the fake database over real sockets: what streams do when they break, in all the
//! ways in which they break.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aurora::domain::{
    Call, CallId, CallStarted, Event, Label, Medium, PhoneNumber, Record, RemoteCall,
    RemoteMessage, RuledOn, State, Timestamp, Urgency,
};
use aurora::readers::firebase::{
    BackoffLimits, ClientSettings, Credentials, Download, DownloadSettings, Here, ListeningReport,
    MirrorStatus, Mode, NotTaken, Target, Viewers, Wishes,
};
use serde_json::{Value, json};
use tokio::sync::{Barrier, watch};
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
    /// Panics at the next that is handed over, once.
    panics: AtomicBool,
    /// The calls have left.
    is_empty: AtomicBool,
    /// Edits that are ruled on only together.
    together: Mutex<Option<Arc<Barrier>>>,
}

impl Desk {
    fn refuses(&self) -> bool {
        assert!(!self.panics.swap(false, Ordering::AcqRel), "as the test wants it");
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
        let known = Arc::clone(&self.desk);
        let here = Here {
            take_in: Arc::new(move |remote, _| {
                let desk = Arc::clone(&edits);
                Box::pin(async move {
                    if desk.refuses() {
                        return Err(NotTaken::Later("the disk is full".to_owned()));
                    }
                    let together = desk.together.lock().unwrap().clone();
                    if let Some(all) = together {
                        all.wait().await;
                    }
                    desk.edits.lock().unwrap().push(remote);
                    Ok(RuledOn { n_taken: 1, ..RuledOn::default() })
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
            call: Arc::new(move |id| {
                let mut calls =
                    calls().into_iter().filter(|_| !known.is_empty.load(Ordering::Acquire));
                calls.find(|it| it.id == id)
            }),
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

    /// As somebody says it, without telling that something moved.
    fn say(&self, n: u128, key: &str, text: &str) {
        let path = format!("active_conversations/{}/messages/{key}", id(n).conversation());
        self.rtdb.put(&path, json!({ "role": "admin", "content": text }));
    }

    fn moves(&self, n: u128, at: Value) {
        self.rtdb.patch(&format!("active_calls/{}", id(n)), &json!({ "last_message_at": at }));
    }

    fn until_said(&self, text: &str) {
        self.until(text, || self.said().iter().any(|it| it == text));
    }

    /// The words that were handed over, in order.
    fn said(&self) -> Vec<String> {
        let words = self.desk.words.lock().unwrap();
        words.iter().map(|it| it.content.as_str().to_owned()).collect()
    }

    fn look(&self, n: u128) {
        self.viewers.send_modify(|it| it.extend([(id(n).conversation(), 1)]));
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
        // Everything that we know is there.
        state.apply(&Record { seq: n as u64 - 1, at, node: "node-1".into(), event });
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
    site.settings.each_every = Duration::from_millis(20);
    let site = site.started();

    site.rtdb.put(&format!("active_calls/{}/huge", id(3)), json!("x".repeat(100_000)));
    site.until("told", || {
        let trouble = site.report().listening_trouble;
        trouble.is_some_and(|it| it.contains("remove there what is not Aurora's"))
    });
    assert!(!site.status.is_stream_good());
    let streams = || {
        let requests = site.rtdb.requests();
        requests.paths().iter().filter(|it| it.starts_with("/active_calls.json")).count()
    };
    let before = streams();

    // Our own calls are looked at all the same, and what is there is not downloaded again and again.
    for n in 0..5 {
        site.note(&format!("meanwhile {n}"));
        site.until_noted(&format!("meanwhile {n}"));
    }
    site.say(2, "-N1", "meanwhile, too");
    site.moves(2, json!({ ".sv": "timestamp" }));
    site.until_said("meanwhile, too");
    assert_eq!(streams(), before);
}

#[test]
fn what_is_too_large_is_tried_again_after_a_while() {
    let mut site = Site::new();
    site.settings.stream.max_bytes = 64 * 1024;
    site.settings.whole_again = Duration::from_millis(50);
    site.settings.each_every = Duration::from_millis(20);
    for mode in [Mode::Live, Mode::Periodic(Duration::from_millis(20))] {
        site.download = None;
        site.settings.wishes.environment = Some(mode);
        let huge = format!("active_calls/{}/huge", id(3));
        // More than one answer may have.
        let half = "x".repeat(9 * 1024 * 1024);
        site.rtdb.put(&huge, json!({ "a": half, "b": half }));
        site.start();
        site.until("told", || {
            let trouble = site.report().listening_trouble;
            trouble.is_some_and(|it| it.contains("more under `active_calls`"))
        });
        site.note(&format!("{mode}: meanwhile"));
        site.until_noted(&format!("{mode}: meanwhile"));

        site.rtdb.put(&huge, Value::Null);
        site.until("as before", || site.report().listening_trouble.is_none());
        site.note(&format!("{mode}: small again"));
        site.until_noted(&format!("{mode}: small again"));
    }
}

#[test]
fn what_panicked_once_is_taken_after_it() {
    let site = Site::new().started();
    let panics = || site.desk.panics.store(true, Ordering::Release);
    let is_over = || !site.desk.panics.load(Ordering::Acquire);

    panics();
    site.note("in spite of all");
    site.until("panicked", is_over);
    site.until_noted("in spite of all");
    site.until_good();

    // In the stream of a conversation, and where one is only read.
    site.look(1);
    site.until("both streams", || site.report().listeners == 2);
    panics();
    site.say(1, "-N1", "to whom somebody looks");
    site.until("panicked", is_over);
    site.until_said("to whom somebody looks");
    site.until("both streams again", || site.report().listeners == 2 && site.rtdb.streams() == 2);
    panics();
    site.say(2, "-N2", "to whom nobody looks");
    site.moves(2, json!({ ".sv": "timestamp" }));
    site.until("panicked", is_over);
    site.until_said("to whom nobody looks");
    site.until_good();
    let report = site.report();
    assert_eq!((report.listening, report.listening_trouble), (true, None));
    site.until("no stream is left over", || {
        site.report().listeners == 2 && site.rtdb.streams() == 2
    });
}

#[test]
fn a_call_that_leaves_while_it_is_written_again_leaves_nothing_there() {
    let site = Site::new().started();
    let entry = format!("active_calls/{}", id(1));
    let conversation = format!("active_conversations/{}", id(1).conversation());
    site.rtdb.set_fault(Fault::Far(Duration::from_millis(300)));

    site.rtdb.put(&entry, Value::Null);
    site.until("there again", || !site.rtdb.value(&entry).is_null());
    site.desk.is_empty.store(true, Ordering::Release);
    // The mirror removes it at once, and the words are still on their way.
    site.rtdb.put(&entry, Value::Null);
    site.until("the words came", || !site.rtdb.value(&conversation).is_null());

    site.until("removed", || site.rtdb.value(&conversation).is_null());
    assert_eq!(site.rtdb.value(&entry), Value::Null);
}

#[test]
fn many_changes_at_once_share_a_sync_of_the_disk() {
    let mut site = Site::new();
    for n in 1..=2 {
        site.rtdb.patch(&format!("active_calls/{}", id(n)), &json!({ "admin_notes": "x" }));
    }
    *site.desk.together.lock().unwrap() = Some(Arc::new(Barrier::new(2)));

    site.start();

    site.until("ruled on", || site.desk.edits.lock().unwrap().len() == 2);
}

#[test]
fn words_are_heard_whatever_the_clock_of_who_says_them() {
    let site = Site::new().started();
    for (n, at) in ["1999-01-01T00:00:00.000Z", "2025-11-20T11:55:00.000Z", "2099-01-01T00:00:00Z"]
        .iter()
        .enumerate()
    {
        site.say(2, &format!("-N{n}"), &format!("words {n}"));
        site.moves(2, json!(at));
        site.until_said(&format!("words {n}"));
    }

    // What we wrote ourselves is no reason to read.
    let reads = || {
        let requests = site.rtdb.requests();
        requests.paths().iter().filter(|it| it.contains("/messages.json")).count()
    };
    let before = reads();
    let started = calls()[0].started_at;
    site.moves(1, json!(started.to_string()));
    site.moves(2, json!(started.to_string()));
    site.note("after it");
    site.until_noted("after it");
    assert_eq!(reads(), before);
}

#[test]
fn words_from_before_the_start_are_found_though_nothing_moves() {
    let mut site = Site::new();
    site.say(2, "-N1", "while nobody was here");

    site.start();

    site.until_said("while nobody was here");
}

#[test]
fn what_is_no_words_of_supervisors_does_not_crowd_them_out() {
    let mut site = Site::new();
    let junk = |site: &Site, n: u128, from: usize| {
        let path = format!("active_conversations/{}/messages", id(n).conversation());
        let keys = (from..from + 100).map(|it| (format!("-M{it:04}"), json!({ "role": "user" })));
        site.rtdb.patch(&path, &Value::Object(keys.collect()));
    };
    junk(&site, 1, 0);
    junk(&site, 2, 0);
    site.rtdb.put(&format!("active_conversations/{}/messages/x", id(1).conversation()), json!(7));
    site.start();
    site.until_good();
    site.look(1);
    site.until("both streams", || site.report().listeners == 2);

    junk(&site, 1, 100);
    for n in 1..=2 {
        site.say(n, "-N1", &format!("heard {n}"));
        site.moves(n, json!({ ".sv": "timestamp" }));
        site.until_said(&format!("heard {n}"));
    }
    site.until("told", || {
        let aside = site.report().set_aside;
        aside.iter().any(|it| it.reason.contains("only a supervisor's words"))
    });
}

#[test]
fn who_says_something_is_told_if_they_say_so() {
    let site = Site::new().started();
    site.look(1);
    let path = format!("active_conversations/{}/messages", id(1).conversation());
    for (n, by) in
        [json!("Ada"), json!(7), json!("x".repeat(65)), json!({ "a": 1 })].iter().enumerate()
    {
        let words = json!({ "role": "admin", "content": format!("words {n}"), "admin_id": by });
        site.rtdb.put(&format!("{path}/-N{n}"), words);
        site.until_said(&format!("words {n}"));
    }

    for words in site.desk.words.lock().unwrap().iter() {
        let expected = Some("Ada").filter(|_| words.content.as_str() == "words 0");
        assert_eq!(words.by.as_ref().map(Label::as_str), expected, "{words:?}");
    }
}

#[test]
fn a_conversation_that_is_not_answered_holds_up_no_other() {
    let mut site = Site::new();
    site.settings.client.total_timeout = Duration::from_secs(60);
    let silent = id(2).conversation().to_string();
    site.rtdb.set_fault(Fault::HangAt(silent.clone()));
    site.say(2, "-N1", "later");
    let site = site.started();
    site.until("asked for", || site.rtdb.requests().paths().iter().any(|it| it.contains(&silent)));

    site.say(1, "-N2", "at once");
    site.moves(1, json!({ ".sv": "timestamp" }));
    site.until_said("at once");
    site.look(1);
    site.until("a stream is opened", || site.report().listeners == 2);

    site.rtdb.clear_faults();
    site.until_said("later");
}

#[test]
fn what_stays_wrong_is_told_of_once() {
    let mut site = Site::new();
    let every = Duration::from_millis(5);
    site.settings.wishes.environment = Some(Mode::Periodic(every));
    site.rtdb.put(&format!("active_calls/{}/urgency", id(1)), json!("PURPLE"));
    site.rtdb.put("active_calls/constructor", json!(1));
    site.start();
    site.until("told", || site.report().set_aside.len() == 2);
    let first = site.report().set_aside;

    let n_looks = site.rtdb.requests().count();
    site.until("looked again", || site.rtdb.requests().count() > n_looks + 5);
    assert_eq!(site.report().set_aside, first);

    site.rtdb.put("active_calls/constructor", Value::Null);
    site.until("settled", || site.report().set_aside.len() == 1);
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
    let mut said = site.said();
    said.sort_unstable();
    said.dedup();
    assert_eq!(said, ["before", "now", "there"]);
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
