//! The policy: what is old goes out of sight, later for good; what is held stays.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use aurora::domain::{
    Call, CallId, CallStatus, EndReason, Event, Medium, Message, MessageId, PhoneNumber, Role,
    Timestamp, Urgency,
};
use aurora::journal::{Journal, JournalError, Need, Settings};
use aurora::readers::archive;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tempfile::TempDir;
use ulid::Ulid;

use crate::harness::{TestApp, wait_until};
use crate::support::{assert_chain_holds, holding};

const DAY: i64 = 24 * 60 * 60 * 1_000;

/// A call that ended so many days ago.
fn past(n: u16, days: i64, urgency: Urgency, deleted: Option<i64>, legal_hold: bool) -> Call {
    let now = Timestamp::from(std::time::SystemTime::now()).as_millis();
    let at = Timestamp::from_millis(now - days * DAY);
    let message = Message {
        id: MessageId(1),
        role: Role::User,
        content: format!("rarewordno{n} was said").into(),
        timestamp: at,
        sources: "".into(),
        answered_by: None,
        card: None,
        by: None,
        remote_key: None,
    };
    let caller = PhoneNumber::parse(&format!("+1555888{n:04}")).unwrap();
    Call {
        id: CallId(Ulid::from_parts(at.as_millis() as u64, n.into())),
        worker_id: caller.worker_id().into(),
        caller,
        call_sid: None,
        medium: Medium::Voice,
        language: None,
        urgency,
        status: CallStatus::Ended,
        started_at: at,
        last_message_at: at,
        ended_at: Some(at),
        end_reason: Some(EndReason::CallerHungUp),
        admin_id: None,
        deleted_at: deleted.map(|days| Timestamp::from_millis(now - days * DAY)),
        legal_hold,
        admin_notes: None,
        final_action: None,
        edits: Default::default(),
        messages: vec![Arc::new(message)],
        turns: 1,
        last_admin: None,
        heard: None,
        requests: Default::default(),
        last_seq: 0,
    }
}

/// Writes them into a new journal, as an import does.
async fn write(dir: &Path, calls: Vec<Call>) {
    let settings = Settings { data_dir: dir.to_owned(), ..Settings::default() };
    let (journal, _) = Journal::open(settings, None).unwrap();
    let done = journal.submit(Need::Durable, move |_, draft| {
        for call in calls {
            draft.push(Event::CallImported(Arc::new(call)));
        }
        Ok::<_, JournalError>(())
    });
    done.await.unwrap();
    journal.close();
}

fn find(dir: &Path, id: CallId) -> Option<Call> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(dir.join("archive.db"), flags).unwrap();
    archive::call(&db, id).unwrap()
}

async fn start(dir: &Path, days: &str, undo: &str) -> TestApp {
    TestApp::builder()
        .data_dir(dir)
        .env("AURORA_RETENTION_DAYS", days)
        .env("AURORA_UNDO_DAYS", undo)
        .spawn()
        .await
}

