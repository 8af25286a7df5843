//! A server that mirrors to the fake database, and what the two have to agree on.

use serde_json::{Map, Value};

use crate::fakes::rtdb::{NAMESPACE, Rtdb};
use crate::harness::{Builder, TestApp, wait_until};

/// Settings of a server that mirrors to it, without a pause between requests.
pub fn mirrored(rtdb: &Rtdb) -> Builder {
    TestApp::builder()
        .env("FIREBASE_DATABASE_EMULATOR_HOST", rtdb.host_port())
        .env("FIREBASE_DATABASE_URL", format!("https://{NAMESPACE}.firebaseio.com"))
        .env("AURORA_FIREBASE_REQUESTS_PER_SECOND", "1000")
}

/// `GET /api/sync`
pub async fn sync(app: &TestApp) -> Value {
    app.get_json("/api/sync").await
}

pub async fn until_state(app: &TestApp, state: &str) {
    wait_until(&format!("the mirror is {state}"), async || sync(app).await["state"] == state).await;
}

/// Everything is in the database.
pub async fn until_synced(app: &TestApp) {
    wait_until("the mirror has everything", async || {
        let sync = sync(app).await;
        sync["state"] == "synced" && sync["pending"] == 0
    })
    .await;
}

/// The database holds exactly what the server publishes.
///
/// # Panics
/// If it does not.
pub async fn assert_equal(app: &TestApp, rtdb: &Rtdb) {
    let published = published(&app.total().await);
    for part in ["active_calls", "active_conversations"] {
        let (here, there) = (&published[part], rtdb.value(part));
        let none = Map::new();
        let (here, there) = (here.as_object().unwrap_or(&none), there.as_object().unwrap_or(&none));
        assert_eq!(here.keys().collect::<Vec<_>>(), there.keys().collect::<Vec<_>>(), "{part}");
        for (id, value) in here {
            assert_eq!(*value, plain(&there[id]), "{part}/{id}");
        }
    }
}

/// An entry of the database without what is noted there for others who change it.
fn plain(entry: &Value) -> Value {
    let mut entry = entry.clone();
    if let Some(fields) = entry.as_object_mut() {
        fields.retain(|name, _| !["mirrored", "updated_at", "updated_by"].contains(&name.as_str()));
    }
    entry
}

/// What of `total.json` is published: without what a restart needs, and as the database keeps it,
/// which knows no `null`.
fn published(total: &Value) -> Value {
    let mut total = total.clone();
    let calls = total["active_calls"].as_object_mut().into_iter().flatten();
    for (_, call) in calls {
        let call = call.as_object_mut().expect("a call is an object");
        call.retain(|name, it| {
            !it.is_null() && !["heard", "requests", "last_seq", "edits"].contains(&name.as_str())
        });
    }
    let conversations = total["active_conversations"].as_object_mut().into_iter().flatten();
    for (_, conversation) in conversations {
        conversation.as_object_mut().expect("an object").remove("sync_status");
        let messages = conversation["messages"].as_object_mut().into_iter().flatten();
        for (_, message) in messages {
            let message = message.as_object_mut().expect("a message is an object");
            message.retain(|name, _| !["card", "remote_key"].contains(&name.as_str()));
        }
    }
    total
}
