//! What people change in the database comes to the call: on the board, in the next answer, in the
//! audit; and what can't be taken does no harm.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fakes::rtdb::{Fault, Rtdb};
use crate::harness::{Reply, TestApp, wait_until};
use crate::mirroring::{assert_equal, mirrored, sync, until_synced};

const CALLER: &str = "+15550100";
const WHO: &str = "Ada at the phone";

/// A server that listens, and a call that the database has.
async fn listening(rtdb: &Rtdb) -> (TestApp, Reply) {
    let app = mirrored(rtdb).spawn().await;
    until_listening(&app).await;
    let reply = app.say(CALLER, "The gate is stuck").await;
    until_synced(&app).await;
    (app, reply)
}

pub async fn until_listening(app: &TestApp) {
    wait_until("it listens", async || sync(app).await["listening"] == true).await;
}

/// As another dashboard does it: with who and when.
pub fn edit(rtdb: &Rtdb, call: &str, mut values: Value) {
    values["updated_by"] = json!(WHO);
    values["updated_at"] = json!({ ".sv": "timestamp" });
    rtdb.patch(&format!("active_calls/{call}"), &values);
}

pub async fn call(app: &TestApp, id: &str) -> Value {
    app.call(id).await["call"].clone()
}

/// The call has this here, and the database has been told that we know.
pub async fn until_here(app: &TestApp, id: &str, field: &str, value: &Value) {
    let what = format!("{field} of {id} is {value}");
    wait_until(&what, async || call(app, id).await[field] == *value).await;
    until_synced(app).await;
}

async fn aside(app: &TestApp) -> Vec<String> {
    let sync = sync(app).await;
    let aside = sync["set_aside"].as_array().expect("a list");
    aside.iter().map(|it| it["path"].as_str().expect("a path").to_owned()).collect()
}

#[tokio::test]
async fn a_takeover_there_silences_the_assistant_and_words_from_there_are_heard() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let mut board = app.board().await;

    edit(&rtdb, reply.call(), json!({ "admin_id": "Ada", "status": "TAKEOVER" }));
    let told = board.until_so("call_updated", |it| it["admin_id"] == "Ada").await;
    assert_eq!(
        (&told.data["status"], &told.data["source"]),
        (&json!("TAKEOVER"), &json!("firebase"))
    );

    let held = app.say(CALLER, "Is anybody there?").await;
    assert_eq!(held.answered_by, "supervisor");
    let messages = format!("active_conversations/{}/messages", reply.conversation());
    let words = json!({ "role": "admin", "content": "Ada here, I am sending somebody." });
    rtdb.put(&format!("{messages}/-Nadmin%1"), words);
    edit(&rtdb, reply.call(), json!({ "last_message_at": "2099-01-01T00:00:00.000Z" }));
    board.until_so("new_messages", |it| it["messages"][0]["role"] == "admin").await;
    let answer = app.say(CALLER, "Hello?").await;
    assert!(answer.message.contains("Ada here"), "{}", answer.message);

    edit(&rtdb, reply.call(), json!({ "admin_id": null, "status": "ACTIVE" }));
    board.until_so("call_updated", |it| it["status"] == "ACTIVE").await;
    assert_ne!(app.say(CALLER, "Hello?").await.answered_by, "supervisor");
    until_synced(&app).await;
    let there = rtdb.value(&messages);
    assert_eq!(there.get("-Nadmin%1"), None, "it is there under our key: {there}");
    assert_equal(&app, &rtdb).await;
    assert_eq!(aside(&app).await, [""; 0]);
}

