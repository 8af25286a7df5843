//! A call's entry in the database: what we write there, and what others changed in it.
//!
//! The one idea: beside every value that others may change stands what we wrote last, under
//! `mirrored`, put there by the same request. So whoever looks at one entry sees which values are
//! ours and which are somebody's edit, after any crash and with nothing remembered.

use std::borrow::Cow;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::writes::Writes;
use crate::domain::{
    Call, CallId, CallStatus, Field, Label, Note, PublishedCall, RemoteCall, RemoteEdit, Seq,
    SyncStatus, Timestamp, Urgency,
};

/// Begins `updated_by` where one of us was the last to write.
pub const US: &str = "aurora:";
/// Longer texts are compared by a digest.
const PLAIN_BYTES: usize = 64;

/// What is wrong in an entry, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub path: String,
    pub reason: &'static str,
}

/// Who writes, and in which record it stands.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'a> {
    pub node: &'a str,
    pub seq: Seq,
}

/// The entry of a call that begins.
pub fn begin(writes: &mut Writes, id: CallId, call: Value, urgency: Urgency, stamp: Stamp<'_>) {
    let mut call = call;
    let urgency = format!("{}:{}", stamp.seq, urgency.as_str());
    call["mirrored"] = json!({ "status": CallStatus::Active, "urgency": urgency });
    call["updated_at"] = server_time();
    call["updated_by"] = json!(us(stamp.node));
    writes.begin_call(id, call);
}

/// The entry of a call as it is, field by field: what others put beside ours stays.
pub fn whole(writes: &mut Writes, call: &Call, node: &str) {
    writes.contest(call.id);
    let id = call.id.to_string();
    let published = PublishedCall::new(call, SyncStatus::Synced);
    if let Ok(Value::Object(fields)) = serde_json::to_value(&published) {
        for (name, value) in fields {
            writes.set_call_field(&id, &name, value);
        }
    }
    for field in Field::ALL {
        note(writes, &id, field, call.value_of(field).as_ref(), call.last_seq);
    }
    mirrored(writes, &id, "status", call.status.as_str());
    writes.set_call_field(&id, "updated_at", server_time());
    writes.set_call_field(&id, "updated_by", us(node));
}

/// A value that was set here, at that time.
pub fn ours(
    writes: &mut Writes,
    id: CallId,
    field: Field,
    value: Option<&Note>,
    at: Timestamp,
    stamp: Stamp<'_>,
) {
    theirs(writes, id, field, value, at, stamp.seq);
    let id = id.to_string();
    writes.set_call_field(&id, "updated_at", server_time());
    writes.set_call_field(&id, "updated_by", us(stamp.node));
}

/// A value that was set there, and counts here now. It is written again, as something of ours that
/// was on its way may have come to lie over it; whose it is stays.
pub fn theirs(
    writes: &mut Writes,
    id: CallId,
    field: Field,
    value: Option<&Note>,
    at: Timestamp,
    seq: Seq,
) {
    writes.contest(id);
    let id = id.to_string();
    let published = match (field, value) {
        (_, None) => Value::Null,
        (Field::DeletedAt, Some(_)) => json!(at),
        (_, Some(text)) => json!(text),
    };
    writes.set_call_field(&id, field.as_str(), published);
    note(writes, &id, field, value, seq);
    if field == Field::AdminId {
        // Whoever takes a call over there may set its status or not.
        held(writes, &id, value);
    }
}

/// The end of a call.
pub fn end(writes: &mut Writes, id: CallId, stamp: Stamp<'_>) {
    let id = id.to_string();
    writes.set_call_field(&id, "status", CallStatus::Ended.as_str());
    mirrored(writes, &id, "status", CallStatus::Ended.as_str());
    writes.set_call_field(&id, "updated_at", server_time());
    writes.set_call_field(&id, "updated_by", us(stamp.node));
}

fn held(writes: &mut Writes, id: &str, holder: Option<&Note>) {
    let status = if holder.is_some() { CallStatus::Takeover } else { CallStatus::Active };
    writes.set_call_field(id, "status", status.as_str());
    mirrored(writes, id, "status", status.as_str());
}

fn note(writes: &mut Writes, id: &str, field: Field, value: Option<&Note>, seq: Seq) {
    mirrored(writes, id, field.as_str(), format!("{seq}:{}", mark(value)));
}

fn mirrored(writes: &mut Writes, id: &str, name: &str, value: impl Into<Value>) {
    writes.set(&format!("active_calls/{id}/mirrored/{name}"), value);
}

fn us(node: &str) -> String {
    format!("{US}{node}")
}

fn server_time() -> Value {
    json!({ ".sv": "timestamp" })
}

/// A value as it stands under `mirrored`, behind the record that set it: `12:CRITICAL`.
fn mark(value: Option<&Note>) -> Cow<'_, str> {
    match value.map(Note::as_str) {
        None => "".into(),
        Some(text) if text.len() <= PLAIN_BYTES => text.into(),
        Some(text) => {
            let digest = Sha256::digest(text.as_bytes());
            let hex: String = digest[..16].iter().map(|it| format!("{it:02x}")).collect();
            format!("sha256:{hex}").into()
        }
    }
}

