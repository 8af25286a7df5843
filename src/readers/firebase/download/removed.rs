//! What somebody took away in the database although it counts: whole entries are written there
//! again, and single values in place of the ones that went under.

use serde_json::{Value, json};

use crate::domain::{Call, RemoteEdit};
use crate::readers::firebase::client::{Client, Etag, Put, WriteError};
use crate::readers::firebase::writes::{Limits, Writes};
use crate::readers::firebase::{entry, source};

/// After so many changes by others in a row, somebody writes without end.
const MAX_CHANGED: usize = 10;

/// Whether that is no entry, but what was written after one was removed: what a call always has is
/// not there.
pub fn is_rubble(entry: &Value) -> bool {
    entry.get("status").is_none() && entry.pointer("/mirrored/status").is_none()
}

/// Puts a call back, unless something is there again; whether it did.
pub async fn write_again(client: &mut Client, call: &Call, node: &str) -> Result<bool, WriteError> {
    let id = call.id.to_string();
    let mut whole = Writes::new();
    // What follows goes into the whole, as its entry is in the batch.
    whole.set_call(&id, json!({}));
    entry::whole(&mut whole, call, node);
    let entry = whole.iter().next().map(|it| it.2.clone()).unwrap_or_default();
    if !put_unless_there(client, &format!("active_calls/{id}"), entry).await? {
        return Ok(false);
    }
    let mut words = Writes::new();
    source::words(&mut words, call);
    for piece in words.pieces(Limits::default()) {
        client.patch(piece.to_body(&[])).await?;
    }
    Ok(true)
}

/// Puts our value in place of the one that went under, if that is still there. The mark beside it is
/// ours as it was.
pub async fn put_back(
    client: &mut Client,
    call: &Call,
    lost: &RemoteEdit,
) -> Result<(), WriteError> {
    let mut ours = Writes::new();
    let (value, seq) = (call.value_of(lost.field), call.last_seq);
    entry::theirs(&mut ours, call.id, lost.field, value.as_ref(), call.started_at, seq);
    let own = format!("active_calls/{}/{}", call.id, lost.field.as_str());
    let status = format!("active_calls/{}/status", call.id);
    for (path, _, value) in ours.iter().filter(|it| it.0 == own || it.0 == status) {
        let found = client.get(path, &[]).await?;
        let is_lost = match (path == own, found.value.as_str()) {
            (true, Some(there)) => {
                lost.value.as_ref().is_some_and(|it| there.trim().eq_ignore_ascii_case(it.as_str()))
            }
            (true, None) => lost.value.is_none() && found.value.is_null(),
            // What goes with a holder.
            (false, there) => matches!(there, Some("ACTIVE" | "TAKEOVER")),
        };
        if let Some(etag) = found.etag.filter(|_| is_lost && found.value != *value) {
            client.put_if(path, &etag, value.to_string().into()).await?;
        }
    }
    Ok(())
}

async fn put_unless_there(
    client: &mut Client,
    path: &str,
    ours: Value,
) -> Result<bool, WriteError> {
    let (mut etag, mut body) = (Etag::of_nothing(), ours.to_string());
    for _ in 0..MAX_CHANGED {
        let there = match client.put_if(path, &etag, body.into()).await? {
            Put::Done(_) => return Ok(true),
            Put::Changed(there) => there,
        };
        match there.etag {
            Some(tag) if !there.value.is_object() || is_rubble(&there.value) => {
                etag = tag;
                body = laid_over(ours.clone(), there.value).to_string();
            }
            _ => return Ok(false),
        }
    }
    let reason = "somebody changes an entry without end".to_owned();
    Err(WriteError::Temporary { reason, retry_after: None, may_be_done: false })
}

/// `theirs` over `ours`: what somebody wrote into the rubble may be an edit.
fn laid_over(ours: Value, theirs: Value) -> Value {
    match (ours, theirs) {
        (Value::Object(mut ours), Value::Object(theirs)) => {
            for (name, value) in theirs {
                let below = ours.remove(&name).unwrap_or(Value::Null);
                ours.insert(name, laid_over(below, value));
            }
            Value::Object(ours)
        }
        (ours @ Value::Object(_), _) => ours,
        (_, theirs) => theirs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_rubble_stays_and_the_rest_comes_back() {
        let ours = json!({ "status": "ACTIVE", "urgency": "NORMAL", "last_message_at": "a",
            "mirrored": { "status": "ACTIVE", "urgency": "3:NORMAL" } });
        let theirs = json!({ "last_message_at": "b", "urgency": "CRITICAL", "x": 1,
            "mirrored": { "admin_notes": "4:" } });

        let laid = laid_over(ours.clone(), theirs);

        let expected = json!({ "status": "ACTIVE", "urgency": "CRITICAL", "last_message_at": "b",
            "x": 1, "mirrored": { "status": "ACTIVE", "urgency": "3:NORMAL", "admin_notes": "4:" } });
        assert_eq!(laid, expected);
        assert_eq!(laid_over(ours.clone(), json!("a text")), ours);
        let no_marks = laid_over(ours, json!({ "mirrored": 7 }));
        assert_eq!(no_marks["mirrored"]["urgency"], "3:NORMAL");
    }

    #[test]
    fn an_entry_of_ours_is_no_rubble() {
        assert!(is_rubble(
            &json!({ "last_message_at": "a", "mirrored": { "urgency": "3:URGENT" } })
        ));
        assert!(!is_rubble(&json!({ "mirrored": { "status": "ACTIVE" } })));
        assert!(!is_rubble(&json!({ "status": {} })));
        assert!(is_rubble(&json!({})));
    }
}