#[tokio::test]
async fn whatever_may_be_changed_there_comes_with_who_and_where() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let id = reply.call();

    for (field, value) in [
        ("urgency", json!("CRITICAL")),
        ("urgency", json!("NORMAL")),
        ("admin_notes", json!("The gate of hall 3.\nA key is at the desk.")),
        ("admin_notes", Value::Null),
        ("final_action", json!("Sent the locksmith")),
        ("status", json!("ENDED")),
        ("deleted_at", json!("2026-11-20T12:00:00.123Z")),
    ] {
        edit(&rtdb, id, json!({ field: value }));
        if field == "deleted_at" {
            let is_deleted = async || call(&app, id).await[field].is_string();
            wait_until("it is deleted", is_deleted).await;
        } else {
            until_here(&app, id, field, &value).await;
        }
    }

    until_synced(&app).await;
    let path = format!("/api/calls/{id}/conversation");
    wait_until("the audit has all of it", async || {
        let kept = app.get_as_supervisor(&path).await;
        let text = kept.text();
        kept.status == 200 && text.matches("\"source\":\"firebase\"").count() >= 7
    })
    .await;
    let audit = app.get_json(&path).await.to_string();
    assert!(audit.contains(WHO), "{audit}");
    assert_eq!(sync(&app).await["taken"], 7);
}

#[tokio::test]
async fn an_entry_that_was_removed_is_whole_again_also_where_something_was_written_since() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let path = format!("active_calls/{}", reply.call());

    rtdb.put(&path, Value::Null);
    // Ours, and somebody's, into the rubble.
    app.say(CALLER, "Hello?").await;
    edit(&rtdb, reply.call(), json!({ "admin_notes": "Ada was here" }));

    let whole = async || rtdb.value(&path)["status"] == "ACTIVE";
    wait_until("it is there again", whole).await;
    until_here(&app, reply.call(), "admin_notes", &json!("Ada was here")).await;
    assert_equal(&app, &rtdb).await;
    assert_eq!(aside(&app).await, [""; 0]);
}

#[tokio::test]
async fn what_the_database_refuses_is_not_undone_by_what_stands_there() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let path = format!("active_calls/{}/admin_notes", reply.call());
    // The value alone, and not the mark beside it: without its value that would look like an edit.
    rtdb.set_fault(Fault::Poison(path.clone()));

    let notes = json!({ "admin_id": "Kim", "admin_notes": "Kim was here" });
    app.act(&format!("/api/call/{}/notes", reply.call()), &notes).await;

    wait_until("ours is refused", async || {
        let failed = sync(&app).await["failed"].clone();
        failed.as_array().is_some_and(|it| it.iter().any(|it| it["path"] == path))
    })
    .await;
    let mark = format!("active_calls/{}/mirrored/admin_notes", reply.call());
    assert_eq!(rtdb.value(&mark), Value::Null);
    // Later than half an echo is left alone; and where entries are looked at before each write.
    rtdb.end_streams();
    until_listening(&app).await;
    edit(&rtdb, reply.call(), json!({ "final_action": "looked at" }));
    until_here(&app, reply.call(), "final_action", &json!("looked at")).await;
    app.act("/api/sync/mode", &json!({ "mode": "off" })).await;
    let takeover = format!("/api/call/{}/takeover", reply.call());
    app.act(&takeover, &json!({ "admin_id": "Kim" })).await;
    until_synced(&app).await;
    assert_eq!(call(&app, reply.call()).await["admin_notes"], "Kim was here");
    rtdb.clear_faults();
    app.act("/api/sync/retry", &json!({})).await;
    wait_until("it is there", async || rtdb.value(&path) == "Kim was here").await;
}

