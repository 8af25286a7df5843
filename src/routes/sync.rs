//! The mirror's state, and trying again what it refused.

use actix_web::web::{Data, Payload, ServiceConfig, get, post};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::Context;
use super::body;
use super::error::ApiError;
use crate::domain::Seq;

pub fn configure(service: &mut ServiceConfig) {
    service.route("/api/sync", get().to(sync)).route("/api/sync/retry", post().to(retry));
}

async fn sync(request: HttpRequest, context: Data<Context>) -> Result<HttpResponse, ApiError> {
    context.auth.supervisor(&request)?;
    Ok(HttpResponse::Ok().json(context.mirror.report(context.journal.head())))
}

#[derive(Default, Deserialize)]
struct Retry {
    seq: Option<Seq>,
}

async fn retry(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    context.auth.supervisor(&request)?;
    let body = body::read(request.headers(), payload).await?;
    let Retry { seq } =
        if body.is_empty() { Retry::default() } else { body::json(request.headers(), &body)? };
    let retrying = context.mirror.retry(seq);
    Ok(HttpResponse::Accepted().json(serde_json::json!({ "retrying": retrying })))
}
