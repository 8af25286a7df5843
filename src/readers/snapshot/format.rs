//! The published format: the state out, and in again.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::domain::{
    Alert, AlertId, AlertKind, Call, CallId, Conflict, ConversationId, JournalId, MessageId,
    Notices, Position, Seq, State, StoredCall, StoredCallRef, StoredMessage, StoredMessages,
    SyncStatus, Timestamp,
};

/// Writes the state in the published format; what the API answers and what the file holds.
///
/// # Errors
/// The writer's.
pub fn write(
    state: &State,
    position: Position,
    sync_of: &dyn Fn(&Call) -> SyncStatus,
    out: impl Write,
) -> serde_json::Result<()> {
    let mut calls: Vec<&Arc<Call>> = state.calls().collect();
    calls.sort_unstable_by_key(|it| it.id);
    let total = Total {
        active_calls: Calls { calls: &calls, sync_of },
        active_conversations: Conversations { calls: &calls, sync_of },
        alerts: state.alerts().map(|it| &**it).collect(),
        conflicts: state.conflicts().map(|it| &**it).collect(),
        journal_id: position.journal.as_str(),
        journal_seq: position.seq,
    };
    serde_json::to_writer(out, &total)
}

#[derive(Serialize)]
struct Total<'a> {
    active_calls: Calls<'a>,
    active_conversations: Conversations<'a>,
    alerts: Vec<&'a Alert>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    conflicts: Vec<&'a Conflict>,
    journal_id: &'a str,
    journal_seq: Seq,
}

struct Calls<'a> {
    calls: &'a [&'a Arc<Call>],
    sync_of: &'a dyn Fn(&Call) -> SyncStatus,
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(
            self.calls.iter().map(|call| (call.id, StoredCallRef::new(call, (self.sync_of)(call)))),
        )
    }
}

struct Conversations<'a> {
    calls: &'a [&'a Arc<Call>],
    sync_of: &'a dyn Fn(&Call) -> SyncStatus,
}

#[derive(Serialize)]
struct ConversationOut<'a> {
    call_id: CallId,
    sync_status: SyncStatus,
    messages: StoredMessages<'a>,
}

impl Serialize for Conversations<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_map(self.calls.iter().map(|call| {
            let (messages, sync_status) = (StoredMessages(&call.messages), (self.sync_of)(call));
            (call.conversation_id(), ConversationOut { call_id: call.id, sync_status, messages })
        }))
    }
}

#[derive(Deserialize)]
pub struct StoredTotal {
    active_calls: BTreeMap<CallId, StoredCall>,
    active_conversations: BTreeMap<ConversationId, StoredConversation>,
    #[serde(default)]
    alerts: Vec<StoredAlert>,
    #[serde(default)]
    conflicts: Vec<Conflict>,
    journal_id: String,
    journal_seq: Seq,
}

#[derive(Deserialize)]
struct StoredConversation {
    messages: BTreeMap<MessageId, StoredMessage>,
}

#[derive(Deserialize)]
struct StoredAlert {
    alert_id: AlertId,
    kind: AlertKind,
    call_id: Option<CallId>,
    detail: Arc<str>,
    at: Timestamp,
}

impl StoredTotal {
    pub fn into_state(mut self) -> Result<(State, Position), String> {
        let journal: JournalId =
            self.journal_id.parse().map_err(|_| "`journal_id` is no journal id".to_owned())?;
        let mut calls = Vec::with_capacity(self.active_calls.len());
        for (id, stored) in self.active_calls {
            let conversation = self.active_conversations.remove(&id.conversation());
            let messages = conversation.map(|it| it.messages).unwrap_or_default();
            calls.push(stored.into_call(id, messages)?);
        }
        let alerts = self.alerts.into_iter().map(|it| Alert {
            alert_id: it.alert_id,
            kind: it.kind,
            call_id: it.call_id,
            detail: it.detail,
            at: it.at,
        });
        let notices = Notices { alerts: alerts.collect(), conflicts: self.conflicts };
        let state = State::restore(calls, notices, self.journal_seq);
        Ok((state, Position { journal, seq: self.journal_seq }))
    }
}