#[tokio::test]
async fn words_bear_the_name_of_who_says_them_and_one_key_may_serve_for_all() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let _viewer = app.listen(reply.conversation()).await;
    let messages = format!("active_conversations/{}/messages", reply.conversation());

    for (by, words) in [("Ada", "Stay calm"), ("Sam", "Help is near"), ("", "Who am I?")] {
        let mut said = json!({ "role": "admin", "content": words });
        if !by.is_empty() {
            said["admin_id"] = json!(by);
        }
        rtdb.put(&format!("{messages}/admin"), said);
        let told = async || app.messages(reply.conversation()).await.iter().any(|it| it.1 == words);
        wait_until(words, told).await;
        until_synced(&app).await;
    }
    let takeover = format!("/api/call/{}/takeover", reply.call());
    app.act(&takeover, &json!({ "admin_id": "Kim" })).await;
    let say = format!("/api/call/{}/message", reply.call());
    app.act(&say, &json!({ "admin_id": "Kim", "content": "Kim here" })).await;

    until_synced(&app).await;
    let said = |told: &Value| {
        let all = told["messages"].as_array().expect("a list").clone();
        let admins = all.into_iter().filter(|it| it["role"] == "admin");
        admins.map(|it| it["admin_id"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let names = [Some("Ada"), Some("Sam"), None, Some("Kim")].map(|it| it.map(str::to_owned));
    let live = app.get_json(&format!("/api/conversation/{}", reply.conversation())).await;
    assert_eq!(said(&live), names, "{live}");
    assert_equal(&app, &rtdb).await;
    app.act(&format!("/api/call/{}/end", reply.call()), &json!({})).await;
    let path = format!("/api/calls/{}/conversation", reply.call());
    wait_until("the past tells it", async || {
        let past = app.get_as_supervisor(&path).await;
        past.status == 200 && said(&past.json()) == names
    })
    .await;
}

#[tokio::test]
async fn nobody_lowers_urgency_without_a_name_and_it_is_written_back() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let mut board = app.board().await;
    edit(&rtdb, reply.call(), json!({ "urgency": "CRITICAL" }));
    until_here(&app, reply.call(), "urgency", &json!("CRITICAL")).await;

    let path = format!("active_calls/{}", reply.call());
    rtdb.patch(&path, &json!({ "urgency": "NORMAL", "updated_by": null }));

    let conflict = board.until("conflict").await.data;
    assert_eq!(conflict["why"], "refused", "{conflict}");
    assert_eq!(conflict["lost"]["value"], "NORMAL");
    assert_eq!(conflict["kept"]["value"], "CRITICAL");
    let back = async || rtdb.value(&format!("{path}/urgency")) == "CRITICAL";
    wait_until("it is written back", back).await;
    assert_eq!(call(&app, reply.call()).await["urgency"], "CRITICAL");
    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
}

#[tokio::test]
async fn who_keeps_lowering_urgency_fills_no_journal_and_nobody_else_waits() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    edit(&rtdb, reply.call(), json!({ "urgency": "CRITICAL" }));
    until_here(&app, reply.call(), "urgency", &json!("CRITICAL")).await;
    let path = format!("active_calls/{}", reply.call());
    let lower = || rtdb.patch(&path, &json!({ "urgency": "NORMAL", "updated_by": null }));
    let is_back = async || rtdb.value(&format!("{path}/urgency")) == "CRITICAL";
    for _ in 0..6 {
        lower();
        wait_until("it is put back", is_back).await;
        until_synced(&app).await;
    }
    let told = app.get_as_supervisor("/api/conflicts").await.json();
    let n_conflicts = told["conflicts"].as_array().expect("a list").len();
    // As many at once, and then others after one, two and four seconds.
    assert!((3..6).contains(&n_conflicts), "{told}");
    assert_eq!(call(&app, reply.call()).await["urgency"], "CRITICAL");

    lower();
    edit(&rtdb, reply.call(), json!({ "urgency": "URGENT" }));
    until_here(&app, reply.call(), "urgency", &json!("URGENT")).await;
    assert_equal(&app, &rtdb).await;
}

