//! How a run looks in the database: `users/{user_id}/runs/{run_id}`.

use serde_json::{Value, json};

use super::key::escape;
use super::writes::Writes;
use crate::domain::{CallId, Note, Run, Seq};

/// Where it stands, its keys escaped.
pub fn run_path(run: &Run) -> String {
    path(&run.user_id, &run.run_id.to_string())
}

fn path(user: &Note, run_id: &str) -> String {
    format!("users/{}/runs/{}", escape(user.as_str()), escape(run_id))
}

/// As published. A call's run names its call by its id alone, which is the run's.
pub fn run_value(run: &Run) -> Value {
    json!({
        "timestamp": run.timestamp,
        "slug": run.slug,
        "command": run.command,
        "status": run.status,
        "duration_seconds": run.duration_seconds,
        "automation_seconds": run.automation_seconds,
        "lines_migrated": run.lines_migrated,
        "manual_estimate_seconds": run.manual_estimate_seconds,
        "report_path": run.report_path,
    })
}

pub(super) fn put(writes: &mut Writes, run: &Run) {
    writes.set_escaped(run_path(run), run_value(run));
}

/// Runs as a batch: what the record `seq` of each told, and what was erased, by its person.
pub fn run_writes<'a>(
    told: impl IntoIterator<Item = (Seq, &'a Run)>,
    erased: impl IntoIterator<Item = (CallId, &'a Note)>,
    at_seq: Seq,
) -> Writes {
    let mut writes = Writes::new();
    for (seq, run) in told {
        writes.at(seq);
        put(&mut writes, run);
    }
    for (call, user) in erased {
        writes.at(at_seq);
        remove(&mut writes, user, call);
    }
    writes
}

/// Takes an erased call's run away. `user`: whose it was.
pub(super) fn remove(writes: &mut Writes, user: &Note, call: CallId) {
    writes.set_escaped(path(user, &Run::id_of(call).to_string()), Value::Null);
}
