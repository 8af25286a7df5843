//! Deleted calls are out of sight until somebody asks for them, in lists and in searches alike.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Got, TestApp, problem_code, send};
use crate::support::{hang_up, until_archived, until_left};

/// Two that ended and were deleted, two that ended and were not, one that goes on.
const GONE: [&str; 2] = ["+15550100", "+15550102"];
const KEPT: [&str; 2] = ["+15550101", "+15550103"];
const LIVE: &str = "+15550104";

async fn delete(app: &TestApp, call: &str) -> Got {
    let request = app.request(Method::DELETE, &format!("/api/calls/{call}"));
    send(request.bearer_auth(&app.token).json(&json!({ "admin_id": "Kim" }))).await
}

/// The ids of all calls, by their callers in the order of the numbers.
async fn some_calls(app: &TestApp) -> Vec<String> {
    let mut ids = Vec::new();
    for number in [GONE[0], KEPT[0], GONE[1], KEPT[1], LIVE] {
        let call = app.say(number, "There is a zebra in Hall 3").await.call().to_owned();
        app.say(number, "The zebra is at the pump").await;
        if number != LIVE {
            hang_up(app, number).await;
        }
        ids.push(call);
    }
    ids
}

/// Everything that a list has, page by page of two, sorted by caller.
async fn all(app: &TestApp, path: &str, items: &str) -> Vec<Value> {
    until_archived(app).await;
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.get_json(&format!("{path}&limit=2&cursor={cursor}")).await;
        let items = page[items].as_array().expect("a list");
        assert!(items.len() <= 2, "{page}");
        all.extend(items.iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    all.sort_by_key(|it| it["mobile_no"].to_string());
    all
}

fn callers(all: &[Value]) -> Vec<&str> {
    all.iter().map(|it| it["mobile_no"].as_str().expect("a number")).collect()
}

async fn assert_lists(app: &TestApp) {
    for (query, wanted) in [
        ("?status=ended", vec![KEPT[0], KEPT[1]]),
        ("?deleted=without", vec![KEPT[0], KEPT[1]]),
        ("?deleted=only", vec![GONE[0], GONE[1]]),
        ("?deleted=ONLY&status=any", vec![GONE[0], GONE[1]]),
        ("?deleted=only&status=open", vec![]),
        ("?deleted=with", vec![GONE[0], KEPT[0], GONE[1], KEPT[1]]),
        ("?deleted=with&status=any", vec![GONE[0], KEPT[0], GONE[1], KEPT[1], LIVE]),
        ("?deleted=with&status=open", vec![LIVE]),
        ("?deleted=only&caller=%2B15550102", vec![GONE[1]]),
        ("?deleted=only&zone=hall+3", vec![GONE[0], GONE[1]]),
        ("?deleted=only&supervisor=Kim", vec![GONE[0], GONE[1]]),
        ("?deleted=without&supervisor=Kim", vec![]),
        ("?deleted=only&text=pump", vec![GONE[0], GONE[1]]),
        ("?text=pump&status=any", vec![KEPT[0], KEPT[1], LIVE]),
    ] {
        let listed = all(app, &format!("/api/calls/history{query}"), "calls").await;
        assert_eq!(callers(&listed), wanted, "{query}");
        for call in &listed {
            let is_gone = GONE.contains(&call["mobile_no"].as_str().expect("a number"));
            assert_eq!(call["deleted_at"].is_string(), is_gone, "{query}: {call}");
            assert_eq!(call["total_messages"], 4, "{query}: {call}");
        }
    }
}

async fn assert_finds(app: &TestApp) {
    for (filters, wanted) in [
        ("", vec![KEPT[0], KEPT[1], LIVE]),
        ("&deleted=without&status=ended", vec![KEPT[0], KEPT[1]]),
        ("&deleted=only", vec![GONE[0], GONE[1]]),
        ("&deleted=only&status=open", vec![]),
        ("&deleted=with", vec![GONE[0], KEPT[0], GONE[1], KEPT[1], LIVE]),
        ("&deleted=with&status=open", vec![LIVE]),
    ] {
        let found = all(app, &format!("/api/search?q=zebra{filters}"), "results").await;
        let twice: Vec<_> = wanted.iter().flat_map(|it| [*it, *it]).collect();
        assert_eq!(callers(&found), twice, "{filters}");
        for it in &found {
            let is_gone = GONE.contains(&it["mobile_no"].as_str().expect("a number"));
            assert_eq!(it["deleted_at"].is_string(), is_gone, "{filters}: {it}");
            let is_held = it["mobile_no"] == KEPT[1];
            assert_eq!(it["legal_hold"] == true, is_held, "{filters}: {it}");
        }
    }
}

#[tokio::test]
async fn what_was_deleted_is_found_only_by_who_asks_for_it() {
    for archive_after in ["3600", "0"] {
        let app =
            TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", archive_after).spawn().await;
        let ids = some_calls(&app).await;
        if archive_after == "0" {
            until_left(&app, &[&ids[0], &ids[1], &ids[2], &ids[3]]).await;
        }

        for id in [&ids[0], &ids[2]] {
            let got = delete(&app, id).await;
            assert_eq!((got.status, &got.json()["shown"]), (200, &json!(true)), "{}", got.text());
        }
        let hold = json!({ "legal_hold": true, "admin_id": "Lee" });
        let held = app.act(&format!("/api/calls/{}/hold", ids[3]), &hold).await;
        assert_eq!(held.status, 200, "{}", held.text());

        assert_lists(&app).await;
        assert_finds(&app).await;
        // Whoever has its id can read it, and sees that it was deleted, and by whom.
        let read = app.get_json(&format!("/api/calls/{}/conversation", ids[0])).await;
        assert!(read["deleted_at"].is_string(), "{read}");
        let last = read["actions"].as_array().and_then(|it| it.last()).expect("an action");
        assert_eq!((&last["action"], &last["by"]), (&json!("deleted"), &json!("Kim")));
    }
}

#[tokio::test]
async fn what_is_restored_is_where_it_was_and_a_live_call_is_never_deleted() {
    let app = TestApp::spawn().await;
    let ids = some_calls(&app).await;
    let before = all(&app, "/api/calls/history?status=any", "calls").await;
    for id in [&ids[0], &ids[2]] {
        assert_eq!(delete(&app, id).await.status, 200);
    }

    let refused = delete(&app, &ids[4]).await;
    for id in [&ids[0], &ids[2]] {
        let path = format!("/api/calls/{id}/restore");
        assert_eq!(app.act(&path, &json!({ "admin_id": "Lee" })).await.status, 200);
    }

    assert_eq!((refused.status, problem_code(&refused).as_str()), (409, "call-open"));
    assert_eq!(app.call(&ids[4]).await["call"]["status"], "ACTIVE");
    assert_eq!(all(&app, "/api/calls/history?status=any", "calls").await, before);
    assert_eq!(all(&app, "/api/calls/history?deleted=only", "calls").await, [Value::Null; 0]);
    assert_eq!(all(&app, "/api/search?q=zebra&deleted=only", "results").await, [Value::Null; 0]);
    assert_eq!(all(&app, "/api/search?q=zebra", "results").await.len(), 10);
}
