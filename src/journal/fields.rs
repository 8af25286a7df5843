//! The fields of a record's line: names and order of format version 2.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{
    Alert, AlertAcknowledged, AlertId, AlertKind, AnsweredBy, ByPerson, Call, CallEnded, CallId,
    CallStarted, CallStatus, CallUpdated, CardStep, Conflict, ConflictId, ConflictSettled,
    EndReason, Event, Label, Medium, Message, MessageAdded, MessageId, Note, PhoneNumber, Record,
    Role, Run, Seq, Source, StoredCall, StoredCallRef, StoredMessage, StoredMessages, SyncStatus,
    Timestamp, Urgency,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    CallStarted,
    MessageAdded,
    CallUpdated,
    WordsHeard,
    CallEnded,
    AlertRaised,
    AlertAcknowledged,
    CallArchived,
    CallDeleted,
    CallRestored,
    CallErased,
    CallImported,
    ConflictFound,
    ConflictSettled,
    RunRecorded,
    RecordLost,
}

/// A whole call, in the form of `total.json`.
#[derive(Serialize)]
struct Imported<'a> {
    #[serde(flatten)]
    call: StoredCallRef<'a>,
    messages: StoredMessages<'a>,
}

#[derive(Deserialize)]
pub(super) struct Stored {
    #[serde(flatten)]
    call: StoredCall,
    messages: BTreeMap<MessageId, StoredMessage>,
}

/// A value that is written as one thing and read as another.
pub(super) enum Whole<'a> {
    Written(&'a Call),
    Read(Box<Stored>),
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let Self::Written(call) = self else { return out.serialize_unit() };
        let stored = StoredCallRef::new(call, SyncStatus::PendingSync);
        Imported { call: stored, messages: StoredMessages(&call.messages) }.serialize(out)
    }
}

impl<'de> Deserialize<'de> for Whole<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Stored::deserialize(from).map(|it| Self::Read(Box::new(it)))
    }
}

/// Every field that a record of any type may have, flat: reading it is one pass.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line<'a> {
    seq: Seq,
    at: Timestamp,
    #[serde(borrow)]
    node: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<CallId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    content: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    sources: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<AnsweredBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<CardStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Label>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    worker_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile_no: Option<PhoneNumber>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_sid: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<Medium>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    urgency: Option<Urgency>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<CallStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_id: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<EndReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert_id: Option<AlertId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind_of_alert: Option<AlertKind>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_hold: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<Whole<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_notes: Option<Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    final_action: Option<Note>,
    #[serde(default, skip_serializing_if = "Source::is_here")]
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remote_key: Option<Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<Cow<'a, Conflict>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict_id: Option<ConflictId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_restored: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Cow<'a, Run>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_user_id: Option<Note>,
    /// Read, and checked before on the raw bytes; written by hand.
    #[serde(default, rename = "crc", skip_serializing)]
    _crc: Option<Cow<'a, str>>,
}

/// Texts that line after line repeats: shared instead of kept again each time.
#[derive(Debug, Default)]
pub(super) struct Repeated {
    node: Option<Arc<str>>,
    /// The latest sources, the latest first; there are as many as cards.
    sources: Vec<Arc<str>>,
}

impl Repeated {
    const SOURCES: usize = 8;

    fn node(&mut self, name: &str) -> Arc<str> {
        match &self.node {
            Some(it) if **it == *name => Arc::clone(it),
            _ => Arc::clone(self.node.insert(name.into())),
        }
    }

    fn sources(&mut self, text: &str) -> Arc<str> {
        if let Some(place) = self.sources.iter().position(|it| **it == *text) {
            self.sources[..=place].rotate_right(1);
        } else {
            self.sources.truncate(Self::SOURCES - 1);
            self.sources.insert(0, text.into());
        }
        Arc::clone(&self.sources[0])
    }
}

