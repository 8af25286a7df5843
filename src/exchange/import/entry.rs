//! One call, and one message, from the fields that the file has of it to the words of the domain.

use std::collections::VecDeque;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use ulid::Ulid;

use super::fields::{
    self, Fields, below, key, label, name, note, number, requests, sources, time, truth, word,
    words,
};
use super::findings::Findings;
use super::tree::Tree;
use crate::domain::{
    Call, CallId, CallStatus, CardStep, Edits, EndReason, Label, Message, MessageId, Note,
    REQUESTS_KEPT, Timestamp,
};

const URGENCIES: &str = "CRITICAL, URGENT and NORMAL";
const STATUSES: &str = "ACTIVE, TAKEOVER and ENDED";
const MEDIA: &str = "Voice and Text";
const ROLES: &str = "user, assistant, admin and system";
const ANSWERED_BY: &str = "card, model, fallback and supervisor";
const REASONS: &str = "caller_hung_up, hang_up, supervisor, inactivity, silence and turn_limit";

/// A call of the file, not put together with its conversation yet.
#[derive(Debug)]
pub struct CallEntry {
    /// Without its messages and what points at them.
    pub call: Call,
    /// Key of its conversation.
    pub conversation: String,
    /// Keys of messages as the file has them.
    pub heard: Option<String>,
    pub requests: Vec<(Label, String)>,
}

/// Reads the entry at `active_calls.KEY`; `None` if something is wrong with it, which is told.
pub fn call(id: &str, tree: Tree, as_ended: bool, findings: &mut Findings) -> Option<CallEntry> {
    let mut fields = Fields::of(below("active_calls", id), tree, findings)?;
    let worker_id = fields.required("worker_id", name);
    let caller = fields.required("mobile_no", number);
    let conversation = fields.required("conversation_id", key);
    let urgency = fields.required("urgency", word(URGENCIES));
    let status = fields.required("status", word::<CallStatus>(STATUSES));
    let started_at = fields.required("timestamp", time);
    let medium = fields.required("medium", word(MEDIA));
    let last_message_at = fields.required("last_message_at", time);
    let admin_id = fields.optional("admin_id", label);
    let call_sid = fields.optional("call_sid", label);
    let language = fields.optional("language", label);
    let ended_at = fields.optional("ended_at", time);
    let end_reason = fields.optional("end_reason", word::<EndReason>(REASONS));
    let deleted_at = fields.optional("deleted_at", time);
    let legal_hold = fields.optional("legal_hold", truth).unwrap_or(false);
    let admin_notes = fields.optional("admin_notes", note).and_then(Note::if_any);
    let final_action = fields.optional("final_action", note).and_then(Note::if_any);
    let heard = fields.optional("heard", key);
    let mut requests = fields.optional("requests", requests).unwrap_or_default();
    // How far a mirror or a journal was that is not ours.
    fields.ignore("sync_status");
    fields.ignore("last_seq");
    // Who was first matters between two that are apart; a file is not.
    fields.ignore("edits");
    requests.drain(..requests.len().saturating_sub(REQUESTS_KEPT));
    if let Some(status) = status {
        fits(&mut fields, status, admin_id.is_some(), ended_at.is_some() || deleted_at.is_some());
    }
    // A check above may have found something that no field alone shows.
    if !fields.finish("active_calls.*.") {
        return None;
    }
    let (started_at, last_message_at) = (started_at?, last_message_at?);
    let mut call = Call {
        id: id_of(id, started_at, findings),
        worker_id: worker_id?.into(),
        caller: caller?,
        call_sid,
        medium: medium?,
        language,
        urgency: urgency?,
        status: status?,
        started_at,
        last_message_at,
        ended_at,
        end_reason,
        admin_id,
        deleted_at,
        legal_hold,
        admin_notes,
        final_action,
        edits: Edits::default(),
        messages: Vec::new(),
        turns: 0,
        last_admin: None,
        heard: None,
        requests: VecDeque::new(),
        last_seq: 0,
    };
    settle(&mut call, as_ended, findings);
    Some(CallEntry { call, conversation: conversation?, heard, requests })
}

/// What the fields say together.
fn fits(fields: &mut Fields<'_>, status: CallStatus, has_holder: bool, is_over: bool) {
    if status == CallStatus::Takeover && !has_holder {
        fields.error("admin_id", "is missing: the status TAKEOVER needs who holds the call");
    }
    if status != CallStatus::Ended && is_over {
        fields.error("status", "must be ENDED for a call that has ended or was deleted");
    }
}

/// What Aurora keeps about every call, where the file leaves it open.
fn settle(call: &mut Call, as_ended: bool, findings: &mut Findings) {
    if call.status == CallStatus::Active && call.admin_id.take().is_some() {
        findings.n_without_holder += 1;
    }
    if call.is_open() && as_ended {
        call.status = CallStatus::Ended;
        findings.n_ended_here += 1;
    }
    if !call.is_open() && call.ended_at.is_none() {
        call.ended_at = Some(call.last_message_at);
    }
}

/// Ours stays. Another is made into one of ours, the same at every import.
fn id_of(id: &str, started_at: Timestamp, findings: &mut Findings) -> CallId {
    id.parse().unwrap_or_else(|_| {
        findings.n_new_ids += 1;
        let digest = Sha256::digest(id.as_bytes());
        let mut random = [0; 16];
        random[6..].copy_from_slice(&digest[..10]);
        let ms = u64::try_from(started_at.as_millis()).unwrap_or(0);
        CallId(Ulid::from_parts(ms, u128::from_be_bytes(random)))
    })
}

/// Reads the entry at `path`; `None` if something is wrong with it, which is told. Its id is its
/// place, which is known when all are there.
pub fn message(path: String, tree: Tree, findings: &mut Findings) -> Option<Message> {
    let mut fields = Fields::of(path, tree, findings)?;
    let role = fields.required("role", word(ROLES));
    let content = fields.required("content", words);
    let timestamp = fields.required("timestamp", time);
    let sources = fields.required("sources", sources).map(Arc::from);
    let answered_by = fields.optional("answered_by", word(ANSWERED_BY));
    let card = fields.optional("card", card);
    let by = fields.optional("admin_id", label);
    fields.ignore("remote_key");
    if !fields.finish("active_conversations.*.messages.*.") {
        return None;
    }
    Some(Message {
        id: MessageId(1),
        role: role?,
        content: content?.shared(),
        timestamp: timestamp?,
        sources: sources?,
        answered_by,
        card,
        by,
        remote_key: None,
    })
}

fn card(value: Tree, findings: &mut Findings) -> Result<CardStep, String> {
    const FORM: &str = "must be a card and its step, such as {\"card\": \"fire\", \"step\": 0}";
    let Tree::Object(members) = value else { return Err(FORM.to_owned()) };
    let (mut card, mut step) = (None, None);
    for (key, value) in members {
        match (key.as_str(), value) {
            ("card", value) => card = Some(fields::name(value, findings)?),
            ("step", Tree::Integer(it)) => step = u16::try_from(it).ok(),
            ("step", _) => return Err(FORM.to_owned()),
            (other, _) => findings.unknown("active_conversations.*.messages.*.card.", other),
        }
    }
    card.zip(step)
        .map(|(card, step)| CardStep { card: card.into(), step })
        .ok_or_else(|| FORM.to_owned())
}
