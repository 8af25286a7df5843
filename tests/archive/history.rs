//! Past calls as supervisors list and read them.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::{TestApp, problem_code, wait_until};
use crate::support::{until_archived, until_left};

async fn hang_up(app: &TestApp, number: &str) {
    let got = app.post_json("/api/hang-up", &json!({ "ph_no": number })).await;
    assert_eq!(got.status, 204, "{}", got.text());
}

async fn act(app: &TestApp, call: &str, verb: &str, body: Value) {
    let got = app.act(&format!("/api/call/{call}/{verb}"), &body).await;
    assert!(got.status < 300, "{verb}: {}", got.text());
}

/// What happens in one millisecond is in the order of ids, which is any.
async fn next_millisecond() {
    let before = SystemTime::now();
    let has_passed = async || before.elapsed().is_ok_and(|it| it > Duration::from_millis(1));
    wait_until("the clock has moved on", has_passed).await;
}

/// The callers of the calls listed, newest first.
async fn callers(app: &TestApp, query: &str) -> Vec<String> {
    // It waits for the archive by itself, but not for as long as a busy machine may need.
    until_archived(app).await;
    let listed = app.get_json(&format!("/api/calls/history{query}")).await;
    let calls = listed["calls"].as_array().expect("a list");
    calls.iter().map(|it| it["mobile_no"].as_str().unwrap().to_owned()).collect()
}

/// Three that ended, one that a person holds, one that goes on.
async fn some_calls(app: &TestApp) -> [String; 5] {
    let mut ids = Vec::new();
    for (number, words) in [
        ("+15550100", "There is a fire in the warehouse"),
        ("+15550101", "When is the canteen open"),
        ("+15560102", "Somebody has fallen from the ladder in Hall 3"),
        ("+15550103", "I smell smoke near the pump"),
        ("+15550104", "Where is the car park"),
    ] {
        ids.push(app.say(number, words).await.call().to_owned());
        next_millisecond().await;
    }
    let ids: [String; 5] = ids.try_into().unwrap();
    act(app, &ids[2], "takeover", json!({ "admin_id": "Kim" })).await;
    act(app, &ids[2], "message", json!({ "admin_id": "Kim", "content": "Stay where you are" }))
        .await;
    act(app, &ids[2], "handback", json!({ "admin_id": "Kim" })).await;
    act(app, &ids[2], "urgency", json!({ "admin_id": "Lee", "urgency": "urgent" })).await;
    act(app, &ids[3], "takeover", json!({ "admin_id": "Lee" })).await;
    for number in ["+15550100", "+15550101"] {
        hang_up(app, number).await;
        next_millisecond().await;
    }
    act(app, &ids[2], "end", json!({ "admin_id": "Ada" })).await;
    ids
}

#[tokio::test]
async fn the_history_lists_ended_calls_newest_first_and_every_filter_narrows_it() {
    let app = TestApp::spawn().await;
    let ids = some_calls(&app).await;
    until_archived(&app).await;
    let listed = app.get_json("/api/calls/history").await;
    let calls = listed["calls"].as_array().unwrap().clone();
    assert_eq!(listed["next_cursor"], Value::Null);
    let ended: Vec<_> = calls.iter().map(|it| it["call_id"].as_str().unwrap()).collect();
    assert_eq!(ended, [&ids[2], &ids[1], &ids[0]]);
    for (place, call) in calls.iter().enumerate() {
        let mut known = app.call(call["call_id"].as_str().unwrap()).await;
        let total = known["conversation"]["total_messages"].clone();
        known["call"]["total_messages"] = total;
        known["call"]["duration_seconds"] = call["duration_seconds"].clone();
        assert_eq!(*call, known["call"], "{place}");
        assert!(call["duration_seconds"].is_u64(), "{call}");
    }

    let (a, b, c, d, e) = ("+15550100", "+15550101", "+15560102", "+15550103", "+15550104");
    let middle = calls[1]["ended_at"].as_str().unwrap();
    for (query, wanted) in [
        ("?limit=200".to_owned(), vec![c, b, a]),
        (format!("?from={middle}"), vec![c, b]),
        (format!("?to={middle}"), vec![a]),
        (format!("?from={}", middle.replace('Z', "%2B00:00")), vec![c, b]),
        ("?from=1999-01-01T00:00:00Z&to=2000-01-01T00:00:00Z".to_owned(), vec![]),
        ("?urgency=urgent".to_owned(), vec![c]),
        ("?urgency=Critical,URGENT".to_owned(), vec![c, a]),
        ("?urgency=normal".to_owned(), vec![b]),
        ("?status=ended".to_owned(), vec![c, b, a]),
        ("?status=takeover".to_owned(), vec![d]),
        ("?status=ACTIVE".to_owned(), vec![e]),
        ("?status=open".to_owned(), vec![e, d]),
        ("?status=any".to_owned(), vec![e, d, c, b, a]),
        ("?caller=%2B15550100".to_owned(), vec![a]),
        ("?caller=+15550100".to_owned(), vec![a]),
        ("?caller=%2B1555*".to_owned(), vec![b, a]),
        ("?caller=%2B1555*&status=any".to_owned(), vec![e, d, b, a]),
        ("?caller=1555*".to_owned(), vec![]),
        ("?worker=worker_15550101".to_owned(), vec![b]),
        ("?supervisor=Kim".to_owned(), vec![c]),
        ("?supervisor=Ada".to_owned(), vec![c]),
        ("?supervisor=Lee&status=any".to_owned(), vec![d, c]),
        ("?supervisor=kim".to_owned(), vec![]),
        ("?zone=hall%203".to_owned(), vec![c]),
        ("?zone=3+hall".to_owned(), vec![]),
        ("?text=canteen".to_owned(), vec![b]),
        ("?text=canteen+OR+warehouse".to_owned(), vec![b, a]),
        ("?text=ware*+NOT+canteen".to_owned(), vec![a]),
        ("?text=%22stay+where%22".to_owned(), vec![c]),
        ("?text=%22the+pump%22&status=any&urgency=&caller=".to_owned(), vec![d]),
        ("?deleted=with".to_owned(), vec![c, b, a]),
        ("?deleted=only".to_owned(), vec![]),
    ] {
        assert_eq!(callers(&app, &query).await, wanted, "{query}");
    }
}