impl<'a> Line<'a> {
    fn new(record: &'a Record, kind: Kind) -> Self {
        Self {
            seq: record.seq,
            at: record.at,
            node: Cow::Borrowed(&record.node),
            kind,
            call_id: record.event.call_id(),
            message_id: None,
            role: None,
            content: None,
            sources: None,
            answered_by: None,
            card: None,
            request: None,
            worker_id: None,
            mobile_no: None,
            call_sid: None,
            medium: None,
            language: None,
            urgency: None,
            status: None,
            admin_id: None,
            by: None,
            reason: None,
            alert_id: None,
            kind_of_alert: None,
            detail: None,
            legal_hold: None,
            call: None,
            admin_notes: None,
            final_action: None,
            source: Source::Aurora,
            edited_at: None,
            remote_key: None,
            conflict: None,
            conflict_id: None,
            is_restored: None,
            run: None,
            run_user_id: None,
            _crc: None,
        }
    }

    pub(super) fn from_record(record: &'a Record) -> Self {
        match &record.event {
            Event::CallStarted(it) => Self {
                worker_id: Some(Cow::Borrowed(&it.worker_id)),
                mobile_no: Some(it.caller.clone()),
                call_sid: it.call_sid.clone(),
                medium: Some(it.medium),
                language: it.language.clone(),
                urgency: Some(it.urgency),
                ..Self::new(record, Kind::CallStarted)
            },
            Event::MessageAdded(it) => Self {
                message_id: Some(it.message.id),
                role: Some(it.message.role),
                content: Some(Cow::Borrowed(&it.message.content)),
                sources: Some(Cow::Borrowed(&it.message.sources)),
                answered_by: it.message.answered_by,
                card: it.message.card.clone(),
                request: it.request.clone(),
                by: it.message.by.clone(),
                remote_key: it.message.remote_key.clone(),
                ..Self::new(record, Kind::MessageAdded)
            },
            Event::CallUpdated(it) => Self {
                urgency: it.urgency,
                status: it.status,
                admin_id: it.admin_id.clone(),
                legal_hold: it.legal_hold,
                admin_notes: it.admin_notes.clone(),
                final_action: it.final_action.clone(),
                by: it.by.clone(),
                source: it.source,
                edited_at: it.edited_at,
                ..Self::new(record, Kind::CallUpdated)
            },
            Event::WordsHeard { message_id, .. } => {
                Self { message_id: Some(*message_id), ..Self::new(record, Kind::WordsHeard) }
            }
            Event::CallEnded(it) => Self {
                reason: Some(it.reason),
                by: it.by.clone(),
                source: it.source,
                ..Self::new(record, Kind::CallEnded)
            },
            Event::AlertRaised(it) => Self {
                alert_id: Some(it.alert_id),
                kind_of_alert: Some(it.kind),
                detail: Some(Cow::Borrowed(&it.detail)),
                ..Self::new(record, Kind::AlertRaised)
            },
            Event::AlertAcknowledged(it) => Self {
                alert_id: Some(it.alert_id),
                by: Some(it.by.clone()),
                ..Self::new(record, Kind::AlertAcknowledged)
            },
            Event::CallArchived { .. } => Self::new(record, Kind::CallArchived),
            Event::CallDeleted(it) => Self::by_person(record, Kind::CallDeleted, it),
            Event::CallRestored(it) => Self::by_person(record, Kind::CallRestored, it),
            Event::CallErased(it) => Self::by_person(record, Kind::CallErased, it),
            Event::CallImported(it) => {
                let call = Some(Whole::Written(it));
                Self { call, ..Self::new(record, Kind::CallImported) }
            }
            // Its call stands in it.
            Event::ConflictFound(it) => Self {
                call_id: None,
                conflict: Some(Cow::Borrowed(it)),
                ..Self::new(record, Kind::ConflictFound)
            },
            Event::ConflictSettled(it) => Self {
                conflict_id: Some(it.conflict_id),
                is_restored: Some(it.is_restored),
                by: Some(it.by.clone()),
                ..Self::new(record, Kind::ConflictSettled)
            },
            Event::RunRecorded(it) => Self {
                call_id: None,
                run: Some(Cow::Borrowed(it)),
                ..Self::new(record, Kind::RunRecorded)
            },
            Event::RecordLost => Self::new(record, Kind::RecordLost),
        }
    }

