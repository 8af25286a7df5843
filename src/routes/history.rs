//! The past, for supervisors: ended calls, what was said in them, and the search.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Path, ServiceConfig, get};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::Context;
use super::error::ApiError;
use super::filters::Parameters;
use super::supervisor::Supervisor;
use crate::domain::{
    Call, CallId, CallStatus, ConversationId, Field, MessageId, PhoneNumber, PublishedCall, Role,
    Timestamp, Urgency, WithId,
};
use crate::readers::archive::{Action, Find, HistoryQuestion, SearchQuestion, StatusFilter};
use crate::readers::live::Conversation;

/// The archive follows within milliseconds; a question waits so long for what happened before it.
const CATCH_UP: Duration = Duration::from_millis(250);

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/calls/history", get().to(history))
        .route("/api/calls/{call_id}/conversation", get().to(conversation))
        .route("/api/search", get().to(search));
}

#[derive(Serialize)]
struct Calls<'a> {
    calls: Vec<ListedCall<'a>>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct ListedCall<'a> {
    #[serde(flatten)]
    call: WithId<PublishedCall<'a>>,
    total_messages: u64,
    /// Whole seconds; null while it goes on.
    duration_seconds: Option<u64>,
}

async fn history(
    _: Supervisor,
    request: HttpRequest,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let asked = Parameters::of(&request, "text")?;
    let question = HistoryQuestion {
        filters: asked.filters(StatusFilter::Only(CallStatus::Ended))?,
        limit: asked.limit()?,
        cursor: asked.cursor(),
    };
    catch_up(&context).await;
    let page = context.reads.history(question).await?;
    Ok(HttpResponse::Ok().json(Calls {
        calls: page
            .items
            .iter()
            .map(|it| ListedCall {
                call: WithId {
                    call_id: it.call.id,
                    rest: PublishedCall::new(&it.call, context.sync_of(&it.call)),
                },
                total_messages: it.total_messages,
                duration_seconds: it
                    .call
                    .ended_at
                    .map(|end| end.since(it.call.started_at).as_secs()),
            })
            .collect(),
        next_cursor: page.next_cursor,
    }))
}

#[derive(Serialize)]
struct Results {
    results: Vec<Found>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Found {
    call_id: CallId,
    conversation_id: ConversationId,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// `message`, or which note.
    found_in: &'static str,
    timestamp: Timestamp,
    snippet: String,
    mobile_no: PhoneNumber,
    urgency: Urgency,
    status: CallStatus,
    call_timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    legal_hold: bool,
}

impl From<Find> for Found {
    fn from(it: Find) -> Self {
        Self {
            call_id: it.call_id,
            conversation_id: it.call_id.conversation(),
            message_id: it.message_id,
            role: it.role,
            found_in: it.note.map_or("message", Field::as_str),
            timestamp: it.at,
            snippet: it.snippet,
            mobile_no: it.caller,
            urgency: it.urgency,
            status: it.status,
            call_timestamp: it.started_at,
            deleted_at: it.deleted_at,
            legal_hold: it.legal_hold,
        }
    }
}

async fn search(
    _: Supervisor,
    request: HttpRequest,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let asked = Parameters::of(&request, "q")?;
    let question = SearchQuestion {
        query: asked.words()?,
        filters: asked.filters(StatusFilter::Any)?,
        limit: asked.limit()?,
        cursor: asked.cursor(),
    };
    catch_up(&context).await;
    let page = context.reads.search(question).await?;
    Ok(HttpResponse::Ok().json(Results {
        results: page.items.into_iter().map(Found::from).collect(),
        next_cursor: page.next_cursor,
    }))
}

#[derive(Serialize)]
struct Transcript<'a> {
    #[serde(flatten)]
    conversation: Conversation<'a>,
    actions: Vec<Done>,
}

/// Something that was done to a call.
#[derive(Serialize)]
struct Done {
    timestamp: Timestamp,
    action: String,
    value: Option<String>,
    by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

impl From<Action> for Done {
    fn from(it: Action) -> Self {
        Self { timestamp: it.at, action: it.what, value: it.value, by: it.by, source: it.source }
    }
}

async fn conversation(
    _: Supervisor,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let id: CallId = id.parse()?;
    catch_up(&context).await;
    // What goes on is newer in the state.
    let (call, actions) = match context.journal.view(|state| state.call(id).cloned()) {
        Some(call) => (call, context.reads.actions(id).await?),
        None => {
            let found = context.reads.transcript(id).await?.ok_or(ApiError::NotFound("call"))?;
            (Arc::new(found.call), found.actions)
        }
    };
    Ok(HttpResponse::Ok().json(Transcript {
        conversation: Conversation::new(&call, context.sync_of(&call)),
        actions: actions.into_iter().map(Done::from).collect(),
    }))
}

/// A call wherever it is: in the state, or only in the archive.
pub async fn find_call(context: &Context, id: CallId) -> Result<Option<Arc<Call>>, ApiError> {
    if let Some(call) = context.journal.view(|state| state.call(id).cloned()) {
        return Ok(Some(call));
    }
    // It may have left between two looks, but only when the archive has it.
    Ok(context.reads.transcript(id).await?.map(|it| Arc::new(it.call)))
}

/// What happened before the question is in its answer, unless the archive is in trouble.
pub async fn catch_up(context: &Context) {
    if context.archive.trouble().is_none() {
        context.archive.wait_for(context.journal.head(), CATCH_UP).await;
    }
}
