//! What supervisors write about a call, before its end and after.

use actix_web::web::{Data, Path, Payload, ServiceConfig, post};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::Context;
use super::body;
use super::error::ApiError;
use super::keeping::SHOWN;
use crate::conversation::desk::DeskError;
use crate::conversation::desk::remarks::Remark;
use crate::domain::{CallId, Label, Note};
use crate::readers::archive;

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/call/{call_id}/notes", post().to(notes))
        .route("/api/call/{call_id}/final-action", post().to(final_action));
}

/// What a request says; each route takes its text.
#[derive(Debug, Deserialize)]
struct Written {
    admin_id: Option<String>,
    admin_notes: Option<String>,
    final_action: Option<String>,
}

async fn notes(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    write(&request, &id, payload, &context, Remark::AdminNotes).await
}

async fn final_action(
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    write(&request, &id, payload, &context, Remark::FinalAction).await
}

async fn write(
    request: &HttpRequest,
    id: &str,
    payload: Payload,
    context: &Context,
    remark: Remark,
) -> Result<HttpResponse, ApiError> {
    context.auth.supervisor(request)?;
    let body = body::read(request.headers(), payload).await?;
    let written: Written = body::json(request.headers(), &body)?;
    let by = Label::parse(written.admin_id.as_deref().unwrap_or_default())
        .map_err(|err| ApiError::Invalid(format!("`admin_id` {err}")))?;
    let text = match remark {
        Remark::AdminNotes => written.admin_notes,
        Remark::FinalAction => written.final_action,
    };
    let name = remark.field().as_str();
    let text = text.ok_or_else(|| {
        ApiError::Invalid(format!("`{name}` must be a text; an empty one takes it away"))
    })?;
    let text = Note::parse(&text).map_err(|err| ApiError::Invalid(format!("`{name}` {err}")))?;
    let id: CallId = id.parse()?;

    if context.journal.view(|state| state.call(id).is_some()) {
        match context.desk.write(id, remark, text.clone(), None, by.clone()).await {
            // It has left just now.
            Err(DeskError::NoSuchCall) => {}
            other => {
                other?;
                return Ok(HttpResponse::NoContent().finish());
            }
        }
    }
    // Nobody erases it between the look and the change.
    let turn = context.eraser.keeping.turn().await;
    let found = context.eraser.look(move |db| archive::remarks(db, id)).await?;
    let archived = found.map(|it| match remark {
        Remark::AdminNotes => it.admin_notes.unwrap_or_default(),
        Remark::FinalAction => it.final_action.unwrap_or_default(),
    });
    let seq = context.desk.write(id, remark, text, archived, by).await?;
    drop(turn);
    context.archive.wait_for(seq, SHOWN).await;
    Ok(HttpResponse::NoContent().finish())
}