    fn by_person(record: &'a Record, kind: Kind, it: &ByPerson) -> Self {
        let (by, run_user_id) = (it.by.clone(), it.run_user_id.clone());
        Self { by, source: it.source, run_user_id, ..Self::new(record, kind) }
    }

    pub(super) fn into_record(self, repeated: &mut Repeated) -> Result<Record, String> {
        fn need<T>(value: Option<T>, name: &str) -> Result<T, String> {
            value.ok_or_else(|| format!("`{name}` is missing"))
        }
        let call_id = self.call_id;
        let call = || need(call_id, "call_id");
        let (by, source, run_user_id) = (self.by, self.source, self.run_user_id);
        let by_person =
            |by| Ok::<_, String>(ByPerson { call_id: call()?, by, source, run_user_id });
        let event = match self.kind {
            Kind::CallStarted => Event::CallStarted(CallStarted {
                call_id: call()?,
                worker_id: need(self.worker_id, "worker_id")?.into(),
                caller: need(self.mobile_no, "mobile_no")?,
                call_sid: self.call_sid,
                medium: need(self.medium, "medium")?,
                language: self.language,
                urgency: need(self.urgency, "urgency")?,
            }),
            Kind::MessageAdded => Event::MessageAdded(MessageAdded {
                call_id: call()?,
                message: Arc::new(Message {
                    id: need(self.message_id, "message_id")?,
                    role: need(self.role, "role")?,
                    content: need(self.content, "content")?.into(),
                    timestamp: self.at,
                    sources: repeated.sources(&need(self.sources, "sources")?),
                    answered_by: self.answered_by,
                    card: self.card,
                    by,
                    remote_key: self.remote_key,
                }),
                request: self.request,
            }),
            Kind::CallUpdated => Event::CallUpdated(CallUpdated {
                call_id: call()?,
                urgency: self.urgency,
                status: self.status,
                admin_id: self.admin_id,
                legal_hold: self.legal_hold,
                admin_notes: self.admin_notes,
                final_action: self.final_action,
                by,
                source,
                edited_at: self.edited_at,
            }),
            Kind::WordsHeard => Event::WordsHeard {
                call_id: call()?,
                message_id: need(self.message_id, "message_id")?,
            },
            Kind::CallEnded => Event::CallEnded(CallEnded {
                call_id: call()?,
                reason: need(self.reason, "reason")?,
                by,
                source,
            }),
            Kind::AlertRaised => Event::AlertRaised(Alert {
                alert_id: need(self.alert_id, "alert_id")?,
                kind: need(self.kind_of_alert, "kind_of_alert")?,
                call_id,
                detail: need(self.detail, "detail")?.into(),
                at: self.at,
            }),
            Kind::AlertAcknowledged => Event::AlertAcknowledged(AlertAcknowledged {
                alert_id: need(self.alert_id, "alert_id")?,
                by: need(by, "by")?,
            }),
            Kind::CallArchived => Event::CallArchived { call_id: call()? },
            Kind::CallDeleted => Event::CallDeleted(by_person(by)?),
            Kind::CallRestored => Event::CallRestored(by_person(by)?),
            Kind::CallErased => Event::CallErased(by_person(by)?),
            Kind::CallImported => {
                let Some(Whole::Read(it)) = self.call else {
                    return Err("`call` is missing".to_owned());
                };
                Event::CallImported(Arc::new(it.call.into_call(call()?, it.messages)?))
            }
            Kind::ConflictFound => {
                Event::ConflictFound(Arc::new(need(self.conflict, "conflict")?.into_owned()))
            }
            Kind::ConflictSettled => Event::ConflictSettled(ConflictSettled {
                conflict_id: need(self.conflict_id, "conflict_id")?,
                call_id: call()?,
                is_restored: need(self.is_restored, "is_restored")?,
                by: need(by, "by")?,
            }),
            Kind::RunRecorded => Event::RunRecorded(Arc::new(need(self.run, "run")?.into_owned())),
            Kind::RecordLost => Event::RecordLost,
        };
        Ok(Record { seq: self.seq, at: self.at, node: repeated.node(&self.node), event })
    }
}