#[tokio::test]
async fn a_hundred_changes_there_are_on_the_board_and_heard_well_within_a_second() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let mut board = app.board().await;
    let mut times = Vec::new();

    for n in 0..100 {
        let began = Instant::now();
        let note = format!("note {n}");
        edit(&rtdb, reply.call(), json!({ "admin_notes": note }));
        board.until_so("call_updated", |it| it["admin_notes"] == note).await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!("from an edit there to the board: median {:?}, p99 {:?}", times[50], times[98]);
    assert!(times[98] < Duration::from_secs(1), "{:?}", times[98]);

    edit(&rtdb, reply.call(), json!({ "admin_id": "Ada", "status": "TAKEOVER" }));
    until_here(&app, reply.call(), "status", &json!("TAKEOVER")).await;
    let _viewer = app.listen(reply.conversation()).await;
    wait_until("both streams are open", async || sync(&app).await["listeners"] == 2).await;
    let messages = format!("active_conversations/{}/messages", reply.conversation());
    let mut times = Vec::new();
    for n in 0..20 {
        let began = Instant::now();
        let words = json!({ "role": "admin", "content": format!("words {n}") });
        rtdb.put(&format!("{messages}/-N{n:03}"), words);
        let is_new = |it: &Value| it["messages"][0]["content"] == format!("words {n}");
        board.until_so("new_messages", is_new).await;
        let answer = app.say(CALLER, "Hello?").await;
        assert!(answer.message.contains(&format!("words {n}")), "{}", answer.message);
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!(
        "from words there to the caller's answer: median {:?}, slowest {:?}",
        times[10], times[19]
    );
    assert!(times[19] < Duration::from_secs(1), "{:?}", times[19]);
}

#[tokio::test]
async fn bad_data_of_all_sorts_is_set_aside_and_the_rest_goes_on() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let other = app.say("+15550101", "Hello").await;
    until_synced(&app).await;
    let before = call(&app, reply.call()).await;
    let path = format!("active_calls/{}", reply.call());

    for (field, value) in [
        ("urgency", json!("PURPLE")),
        ("urgency", json!(["CRITICAL"])),
        ("urgency", Value::Null),
        ("admin_id", json!({ "name": "Ada" })),
        ("admin_id", json!("x".repeat(65))),
        ("status", json!("SLEEPING")),
        ("status", json!(7)),
        ("admin_notes", json!("x".repeat(1_000_000))),
        ("final_action", json!(true)),
        ("deleted_at", json!("yesterday")),
    ] {
        let kept = rtdb.value(&format!("{path}/{field}"));
        edit(&rtdb, reply.call(), json!({ field: value }));
        let own = format!("{path}/{field}");
        wait_until(&own, async || aside(&app).await.contains(&own)).await;
        edit(&rtdb, reply.call(), json!({ field: kept }));
        wait_until("it is right again", async || aside(&app).await.is_empty()).await;
    }
    rtdb.put("active_calls/constructor", json!({ "status": "ENDED" }));
    rtdb.put("active_calls/call_01JD0000000000000000000000", json!({ "status": "ENDED" }));
    rtdb.put(&format!("{path}/urgency/deep/er"), json!(1));
    rtdb.put(&format!("{path}/other"), json!({ "a": "x".repeat(100_000) }));
    rtdb.put(&format!("{path}/mirrored/other"), json!([1, 2]));
    let conversation = format!("active_conversations/{}/messages", reply.conversation());
    let _viewer = app.listen(reply.conversation()).await;
    for (key, words) in [
        ("a", json!({ "role": "user", "content": "I am the caller" })),
        ("b", json!({ "role": "admin", "content": 7 })),
        ("c", json!("words")),
        ("d", json!({ "role": "admin", "content": "x".repeat(20_000) })),
        ("e", json!({ "role": "admin", "content": "" })),
        (&"k".repeat(700), json!({ "role": "admin", "content": "Hello" })),
    ] {
        rtdb.put(&format!("{conversation}/{key}"), words);
    }
    wait_until("all of it is set aside", async || aside(&app).await.len() == 8).await;

    // What is right beside it counts.
    rtdb.put(&format!("{conversation}/z"), json!({ "role": "admin", "content": "Ada here" }));
    edit(&rtdb, other.call(), json!({ "admin_notes": "right" }));
    until_here(&app, other.call(), "admin_notes", &json!("right")).await;
    let told =
        async || app.messages(reply.conversation()).await.iter().any(|it| it.1 == "Ada here");
    wait_until("words are taken", told).await;
    rtdb.put(&path, json!("a text"));
    let restored = async || rtdb.value(&path)["status"] == "ACTIVE";
    wait_until("the call is written again", restored).await;
    until_synced(&app).await;
    let (mut before, mut now) = (before, call(&app, reply.call()).await);
    for it in [&mut before, &mut now] {
        it["last_message_at"] = Value::Null;
    }
    assert_eq!(now, before, "nothing of it counts here");
    let n_writes = rtdb.history().len();
    app.say("+15550102", "Hello").await;
    until_synced(&app).await;
    assert!(rtdb.history().len() - n_writes <= 4, "no echo is answered");
}

