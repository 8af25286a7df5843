//! Values that went under because both sides of the mirror had changed them: shown, put back, let
//! go of.

use actix_web::web::{Data, Path, Payload, ServiceConfig, get, post};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::Context;
use super::body;
use super::error::ApiError;
use super::keeping::{SHOWN, found};
use crate::domain::{Conflict, ConflictId, Label};

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/conflicts", get().to(conflicts))
        .route("/api/conflicts/{conflict_id}/restore", post().to(restore))
        .route("/api/conflicts/{conflict_id}/dismiss", post().to(dismiss));
}

#[derive(Serialize)]
struct Conflicts<'a> {
    conflicts: Vec<&'a Conflict>,
}

/// Those that nobody settled, oldest first.
async fn conflicts(request: HttpRequest, context: Data<Context>) -> Result<HttpResponse, ApiError> {
    context.auth.supervisor(&request)?;
    let open = context.journal.view(|state| state.conflicts().cloned().collect::<Vec<_>>());
    Ok(HttpResponse::Ok().json(Conflicts { conflicts: open.iter().map(|it| &**it).collect() }))
}

#[derive(Debug, Deserialize)]
struct Person {
    admin_id: Option<String>,
}

/// Who settles which.
async fn settling(
    request: &HttpRequest,
    id: &str,
    payload: Payload,
    context: &Context,
) -> Result<(ConflictId, Label), ApiError> {
    context.auth.supervisor(request)?;
    let body = body::read(request.headers(), payload).await?;
    let person: Person = body::json(request.headers(), &body)?;
    let by = Label::parse(person.admin_id.as_deref().unwrap_or_default())
        .map_err(|err| ApiError::Invalid(format!("`admin_id` {err}")))?;
    Ok((id.parse().map_err(|_| ApiError::NotFound("conflict"))?, by))
}

async fn restore(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let (id, by) = settling(&request, &id, payload, &context).await?;
    let about = context.journal.view(|state| {
        let conflict = state.conflict(id)?;
        let is_open = state.call(conflict.call_id).is_some_and(|it| it.is_open());
        Some((conflict.call_id, is_open))
    });
    let (call_id, is_open) = about.ok_or(ApiError::NotFound("conflict"))?;
    if is_open {
        context.desk.restore_lost(id, None, by).await?;
    } else {
        // Nobody erases it between the look and the change.
        let (turn, archived) = found(&context, call_id).await?;
        let seq = context.desk.restore_lost(id, archived, by).await?;
        drop(turn);
        context.archive.wait_for(seq, SHOWN).await;
    }
    Ok(HttpResponse::NoContent().finish())
}

async fn dismiss(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let (id, by) = settling(&request, &id, payload, &context).await?;
    context.desk.dismiss(id, by).await?;
    Ok(HttpResponse::NoContent().finish())
}
