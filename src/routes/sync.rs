//! The mirror's state, trying again what it refused, and how closely the database is followed.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig, get, post};
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::Context;
use super::error::ApiError;
use super::supervisor::{Asked, AskedIfAny, Supervisor};
use crate::config::FirebasePrices;
use crate::domain::Seq;
use crate::readers::firebase::{BadMode, Cost, Mode, Prices, SyncReport, Which};
use crate::readers::snapshot;

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/sync", get().to(sync))
        .route("/api/sync/retry", post().to(retry))
        .route("/api/sync/mode", post().to(set_mode));
}

async fn sync(_: Supervisor, context: Data<Context>) -> HttpResponse {
    let report = context.mirror.report(context.journal.head());
    let cost = cost(&context);
    HttpResponse::Ok().json(Sync { report, cost })
}

#[derive(Serialize)]
struct Sync {
    #[serde(flatten)]
    report: SyncReport,
    cost: Cost,
}

/// What the mirror costs. The calls that are in the database are those of `total.json`.
pub fn cost(context: &Context) -> Cost {
    let stored = std::fs::metadata(snapshot::path(&context.config.data_dir)).map(|it| it.len());
    let stored = stored.ok().filter(|_| context.config.mirrors()).unwrap_or(0);
    let FirebasePrices { stored: a_gb_stored, downloaded } = context.config.firebase_prices;
    let prices = Prices { stored: a_gb_stored, downloaded };
    Cost::of(&context.mirror.status().meter(), prices, stored)
}

#[derive(Default, Deserialize)]
struct Retry {
    seq: Option<Seq>,
    path: Option<String>,
}

async fn retry(
    AskedIfAny(Retry { seq, path }): AskedIfAny<Retry>,
    context: Data<Context>,
) -> HttpResponse {
    let retrying = context.mirror.retry(&Which { seq, path });
    HttpResponse::Accepted().json(serde_json::json!({ "retrying": retrying }))
}

/// How long a choice may take to be on disk; it counts at once.
const KEPT_WITHIN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Wish {
    /// `null`: as the environment or the rollout says.
    mode: Option<String>,
}

async fn set_mode(
    Asked(Wish { mode }): Asked<Wish>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let mode: Option<Mode> = mode
        .map(|it| it.parse().map_err(|err: BadMode| ApiError::Invalid(format!("`mode` {err}"))))
        .transpose()?;
    let link = Arc::clone(&context.mirror);
    let kept = spawn_blocking(move || link.wish(mode, KEPT_WITHIN)).await.ok().flatten();
    let kept = kept.ok_or_else(|| {
        ApiError::Invalid("there is no database to follow: set FIREBASE_DATABASE_URL".to_owned())
    })?;
    let report = context.mirror.report(context.journal.head());
    Ok(HttpResponse::Ok().json(serde_json::json!({
        "mode": report.listening.mode,
        "mode_by": report.listening.mode_by,
        "kept": kept,
    })))
}
