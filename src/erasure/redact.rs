//! A record without what was said in it, and without who said it.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashSet;

use crate::domain::{
    Alert, Call, CallId, CallStarted, CallUpdated, Conflict, Event, Message, MessageAdded, Note,
    PhoneNumber, Record, Side,
};

/// What stands where a name or a number stood.
const ERASED: &str = "erased";

/// The record of an erased call as it stays; `None` where nothing needs to go.
pub fn redact(record: &Record, ids: &FxHashSet<CallId>) -> Option<Event> {
    record.event.call_id().filter(|it| ids.contains(it))?;
    Some(match &record.event {
        Event::CallStarted(it) => Event::CallStarted(CallStarted {
            worker_id: ERASED.into(),
            caller: nobody(&it.caller),
            call_sid: None,
            language: None,
            ..it.clone()
        }),
        Event::MessageAdded(it) => Event::MessageAdded(MessageAdded {
            message: silent(&it.message),
            request: None,
            ..it.clone()
        }),
        Event::AlertRaised(it) => Event::AlertRaised(Alert { detail: "".into(), ..it.clone() }),
        Event::CallImported(it) => Event::CallImported(Arc::new(Call {
            worker_id: ERASED.into(),
            caller: nobody(&it.caller),
            call_sid: None,
            language: None,
            messages: it.messages.iter().map(silent).collect(),
            requests: VecDeque::new(),
            admin_notes: None,
            final_action: None,
            ..Call::clone(it)
        })),
        Event::CallUpdated(it) if it.admin_notes.is_some() || it.final_action.is_some() => {
            Event::CallUpdated(CallUpdated {
                admin_notes: it.admin_notes.as_ref().map(|_| Note::default()),
                final_action: it.final_action.as_ref().map(|_| Note::default()),
                ..it.clone()
            })
        }
        Event::ConflictFound(it) => {
            let silent = |side: &Side| Side { value: None, ..side.clone() };
            Event::ConflictFound(Arc::new(Conflict {
                kept: silent(&it.kept),
                lost: silent(&it.lost),
                ..Conflict::clone(it)
            }))
        }
        _ => return None,
    })
}

fn nobody(caller: &PhoneNumber) -> PhoneNumber {
    // A word of six letters is always a name for where a call comes from.
    PhoneNumber::parse(ERASED).unwrap_or_else(|_| caller.clone())
}

fn silent(message: &Arc<Message>) -> Arc<Message> {
    let (content, sources) = ("".into(), "".into());
    Arc::new(Message { content, sources, card: None, remote_key: None, ..Message::clone(message) })
}
