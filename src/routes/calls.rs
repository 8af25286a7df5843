//! Supervisors: looking at calls, and acting on them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig, get, post};
use serde::{Deserialize, Serialize};

use super::Context;
use super::error::ApiError;
use super::history::find_call;
use super::supervisor::{AskedIfAny, Supervisor, person};
use crate::domain::{
    AlertId, Call, CallId, ConversationId, Label, PublishedCall, Urgency, Utterance, WithId,
};
use crate::readers::live::Conversation;
use crate::readers::snapshot;

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/active-calls-json", get().to(active_calls))
        .route("/api/call/{call_id}", get().to(call))
        .route("/api/call/{call_id}/end", post().to(end))
        .route("/api/call/{call_id}/takeover", post().to(take_over))
        .route("/api/call/{call_id}/message", post().to(say))
        .route("/api/call/{call_id}/handback", post().to(hand_back))
        .route("/api/call/{call_id}/urgency", post().to(set_urgency))
        .route("/api/alerts/{alert_id}/acknowledge", post().to(acknowledge))
        .route("/api/conversation/{conversation_id}", get().to(conversation));
}

/// Everything active, in the format of `total.json`.
async fn active_calls(_: Supervisor, context: Data<Context>) -> Result<HttpResponse, ApiError> {
    let (state, seq) = context.journal.snapshot_at_head();
    let position = context.journal.position(seq);
    let mut json = Vec::with_capacity(64 * 1024);
    let sync_of = |call: &Call| context.sync_of(call);
    snapshot::write(&state, position, &sync_of, &mut json)
        .map_err(|err| ApiError::BadRequest(err.to_string()))?;
    Ok(HttpResponse::Ok().content_type("application/json").body(json))
}

#[derive(Serialize)]
struct CallReply<'a> {
    call: WithId<PublishedCall<'a>>,
    conversation: Conversation<'a>,
}

async fn call(
    _: Supervisor,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let id: CallId = id.parse()?;
    let call = find_call(&context, id).await?.ok_or(ApiError::NotFound("call"))?;
    let sync = context.sync_of(&call);
    Ok(HttpResponse::Ok().json(CallReply {
        call: WithId { call_id: call.id, rest: PublishedCall::new(&call, sync) },
        conversation: Conversation::new(&call, sync),
    }))
}

async fn conversation(
    _: Supervisor,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let id: ConversationId = id.parse().map_err(|_| ApiError::NotFound("conversation"))?;
    let call = find_call(&context, id.call()).await?;
    let call = call.ok_or(ApiError::NotFound("conversation"))?;
    Ok(HttpResponse::Ok().json(Conversation::new(&call, context.sync_of(&call))))
}

/// What a supervisor's request may say; each route takes what it needs.
#[derive(Debug, Default, Deserialize)]
struct Action {
    admin_id: Option<String>,
    content: Option<String>,
    urgency: Option<String>,
}

impl Action {
    fn person(&self) -> Result<Label, ApiError> {
        person(self.admin_id.as_deref())
    }

    fn person_if_named(&self) -> Result<Option<Label>, ApiError> {
        self.admin_id.as_ref().map(|_| self.person()).transpose()
    }
}

fn done() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn end(
    AskedIfAny(action): AskedIfAny<Action>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let id: CallId = id.parse()?;
    context.desk.end(id, action.person_if_named()?).await?;
    let ended = context.journal.view(|state| state.call(id).cloned());
    Ok(match ended {
        Some(call) => HttpResponse::Ok()
            .json(WithId { call_id: id, rest: PublishedCall::new(&call, context.sync_of(&call)) }),
        None => done(),
    })
}

async fn take_over(
    AskedIfAny(action): AskedIfAny<Action>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    context.desk.take_over(id.parse()?, action.person()?).await?;
    Ok(done())
}

async fn say(
    AskedIfAny(action): AskedIfAny<Action>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let words = Utterance::parse(action.content.as_deref().unwrap_or_default())
        .map_err(|err| ApiError::Invalid(format!("`content` {err}")))?;
    context.desk.say(id.parse()?, action.person()?, words).await?;
    Ok(done())
}

async fn hand_back(
    AskedIfAny(action): AskedIfAny<Action>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    context.desk.hand_back(id.parse()?, action.person_if_named()?).await?;
    Ok(done())
}

async fn set_urgency(
    AskedIfAny(action): AskedIfAny<Action>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let urgency = action.urgency.as_deref().and_then(Urgency::parse).ok_or_else(|| {
        ApiError::Invalid("`urgency` must be critical, urgent or normal".to_owned())
    })?;
    context.desk.set_urgency(id.parse()?, urgency, action.person()?).await?;
    Ok(done())
}

async fn acknowledge(
    AskedIfAny(action): AskedIfAny<Action>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let id: AlertId = id.parse().map_err(|_| ApiError::NotFound("alert"))?;
    context.desk.acknowledge(id, action.person()?).await?;
    Ok(done())
}
