//! What supervisors write about a call, before its end and after.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig, post};
use serde::Deserialize;

use super::Context;
use super::error::ApiError;
use super::keeping::SHOWN;
use super::supervisor::{Asked, person};
use crate::conversation::desk::DeskError;
use crate::conversation::desk::remarks::Remark;
use crate::domain::{CallId, Note};
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
    Asked(written): Asked<Written>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    write(&context, &id, written, Remark::AdminNotes).await
}

async fn final_action(
    Asked(written): Asked<Written>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    write(&context, &id, written, Remark::FinalAction).await
}

async fn write(
    context: &Context,
    id: &str,
    written: Written,
    remark: Remark,
) -> Result<HttpResponse, ApiError> {
    let by = person(written.admin_id.as_deref())?;
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
