//! The live streams as responses.

use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Data, Path, Query, ServiceConfig, get};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::Context;
use super::error::ApiError;
use super::supervisor::Supervisor;
use crate::domain::Position;
use crate::readers::live::Topic;

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/stream", get().to(board))
        .route("/api/conversation/{conversation_id}/stream", get().to(conversation));
}

/// `?after=POSITION`: for a page that reloads, since a browser sends `Last-Event-ID` only when it
/// reconnects by itself.
#[derive(Deserialize)]
struct From {
    after: Option<String>,
}

async fn board(
    _: Supervisor,
    request: HttpRequest,
    from: Query<From>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    stream(&request, &from, &context, Topic::Board)
}

async fn conversation(
    _: Supervisor,
    request: HttpRequest,
    id: Path<String>,
    from: Query<From>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let id = id.parse().map_err(|_| ApiError::NotFound("conversation"))?;
    stream(&request, &from, &context, Topic::Conversation(id))
}

fn stream(
    request: &HttpRequest,
    from: &From,
    context: &Context,
    topic: Topic,
) -> Result<HttpResponse, ApiError> {
    let last = request
        .headers()
        .get("last-event-id")
        .map(HeaderValue::as_bytes)
        .or(from.after.as_deref().map(str::as_bytes))
        .filter(|it| !it.is_empty());
    // Whatever cannot be a position of ours is one that is not held: the client is told so.
    let position: Option<Position> =
        last.and_then(|it| std::str::from_utf8(it).ok()).and_then(|it| it.parse().ok());
    let subscription = context.live.subscribe(topic, position, last.is_some())?;
    // Proxies must neither buffer nor compress: nginx `X-Accel-Buffering`, RFC 9111 `no-transform`.
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(subscription))
}
