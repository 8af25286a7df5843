//! Ended calls: deleting, restoring, legal hold; and erasing all calls of a number.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query, ServiceConfig, delete, get, post};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::error::ApiError;
use super::filters::limit;
use super::supervisor::{Asked, Supervisor, person};
use crate::conversation::keeping::{Kept, Turn};
use crate::domain::{CallId, Label, PhoneNumber, Timestamp};
use crate::erasure::{self, ErasureError};
use crate::journal::Committed;
use crate::readers::archive;

/// How long a change waits until the history shows it.
pub const SHOWN: Duration = Duration::from_secs(2);
/// How long an erasure is waited for; it goes on by itself.
const ERASED: Duration = Duration::from_secs(30);

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/calls/{call_id}", delete().to(delete_call))
        .route("/api/calls/{call_id}/restore", post().to(restore))
        .route("/api/calls/{call_id}/hold", post().to(hold))
        .route("/api/erase", post().to(erase))
        .route("/api/erasures", get().to(erasures));
}

/// What a request may say; each route takes what it needs.
#[derive(Debug, Deserialize)]
struct Wish {
    admin_id: Option<String>,
    legal_hold: Option<bool>,
    caller: Option<String>,
}

impl Wish {
    fn person(&self) -> Result<Label, ApiError> {
        person(self.admin_id.as_deref())
    }
}

#[derive(Serialize)]
struct KeptReply {
    call_id: CallId,
    deleted_at: Option<Timestamp>,
    legal_hold: bool,
    /// Whether lists and searches show the change already.
    shown: bool,
}

/// What is to become of an ended call.
enum Change {
    Delete,
    Restore,
    Hold(bool),
}

async fn delete_call(
    Asked(wish): Asked<Wish>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    change(&context, &id, &wish, Change::Delete).await
}

async fn restore(
    Asked(wish): Asked<Wish>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    change(&context, &id, &wish, Change::Restore).await
}

async fn hold(
    Asked(wish): Asked<Wish>,
    id: Path<String>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let on = wish.legal_hold;
    let on = on.ok_or_else(|| ApiError::Invalid("`legal_hold` must be true or false".into()))?;
    change(&context, &id, &wish, Change::Hold(on)).await
}

/// Makes the change and waits until the history shows it.
async fn change(
    context: &Context,
    id: &str,
    wish: &Wish,
    change: Change,
) -> Result<HttpResponse, ApiError> {
    let (id, by) = (id.parse()?, wish.person()?);
    let (turn, found) = found(context, id).await?;
    let done = match change {
        Change::Delete => turn.delete(id, found, by).await,
        Change::Restore => turn.restore(id, found, by).await,
        Change::Hold(on) => turn.hold(id, found, on, by).await,
    };
    let Committed { value, seq, .. } = done.map_err(ErasureError::from)?;
    let shown = context.archive.wait_for(seq, SHOWN).await;
    let Kept { deleted_at, legal_hold, .. } = value;
    Ok(HttpResponse::Ok().json(KeptReply { call_id: id, deleted_at, legal_hold, shown }))
}

/// Where the call is: in the state, or else only in the archive.
pub async fn found(context: &Context, id: CallId) -> Result<(Turn<'_>, Option<Kept>), ApiError> {
    let turn = context.eraser.keeping.turn().await;
    if let Some(kept) = context.journal.view(|state| state.call(id).map(|it| Kept::from(&**it))) {
        return Ok((turn, Some(kept)));
    }
    let found = context.eraser.look(move |db| archive::kept_call(db, id)).await?;
    let kept = found.map(|it| Kept {
        is_open: it.is_open,
        deleted_at: it.deleted_at,
        legal_hold: it.legal_hold,
    });
    Ok((turn, kept))
}

async fn erase(Asked(wish): Asked<Wish>, context: Data<Context>) -> Result<HttpResponse, ApiError> {
    let by = wish.person()?;
    let caller = PhoneNumber::parse(wish.caller.as_deref().unwrap_or_default())
        .map_err(|err| ApiError::Invalid(format!("`caller` {err}")))?;
    let job = context.eraser.erase_caller(caller, by).await?;
    match tokio::time::timeout(ERASED, job.done).await {
        Ok(Ok(receipt)) => Ok(HttpResponse::Ok().json(receipt)),
        Ok(Err(_)) | Err(_) => {
            Ok(HttpResponse::Accepted().json(json!({ "receipt_id": job.receipt_id })))
        }
    }
}

/// `GET /api/erasures?…`
#[derive(Debug, Deserialize)]
struct Page {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Receipts, newest first.
async fn erasures(
    _: Supervisor,
    page: Query<Page>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let limit = limit(page.limit)?;
    let eraser = std::sync::Arc::clone(&context.eraser);
    let read = actix_web::web::block(move || {
        Ok::<_, ErasureError>((eraser.under_way()?, erasure::receipts(&eraser.data_dir)?))
    });
    let (under_way, receipts) = read.await.map_err(|_| ErasureError::Broken)??;
    let mut rest: Vec<_> = receipts.into_iter().rev().collect();
    if let Some(cursor) = &page.cursor {
        let place = rest.iter().position(|it| it.receipt_id == *cursor);
        let place = place
            .ok_or_else(|| ApiError::Invalid("`cursor` is none that was handed out".to_owned()))?;
        rest.drain(..=place);
    }
    let has_more = rest.len() > limit;
    rest.truncate(limit);
    let next_cursor = rest.last().filter(|_| has_more).map(|it| it.receipt_id.clone());
    let under_way = under_way.map(
        |it| json!({ "receipt_id": it.receipt_id, "at": it.at, "n_calls": it.call_ids.len() }),
    );
    Ok(HttpResponse::Ok()
        .json(json!({ "erasures": rest, "under_way": under_way, "next_cursor": next_cursor })))
}
