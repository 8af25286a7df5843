//! Deleting, restoring and legal hold: only of ended calls, each by a person, wherever the call is.

use serde_json::json;

use crate::harness::{TestApp, problem_code, wait_until};
use crate::support::{CALLER, delete, erase, hang_up, sentences, until_left, whole_call};

async fn act(app: &TestApp, call: &str, what: &str, body: serde_json::Value) -> (u16, String) {
    let got = app.act(&format!("/api/calls/{call}/{what}"), &body).await;
    let code = if got.status == 200 { String::new() } else { problem_code(&got) };
    (got.status, code)
}

#[tokio::test]
async fn an_ended_call_is_deleted_and_restored_in_the_state_and_in_the_archive() {
    for archive_after in ["3600", "0"] {
        let app =
            TestApp::builder().env("AURORA_ARCHIVE_AFTER_SECONDS", archive_after).spawn().await;
        let call = whole_call(&app, CALLER, &sentences()).await;
        if archive_after == "0" {
            until_left(&app, &call).await;
        }
        let kim = json!({ "admin_id": "kim" });

        for _ in 0..2 {
            let got = delete(&app, &call, &kim).await;
            assert_eq!(got.status, 200, "{}", got.text());
            let kept = got.json();
            assert!(kept["deleted_at"].is_string() && kept["shown"] == true, "{kept}");
        }
        assert_eq!(act(&app, &call, "restore", kim.clone()).await.0, 200);
        let held = app
            .act(
                &format!("/api/calls/{call}/hold"),
                &json!({ "admin_id": "kim", "legal_hold": true }),
            )
            .await;
        assert_eq!(held.json()["deleted_at"], json!(null));
        assert_eq!(held.json()["legal_hold"], true);

        let refused = delete(&app, &call, &kim).await;
        assert_eq!((refused.status, problem_code(&refused).as_str()), (409, "legal-hold"));
        let refused = erase(&app, CALLER).await;
        assert_eq!((refused.status, problem_code(&refused).as_str()), (409, "legal-hold"));
        let lift = json!({ "admin_id": "lee", "legal_hold": false });
        assert_eq!(act(&app, &call, "hold", lift).await.0, 200);
        assert_eq!(delete(&app, &call, &kim).await.status, 200);
    }
}

#[tokio::test]
async fn an_open_call_and_a_wrong_wish_change_nothing() {
    let app = TestApp::spawn().await;
    let open = app.say(CALLER, "There is a fire").await;
    let kim = json!({ "admin_id": "kim" });

    let refused = delete(&app, open.call(), &kim).await;
    assert_eq!((refused.status, problem_code(&refused).as_str()), (409, "call-open"));
    let refused = erase(&app, CALLER).await;
    assert_eq!((refused.status, problem_code(&refused).as_str()), (409, "call-open"));
    assert_eq!(app.call(open.call()).await["call"]["status"], "ACTIVE");

    hang_up(&app, CALLER).await;
    let nobody = delete(&app, open.call(), &json!({})).await;
    assert_eq!((nobody.status, problem_code(&nobody).as_str()), (422, "invalid-request"));
    let unclear = act(&app, open.call(), "hold", kim.clone()).await;
    assert_eq!(unclear, (422, "invalid-request".to_owned()));
    let unknown = "call_01JD0000000000000000000000";
    assert_eq!(delete(&app, unknown, &kim).await.status, 404);
    assert_eq!(delete(&app, "call_x", &kim).await.status, 404);
    for path in ["/api/erase", "/api/calls/x/restore", "/api/calls/x/hold"] {
        assert_eq!(app.post_json(path, &kim).await.status, 401, "{path}");
    }
    assert_eq!(app.get("/api/erasures").await.status, 401);
    let page = app.get_as_supervisor("/api/erasures?limit=0").await;
    assert_eq!(page.status, 422);
}

#[tokio::test]
async fn receipts_are_paged_newest_first() {
    let app = TestApp::spawn().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let number = format!("+1555000{n}");
        whole_call(&app, &number, &sentences()).await;
        let receipt = erase(&app, &number).await.json();
        assert_eq!((&receipt["n_calls"], &receipt["by"]), (&json!(1), &json!("kim")));
        ids.insert(0, receipt["receipt_id"].as_str().unwrap().to_owned());
    }

    let first = app.get_json("/api/erasures?limit=2").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get_json(&format!("/api/erasures?limit=2&cursor={cursor}")).await;

    let of = |page: &serde_json::Value| {
        let list = page["erasures"].as_array().unwrap().clone();
        list.iter().map(|it| it["receipt_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!([of(&first), of(&second)].concat(), ids);
    assert!(second["next_cursor"].is_null());
    wait_until("nothing is under way", async || {
        app.get_json("/api/erasures").await["under_way"].is_null()
    })
    .await;
}