/// What others changed in the entry of a call, and what in it can't be taken. `None` for what is
/// no entry of ours. `now`: by the database's clock.
pub fn look(id: CallId, entry: &Value, now: Timestamp) -> Option<(RemoteCall, Vec<Problem>)> {
    let mirrored = entry.get("mirrored").filter(|it| it.is_object())?;
    let mut look = Look {
        id,
        entry,
        mirrored,
        at: edited_at(entry, now),
        by: edited_by(entry),
        problems: Vec::new(),
    };
    let (mut edits, mut ended) = (Vec::new(), None);
    for field in [Field::Urgency, Field::AdminNotes, Field::FinalAction, Field::DeletedAt] {
        edits.extend(look.edit(field));
    }
    if look.status_differs() || look.differs(Field::AdminId) {
        let status = entry.get("status").and_then(Value::as_str);
        if look.status_differs() && status == Some(CallStatus::Ended.as_str()) {
            ended = Some(look.by.clone());
        } else {
            edits.extend(look.holder(status));
        }
    }
    let problems = look.problems;
    Some((RemoteCall { call_id: id, edits, ended }, problems))
}

struct Look<'a> {
    id: CallId,
    entry: &'a Value,
    mirrored: &'a Value,
    at: Timestamp,
    by: Option<Label>,
    problems: Vec<Problem>,
}

impl Look<'_> {
    /// In our spelling; `None` if it is no value.
    fn value(&self, field: Field) -> Option<Option<Note>> {
        match (field, self.entry.get(field.as_str())) {
            (Field::Urgency, None | Some(Value::Null)) => None,
            (_, None | Some(Value::Null)) => Some(None),
            (field, Some(Value::String(text))) => normal(field, text),
            // As the database writes its own times.
            (Field::DeletedAt, Some(Value::Number(_))) => Some(Some(Note::deleted())),
            (_, Some(_)) => None,
        }
    }

    /// What we wrote last, and in which record; nothing in none as the call began.
    fn marked(&self, field: Field) -> (Seq, &str) {
        let text = self.mirrored.get(field.as_str()).and_then(Value::as_str).unwrap_or("");
        let (seq, mark) = text.split_once(':').unwrap_or(("", ""));
        (seq.parse().unwrap_or(0), mark)
    }

    fn differs(&self, field: Field) -> bool {
        self.value(field).is_none_or(|it| mark(it.as_ref()) != self.marked(field).1)
    }

    fn status_differs(&self) -> bool {
        self.entry.get("status") != self.mirrored.get("status")
    }

    fn edit(&mut self, field: Field) -> Option<RemoteEdit> {
        if !self.differs(field) {
            return None;
        }
        let Some(value) = self.value(field) else {
            return self.problem(field.as_str(), why_not(field));
        };
        let written_seq = self.marked(field).0;
        Some(RemoteEdit { field, value, by: self.by.clone(), at: self.at, written_seq })
    }

    fn holder(&mut self, status: Option<&str>) -> Option<RemoteEdit> {
        let Some(mut value) = self.value(Field::AdminId) else {
            return self.problem("admin_id", why_not(Field::AdminId));
        };
        let known = [CallStatus::Active, CallStatus::Takeover].map(|it| Some(it.as_str()));
        if self.status_differs() && !known.contains(&status) {
            return self.problem("status", "must be ACTIVE, TAKEOVER or ENDED");
        }
        if !self.differs(Field::AdminId) {
            // Only the status was changed.
            if status == Some(CallStatus::Active.as_str()) {
                value = None;
            } else if value.is_none() {
                return self.problem("admin_id", "is missing: TAKEOVER needs who holds the call");
            }
        }
        let named = || value.as_ref().and_then(|it| Label::parse(it.as_str()).ok());
        let by = self.by.clone().or_else(named);
        let (written_seq, _) = self.marked(Field::AdminId);
        Some(RemoteEdit { field: Field::AdminId, value, by, at: self.at, written_seq })
    }

    fn problem<T>(&mut self, name: &str, reason: &'static str) -> Option<T> {
        let path = format!("active_calls/{}/{name}", self.id);
        self.problems.push(Problem { path, reason });
        None
    }
}

/// The value in our spelling; `None` if it is none.
fn normal(field: Field, text: &str) -> Option<Option<Note>> {
    match field {
        Field::Urgency => {
            let urgency = Urgency::parse(text)?;
            Note::parse(urgency.as_str()).ok().map(Some)
        }
        Field::DeletedAt => text.parse::<Timestamp>().ok().map(|_| Some(Note::deleted())),
        Field::AdminId => Label::parse(text).ok().map(|it| Some(Note::from(&it))),
        Field::AdminNotes | Field::FinalAction => Note::parse(text).ok().map(Note::if_any),
    }
}

fn why_not(field: Field) -> &'static str {
    match field {
        Field::AdminId => "must be a name of 1 to 64 bytes on one line, or nothing",
        Field::Urgency => "must be CRITICAL, URGENT or NORMAL",
        Field::AdminNotes | Field::FinalAction => "must be a text of at most 4,000 bytes",
        Field::DeletedAt => "must be a time such as 2026-11-20T12:00:00.123Z, or nothing",
    }
}

/// When somebody else changed it: what they say, if they had the database say so; else now.
fn edited_at(entry: &Value, now: Timestamp) -> Timestamp {
    let said = entry.get("updated_at").and_then(Value::as_i64).map(Timestamp::from_millis);
    match said {
        // Nobody edits in the future.
        Some(at) if edited_by_other(entry) => at.min(now),
        _ => now,
    }
}

fn edited_by(entry: &Value) -> Option<Label> {
    let by = entry.get("updated_by")?.as_str().filter(|it| !it.starts_with(US))?;
    Label::parse(by).ok()
}

fn edited_by_other(entry: &Value) -> bool {
    entry.get("updated_by").and_then(Value::as_str).is_some_and(|it| !it.starts_with(US))
}
