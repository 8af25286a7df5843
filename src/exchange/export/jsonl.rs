//! A call a line, as JSON: everything that the archive has of it.

use std::io::{self, Write};

use serde::Serialize;

use crate::domain::{
    AnsweredBy, CallId, CallStatus, CardStep, ConversationId, EndReason, Label, Medium, Message,
    MessageId, Note, PhoneNumber, Role, Seq, Source, Timestamp, Urgency,
};
use crate::readers::archive::{Deed, WholeCall};

/// The published call without `sync_status`, which says how things stand and not what happened.
#[derive(Serialize)]
struct Line<'a> {
    call_id: CallId,
    worker_id: &'a str,
    mobile_no: &'a PhoneNumber,
    conversation_id: ConversationId,
    urgency: Urgency,
    status: CallStatus,
    timestamp: Timestamp,
    medium: Medium,
    last_message_at: Timestamp,
    admin_id: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_sid: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a Label>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_reason: Option<EndReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    legal_hold: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_notes: Option<&'a Note>,
    #[serde(skip_serializing_if = "Option::is_none")]
    final_action: Option<&'a Note>,
    /// Its beginning was gone when the archive was made.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
    last_seq: Seq,
    supervisors: &'a [String],
    actions: &'a [Deed],
    messages: Vec<Said<'a>>,
}

#[derive(Serialize)]
struct Said<'a> {
    message_id: MessageId,
    role: Role,
    content: &'a str,
    timestamp: Timestamp,
    sources: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_by: Option<AnsweredBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<&'a CardStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_id: Option<&'a Label>,
    #[serde(skip_serializing_if = "Source::is_here")]
    source: Source,
}

impl<'a> From<&'a Message> for Said<'a> {
    fn from(it: &'a Message) -> Self {
        Self {
            message_id: it.id,
            role: it.role,
            content: &it.content,
            timestamp: it.timestamp,
            sources: &it.sources,
            answered_by: it.answered_by,
            card: it.card.as_ref(),
            admin_id: it.by.as_ref(),
            source: it.source(),
        }
    }
}

pub fn line(whole: &WholeCall, out: &mut impl Write) -> io::Result<()> {
    let call = &whole.call;
    let line = Line {
        call_id: call.id,
        worker_id: &call.worker_id,
        mobile_no: &call.caller,
        conversation_id: call.conversation_id(),
        urgency: call.urgency,
        status: call.status,
        timestamp: call.started_at,
        medium: call.medium,
        last_message_at: call.last_message_at,
        admin_id: call.admin_id.as_ref(),
        call_sid: call.call_sid.as_ref(),
        language: call.language.as_ref(),
        ended_at: call.ended_at,
        end_reason: call.end_reason,
        deleted_at: call.deleted_at,
        legal_hold: call.legal_hold,
        admin_notes: call.admin_notes.as_ref(),
        final_action: call.final_action.as_ref(),
        is_cut: whole.is_cut,
        last_seq: call.last_seq,
        supervisors: &whole.supervisors,
        actions: &whole.actions,
        messages: call.messages.iter().map(|it| Said::from(&**it)).collect(),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}
