//! Finished work: told of by command lines, listed, and added up for the team.

use std::time::SystemTime;

use actix_web::HttpResponse;
use actix_web::web::{Data, Query, ServiceConfig, get, post};
use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Context;
use super::error::ApiError;
use super::filters::limit;
use super::history::catch_up;
use super::supervisor::{Asked, Supervisor};
use crate::domain::{Run, RunId, Timestamp};
use crate::readers::archive::{MAX_DAYS, RunsQuestion, TeamQuestion};
use crate::runs::{Listed, Place, Spool, Stats};

/// Runs of the spool that are taken in with one write.
const BATCH: usize = 500;
const DAYS: u32 = 30;

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/runs", post().to(record))
        .route("/api/runs", get().to(list))
        .route("/api/runs/take-in", post().to(take_in_now))
        .route("/api/team/stats", get().to(team));
}

async fn record(Asked(run): Asked<Run>, context: Data<Context>) -> Result<HttpResponse, ApiError> {
    run.check().map_err(|err| ApiError::Invalid(err.to_string()))?;
    let run_id = run.run_id;
    let is_new = record_new(&context, vec![run]).await? == 1;
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(json!({ "run_id": run_id, "recorded": is_new })))
}

/// Records those that are not recorded yet; how many that were.
async fn record_new(context: &Context, runs: Vec<Run>) -> Result<usize, ApiError> {
    let ids = runs.iter().map(|it| it.run_id).collect();
    // Where the archive cannot be asked, a run may be recorded a second time, which changes nothing.
    let known: FxHashSet<RunId> =
        context.reads.known_runs(ids).await.unwrap_or_default().into_iter().collect();
    Ok(context.desk.record_runs(runs, &known).await?)
}

/// Takes in what waits in the spool and what went to the database without us; how many were new.
///
/// # Errors
/// What could not be taken in stays where it is.
pub async fn take_in(context: &Context) -> Result<usize, ApiError> {
    let mut n_new = 0;
    for place in [Place::Waiting, Place::Sent, Place::Refused] {
        loop {
            let runs = in_spool(context, move |spool| spool.list(place, BATCH)).await?;
            if runs.is_empty() {
                break;
            }
            let ids: Vec<_> = runs.iter().map(|it| it.run_id).collect();
            n_new += record_new(context, runs).await?;
            in_spool(context, move |spool| {
                ids.into_iter().try_for_each(|it| spool.remove(it, place))
            })
            .await?;
        }
    }
    Ok(n_new)
}

async fn in_spool<T: Send + 'static>(
    context: &Context,
    work: impl FnOnce(&Spool) -> Result<T, crate::runs::SpoolError> + Send + 'static,
) -> Result<T, ApiError> {
    let spool = Spool::of(&context.config.data_dir);
    let done = tokio::task::spawn_blocking(move || work(&spool)).await;
    done.map_err(|_| ApiError::Broken("the spool of runs"))?.map_err(ApiError::from)
}

async fn take_in_now(_: Supervisor, context: Data<Context>) -> Result<HttpResponse, ApiError> {
    let taken_in = take_in(&context).await?;
    Ok(HttpResponse::Ok().json(json!({ "taken_in": taken_in })))
}

#[derive(Deserialize)]
struct Page {
    limit: Option<usize>,
    cursor: Option<String>,
    user_id: Option<String>,
}

#[derive(Serialize)]
struct Runs {
    runs: Vec<Listed>,
    next_cursor: Option<String>,
}

async fn list(
    _: Supervisor,
    asked: Query<Page>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let Page { limit: asked, cursor, user_id } = asked.into_inner();
    let limit = limit(asked)?;
    catch_up(&context).await;
    let page = context.reads.runs(RunsQuestion { user_id, limit, cursor }).await?;
    let listed = page
        .items
        .into_iter()
        .map(|it| Listed { sync_status: context.mirror.sync_of_run(&it.run, it.seq), run: it.run });
    Ok(HttpResponse::Ok().json(Runs { runs: listed.collect(), next_cursor: page.next_cursor }))
}

#[derive(Deserialize)]
struct Days {
    days: Option<u32>,
}

async fn team(
    _: Supervisor,
    asked: Query<Days>,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let days = asked.days.unwrap_or(DAYS);
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(ApiError::Invalid(format!("`days` must be from 1 to {MAX_DAYS}")));
    }
    let question = TeamQuestion { now: Timestamp::from(SystemTime::now()), days };
    catch_up(&context).await;
    let mut team = context.reads.team(question).await?;
    let (mut others, mut elsewhere) = context.team.look().await;
    // What was recorded elsewhere may have been taken in here since.
    let ids = others.iter().map(|it| it.run_id).collect();
    let recorded: FxHashSet<RunId> = context.reads.known_runs(ids).await?.into_iter().collect();
    others.retain(|it| !recorded.contains(&it.run_id));
    elsewhere.runs = others.len() as u64;
    others.iter().for_each(|it| team.add_run(it, question));
    Ok(HttpResponse::Ok().json(Stats::new(team, question, elsewhere)))
}