#[tokio::test]
async fn a_call_that_has_left_is_read_with_all_that_was_said_and_done() {
    let app = TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", "0").spawn().await;
    let reply = app.say("+15550100", "Somebody has fallen from the ladder").await;
    let (call, conversation) = (reply.call(), reply.conversation());
    let of_conversation = format!("/api/calls/{call}/conversation");
    act(&app, call, "takeover", json!({ "admin_id": "Kim" })).await;
    act(&app, call, "message", json!({ "admin_id": "Kim", "content": "I am with you" })).await;
    act(&app, call, "urgency", json!({ "admin_id": "Lee", "urgency": "urgent" })).await;
    act(&app, call, "handback", json!({ "admin_id": "Kim" })).await;
    let (known, open) = (app.call(call).await, app.get_json(&of_conversation).await);
    assert_eq!(open["messages"], known["conversation"]["messages"]);

    act(&app, call, "end", json!({ "admin_id": "Ada" })).await;
    until_left(&app, &[call]).await;

    let found = app.get_json(&of_conversation).await;
    let snapshot = app.get_json(&format!("/api/conversation/{conversation}")).await;
    assert_eq!(snapshot["messages"], known["conversation"]["messages"]);
    assert_eq!(app.call(call).await["conversation"], snapshot);
    for (name, value) in snapshot.as_object().unwrap() {
        assert_eq!(found[name], *value, "{name}");
    }
    assert_eq!((&found["status"], &found["urgency"]), (&json!("ENDED"), &json!("URGENT")));
    let done: Vec<_> = found["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {} {}", it["action"], it["value"], it["by"]).replace('"', ""))
        .collect();
    let by_people: Vec<_> = done.iter().filter(|it| !it.ends_with("null")).collect();
    assert_eq!(
        by_people,
        ["takeover Kim Kim", "urgency URGENT Lee", "handback null Kim", "end supervisor Ada"]
    );
    // A stream is for what goes on.
    let stream = format!("/api/conversation/{conversation}/stream");
    assert_eq!(app.get_as_supervisor(&stream).await.status, 404);
}

#[tokio::test]
async fn what_was_never_there_is_not_found_and_a_stranger_sees_nothing() {
    let app = TestApp::spawn().await;
    let call = "call_01JD0000000000000000000000";

    for path in [
        format!("/api/calls/{call}/conversation"),
        "/api/calls/call_x/conversation".to_owned(),
        "/api/calls/%00/conversation".to_owned(),
        format!("/api/call/{call}"),
    ] {
        let got = app.get_as_supervisor(&path).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (404, "call-not-found"), "{path}");
    }
    let path = format!("/api/conversation/{}", call.replace("call", "conv"));
    let got = app.get_as_supervisor(&path).await;
    assert_eq!((got.status, problem_code(&got).as_str()), (404, "conversation-not-found"));
    for path in [
        "/api/calls/history",
        "/api/search?q=fire",
        "/api/calls/call_x/conversation",
        "/api/search",
    ] {
        let got = app.get(path).await;
        assert_eq!(problem_code(&got), "authentication-required", "{path}");
    }
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_with_what_is_wrong() {
    let app = TestApp::spawn().await;
    app.say("+15550100", "There is a fire").await;
    hang_up(&app, "+15550100").await;
    let long = "x".repeat(10_000);

    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("from=yesterday", "from"),
        ("to=2026-13-01T00:00:00Z", "to"),
        ("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ("urgency=high", "urgency"),
        ("urgency=critical,", "urgency"),
        ("status=gone", "status"),
        ("deleted=yes", "deleted"),
        ("caller=*", "caller"),
        ("caller=%00", "caller"),
        (&format!("caller={long}"), "caller"),
        (&format!("worker={long}"), "worker"),
        (&format!("supervisor={long}"), "supervisor"),
        ("caler=1", "caler"),
        ("q=fire", "q"),
        ("limit=1&limit=2", "limit"),
    ] {
        let got = app.get_as_supervisor(&format!("/api/calls/history?{query}")).await;
        assert_eq!(got.status, 422, "{query}: {}", got.text());
        assert_eq!(problem_code(&got), "invalid-request", "{query}");
        assert!(got.json()["detail"].as_str().unwrap().contains(named), "{}", got.text());
    }
    for query in ["text=(", "zone=%F0%9F%94%A5", "text=%22"] {
        let got = app.get_as_supervisor(&format!("/api/calls/history?{query}")).await;
        assert_eq!((got.status, problem_code(&got).as_str()), (422, "invalid-query"), "{query}");
    }
    let forged = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for cursor in ["x", "%00", "..%2F..%2Fetc", "5", forged, &long] {
        for path in ["/api/calls/history?", "/api/search?q=fire&"] {
            let got = app.get_as_supervisor(&format!("{path}cursor={cursor}")).await;
            assert_eq!(
                (got.status, problem_code(&got).as_str()),
                (422, "invalid-cursor"),
                "{path}"
            );
        }
    }
    assert_eq!(callers(&app, "?cursor=&from=&limit=").await, ["+15550100"]);
}
