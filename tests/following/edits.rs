//! What people change in the database comes to the call: on the board, in the next answer, in the
//! audit; and what can't be taken does no harm.

use serde_json::{Value, json};

use crate::fakes::rtdb::Rtdb;
use crate::harness::{Reply, TestApp, wait_until};
use crate::mirroring::{assert_equal, mirrored, sync, until_synced};

const CALLER: &str = "+15550100";

/// A server that listens, and a call that the database has.
async fn listening(rtdb: &Rtdb) -> (TestApp, Reply) {
    let app = mirrored(rtdb).spawn().await;
    until_listening(&app).await;
    let reply = app.say(CALLER, "The gate is stuck").await;
    until_synced(&app).await;
    (app, reply)
}

async fn until_listening(app: &TestApp) {
    wait_until("it listens", async || sync(app).await["listening"] == true).await;
}

/// As another dashboard does it: with who and when.
fn edit(rtdb: &Rtdb, call: &str, mut values: Value) {
    values["updated_by"] = json!("Ada at the phone");
    values["updated_at"] = json!({ ".sv": "timestamp" });
    rtdb.patch(&format!("active_calls/{call}"), &values);
}

async fn call(app: &TestApp, id: &str) -> Value {
    app.call(id).await["call"].clone()
}

#[tokio::test]
async fn a_takeover_there_silences_the_assistant_and_words_from_there_are_heard() {
    let rtdb = Rtdb::start();
    let (app, reply) = listening(&rtdb).await;
    let mut board = app.board().await;

    edit(&rtdb, reply.call(), json!({ "admin_id": "Ada", "status": "TAKEOVER" }));
    let told = board.until_so("call_updated", |it| it["admin_id"] == "Ada").await;
    assert_eq!(told.data["status"], "TAKEOVER");

    let held = app.say(CALLER, "Is anybody there?").await;
    assert_eq!(held.answered_by, "supervisor");
    let messages = format!("active_conversations/{}/messages", reply.conversation());
    let words = json!({ "role": "admin", "content": "Ada here, I am sending somebody." });
    rtdb.put(&format!("{messages}/-Nadmin1"), words);
    edit(&rtdb, reply.call(), json!({ "last_message_at": "2099-01-01T00:00:00.000Z" }));
    board.until_so("new_messages", |it| it["messages"][0]["role"] == "admin").await;
    let answer = app.say(CALLER, "Hello?").await;
    assert!(answer.message.contains("Ada here"), "{}", answer.message);

    edit(&rtdb, reply.call(), json!({ "admin_id": null, "status": "ACTIVE" }));
    board.until_so("call_updated", |it| it["status"] == "ACTIVE").await;
    assert_ne!(app.say(CALLER, "Hello?").await.answered_by, "supervisor");
    until_synced(&app).await;
    let there = rtdb.value(&messages);
    assert_eq!(there.get("-Nadmin1"), None, "it is there under our key: {there}");
    assert_equal(&app, &rtdb).await;
}
