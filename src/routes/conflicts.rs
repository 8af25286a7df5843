//! Values that went under because both sides of the mirror had changed them: shown, put back, let
//! go of.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig, get, post};
use serde::{Deserialize, Serialize};

use super::Context;
use super::error::ApiError;
use super::keeping::{SHOWN, found};
use super::supervisor::{Asked, Supervisor, person};
use crate::domain::{Conflict, ConflictId};

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
async fn conflicts(_: Supervisor, context: Data<Context>) -> HttpResponse {
    let open = context.journal.view(|state| state.conflicts().cloned().collect::<Vec<_>>());
    HttpResponse::Ok().json(Conflicts { conflicts: open.iter().map(|it| &**it).collect() })
}

#[derive(Debug, Deserialize)]
struct Person {
    admin_id: Option<String>,
}

fn id(text: &str) -> Result<ConflictId, ApiError> {
    text.parse().map_err(|_| ApiError::NotFound("conflict"))
}

async fn restore(
    Asked(Person { admin_id }): Asked<Person>,
    text: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let (id, by) = (id(&text)?, person(admin_id.as_deref())?);
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
    Asked(Person { admin_id }): Asked<Person>,
    text: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let (id, by) = (id(&text)?, person(admin_id.as_deref())?);
    context.desk.dismiss(id, by).await?;
    Ok(HttpResponse::NoContent().finish())
}