#[tokio::test]
async fn an_echo_that_comes_in_parts_is_no_edit() {
    let rtdb = Rtdb::start();
    rtdb.set_fault(Fault::SplitEvents);
    rtdb.set_fault(Fault::SplitBytes);
    let (app, reply) = listening(&rtdb).await;
    let mut board = app.board().await;

    let path = |action: &str| format!("/api/call/{}/{action}", reply.call());
    for n in 0..10 {
        let urgency = if n % 2 == 0 { "CRITICAL" } else { "NORMAL" };
        app.act(&path("urgency"), &json!({ "urgency": urgency, "admin_id": "Kim" })).await;
        app.act(&path("takeover"), &json!({ "admin_id": "Kim" })).await;
        app.act(&path("handback"), &json!({ "admin_id": "Kim" })).await;
    }
    until_synced(&app).await;
    edit(&rtdb, reply.call(), json!({ "admin_notes": "the end" }));
    loop {
        let event = board.next().await.expect("the board goes on");
        assert_ne!(event.name, "conflict", "{}", event.data);
        if event.name != "call_updated" {
            continue;
        }
        if event.data["admin_notes"] == "the end" {
            break;
        }
        assert_ne!(event.data["source"], "firebase", "{}", event.data);
    }
    until_synced(&app).await;
    assert_equal(&app, &rtdb).await;
    assert_eq!(aside(&app).await, [""; 0]);
}

#[tokio::test]
async fn an_outage_with_changes_on_both_sides_ends_with_both_the_same() {
    let rtdb = Rtdb::start();
    let (mut app, reply) = listening(&rtdb).await;
    let other = app.say("+15550101", "Hello").await;
    let third = app.say("+15550102", "Hello").await;
    until_synced(&app).await;

    for is_restarted in [false, true] {
        rtdb.go_down();
        let no_more = async || sync(&app).await["listening"] == false;
        wait_until("it hears nothing", no_more).await;
        let note = format!("there {is_restarted}");
        edit(&rtdb, reply.call(), json!({ "admin_notes": note }));
        edit(&rtdb, other.call(), json!({ "urgency": "CRITICAL" }));
        let urgency = format!("/api/call/{}/urgency", third.call());
        app.act(&urgency, &json!({ "urgency": "CRITICAL", "admin_id": "Kim" })).await;
        let takeover = format!("/api/call/{}/takeover", other.call());
        app.act(&takeover, &json!({ "admin_id": "Kim" })).await;
        let messages = format!("active_conversations/{}/messages", reply.conversation());
        let words = json!({ "role": "admin", "content": format!("words {is_restarted}") });
        rtdb.put(&format!("{messages}/-N{is_restarted}"), words);
        edit(&rtdb, reply.call(), json!({ "last_message_at": "2098-01-01T00:00:00.000Z" }));
        if is_restarted {
            app.restart().await;
        }
        rtdb.come_back();

        until_here(&app, reply.call(), "admin_notes", &json!(note)).await;
        until_here(&app, other.call(), "urgency", &json!("CRITICAL")).await;
        let said = format!("words {is_restarted}");
        let told = async || app.messages(reply.conversation()).await.iter().any(|it| it.1 == said);
        wait_until("the words are taken", told).await;
        until_synced(&app).await;
        let both = async || rtdb.value(&format!("active_calls/{}/admin_id", other.call())) == "Kim";
        wait_until("ours is there", both).await;
        assert_eq!(rtdb.value(&format!("active_calls/{}/urgency", third.call())), "CRITICAL");
        app.say(CALLER, "Hello?").await;
        until_synced(&app).await;
        assert_equal(&app, &rtdb).await;
    }
}