#[tokio::test]
async fn old_calls_go_by_their_urgency_and_held_ones_stay() {
    let dir = TempDir::new().unwrap();
    let (normal, urgent, critical) = (Urgency::Normal, Urgency::Urgent, Urgency::Critical);
    let gone = past(1, 500, normal, Some(40), false);
    let deleted_now = past(2, 91, normal, None, false);
    let young = past(3, 89, normal, None, false);
    let urgent_old = past(4, 366, urgent, None, false);
    let urgent_young = past(5, 300, urgent, None, false);
    let for_ever = past(6, 5_000, critical, None, false);
    let held = past(7, 500, normal, None, true);
    let held_and_deleted = past(8, 500, normal, Some(400), true);
    let may_come_back = past(9, 500, normal, Some(20), false);
    let all = [
        &gone,
        &deleted_now,
        &young,
        &urgent_old,
        &urgent_young,
        &for_ever,
        &held,
        &held_and_deleted,
        &may_come_back,
    ];
    write(dir.path(), all.into_iter().cloned().collect()).await;

    let app = start(dir.path(), "normal=90, urgent=365", "30").await;
    wait_until("the policy was followed", async || {
        find(dir.path(), gone.id).is_none()
            && app.get_json("/api/erasures").await["under_way"].is_null()
    })
    .await;

    let is_deleted = |call: &Call| find(dir.path(), call.id).map(|it| it.deleted_at.is_some());
    for (call, expected) in [
        (&deleted_now, true),
        (&young, false),
        (&urgent_old, true),
        (&urgent_young, false),
        (&for_ever, false),
        (&held, false),
        (&held_and_deleted, true),
        (&may_come_back, true),
    ] {
        assert_eq!(is_deleted(call), Some(expected), "{}", call.caller);
    }
    let erasures: Value = app.get_json("/api/erasures").await["erasures"].clone();
    assert_eq!(erasures.as_array().map(Vec::len), Some(1));
    assert_eq!(erasures[0]["by"], Value::Null);
    assert_eq!(erasures[0]["call_ids"], serde_json::json!([gone.id]));
    assert_eq!(holding(dir.path(), &["rarewordno1", "15558880001"]), [""; 0]);
    for n in 2..=9 {
        let word = format!("rarewordno{n}");
        assert!(!holding(dir.path(), &[&word]).is_empty(), "{word}");
    }
    assert_chain_holds(dir.path(), true);
}

/// A word of eight letters that all share, and four of its own. Scattered, so that those who go
/// and those who stay lie side by side in the index; and close, so that only whole words differ.
fn own_word(n: u32) -> String {
    let scattered = n * 7_919 % 40_009;
    let letters = (0..4)
        .rev()
        .map(|place| char::from(b'a' + u8::try_from(scattered / 26_u32.pow(place) % 26).unwrap()));
    format!("eszycidp{}", letters.collect::<String>())
}

#[tokio::test]
async fn the_index_keeps_no_word_as_a_mark_between_its_pages() {
    const WORDS: u32 = 10;
    let dir = TempDir::new().unwrap();
    let calls = (0..3_000_u16).map(|n| {
        let deleted = (n % 2 == 0).then_some(40);
        let mut call = past(n, 50, Urgency::Normal, deleted, false);
        let words: Vec<_> = (0..WORDS).map(|it| own_word(u32::from(n) * WORDS + it)).collect();
        Arc::make_mut(&mut call.messages[0]).content = words.join(" ").into();
        call
    });
    write(dir.path(), calls.collect()).await;

    let mut app = start(dir.path(), "", "30").await;
    wait_until("half of them are gone", async || {
        let erasures = app.get_json("/api/erasures").await;
        let done = erasures["erasures"].as_array().unwrap().iter();
        done.map(|it| it["n_calls"].as_u64().unwrap()).sum::<u64>() == 1_500
    })
    .await;
    app.stop_gracefully();

    let bytes = std::fs::read(dir.path().join("archive.db")).unwrap();
    let gone: BTreeSet<String> =
        (0..3_000).step_by(2).flat_map(|n| (n * WORDS..(n + 1) * WORDS).map(own_word)).collect();
    let found = memchr::memmem::find_iter(&bytes, "eszycidp")
        .filter_map(|at| std::str::from_utf8(bytes.get(at..at + 12)?).ok());
    let (left, stay): (Vec<&str>, Vec<&str>) = found.partition(|it| gone.contains(*it));
    assert_eq!(left, [""; 0]);
    assert!(stay.len() >= 15_000, "{}", stay.len());
}

#[tokio::test]
async fn without_a_policy_everything_stays() {
    let dir = TempDir::new().unwrap();
    let old = past(1, 10_000, Urgency::Normal, None, false);
    let deleted = past(2, 10_000, Urgency::Normal, Some(31), false);
    write(dir.path(), vec![old.clone(), deleted.clone()]).await;

    let _app = start(dir.path(), "", "30").await;

    // What was deleted goes all the same, which shows that the policy was looked at.
    wait_until("the deleted one is gone", async || find(dir.path(), deleted.id).is_none()).await;
    assert_eq!(find(dir.path(), old.id).map(|it| it.deleted_at), Some(None));
}
