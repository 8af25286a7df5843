//! Small words for the tests: the archive beside a server, and the archive without one.

use std::path::{Path, PathBuf};

use aurora::domain::{Call, CallId};
use aurora::readers::archive;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::harness::{TestApp, wait_until};

/// `archive` of `/status`.
pub async fn status(app: &TestApp) -> Value {
    app.get("/status").await.json()["archive"].clone()
}

pub async fn until_archived(app: &TestApp) {
    app.until_archived().await;
}

pub async fn hang_up(app: &TestApp, number: &str) {
    let got = app.post_json("/api/hang-up", &json!({ "ph_no": number })).await;
    assert_eq!(got.status, 204, "{}", got.text());
}

/// Waits until none of these is active any more.
pub async fn until_left(app: &TestApp, calls: &[&str]) {
    wait_until("the ended calls have left", async || {
        let total = app.total().await;
        calls.iter().all(|it| total["active_calls"].get(it).is_none())
    })
    .await;
}

pub fn path(app: &TestApp) -> PathBuf {
    app.data_dir().join("archive.db")
}

pub fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// A call as the archive has it.
pub fn find(db: &Connection, call: &str) -> Option<Call> {
    archive::call(db, call.parse::<CallId>().unwrap()).unwrap()
}

/// What was said in it, oldest first: role and words.
pub fn words(call: &Call) -> Vec<(String, String)> {
    let role = |it| serde_json::to_value(it).unwrap().as_str().unwrap().to_owned();
    call.messages.iter().map(|it| (role(it.role), it.content.to_string())).collect()
}

/// All that the archive says, as text: to see that two say the same.
pub fn contents(path: &Path) -> Vec<String> {
    let db = open(path);
    let tables = [
        "SELECT call_id, worker_id, mobile_no, medium, urgency, status, started_at, \
         last_message_at, ended_at, end_reason, admin_id, n_messages, deleted_at, legal_hold, \
         has_left, is_cut FROM calls ORDER BY call_id",
        "SELECT c.call_id, m.id & 0xffffff, m.role, m.content, m.at, m.sources, m.answered_by \
         FROM messages m JOIN calls c ON c.id = m.id >> 24 ORDER BY 1, 2",
        "SELECT c.call_id, a.seq, a.what, a.value, a.by, a.source, a.at \
         FROM actions a JOIN calls c ON c.id = a.call ORDER BY 1, 2",
        "SELECT c.call_id, s.name FROM supervisors s JOIN calls c ON c.id = s.call ORDER BY 1, 2",
        "SELECT journal_id, cursor, complete_from FROM about",
    ];
    let mut all = Vec::new();
    for sql in tables {
        let mut rows = db.prepare(sql).unwrap();
        let n_columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..n_columns).map(|it| format!("{:?}", row.get_ref(it).unwrap()));
            all.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    all
}

/// What the index finds is what was said.
pub fn assert_index_is_whole(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.execute("INSERT INTO words (words) VALUES ('integrity-check')", []).unwrap();
}
