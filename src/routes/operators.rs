//! Operators: is it well? No authentication, no personal data, and no green light that lies.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig, get, head};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

use super::Context;
use super::metrics::metrics;
use crate::readers::firebase::State as MirrorState;

/// A redis that does not answer within this is as good as down.
const REDIS_PATIENCE: Duration = Duration::from_secs(1);

pub fn configure(service: &mut ServiceConfig) {
    service
        // Monitors ask with HEAD.
        .route("/status", head().to(status))
        .route("/health/live", head().to(live))
        .route("/health/ready", head().to(ready))
        .route("/health/redis", head().to(redis))
        .route("/health/firebase", head().to(firebase))
        .route("/status", get().to(status))
        .route("/health/live", get().to(live))
        .route("/health/ready", get().to(ready))
        .route("/health/redis", get().to(redis))
        .route("/health/firebase", get().to(firebase))
        .route("/metrics", get().to(metrics));
}

/// One object for a person or a script: everything at a glance.
async fn status(context: Data<Context>) -> HttpResponse {
    let (journal, mirror, live) =
        (journal_health(&context), mirror_health(&context), &context.live);
    let redis = redis_health(context.config.redis.as_ref()).await;
    let is_well = journal["healthy"] == true;
    // No turn waits for these.
    let archive = context.archive.status(context.journal.head());
    let checkpoint = context.checkpoint.status(context.journal.head());
    let is_degraded = mirror["healthy"] != true
        || !live.is_following()
        || !archive.healthy
        || !checkpoint.healthy
        || !redis.0;
    let open = context.journal.view(|state| state.n_open());
    HttpResponse::Ok().json(json!({
        "status": match (is_well, is_degraded) {
            (false, _) => "unhealthy",
            (true, true) => "degraded",
            (true, false) => "ok",
        },
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": context.started.elapsed().as_secs(),
        "open_calls": open,
        "journal": journal,
        "mirror": mirror,
        "archive": archive,
        "checkpoint": checkpoint,
        "live": { "healthy": live.is_following(), "subscribers": live.subscribers() },
        "model": match (context.desk.has_model(), context.desk.is_model_resting()) {
            (false, _) => json!({ "state": "off" }),
            (true, true) => json!({ "state": "resting" }),
            (true, false) => json!({ "state": "on" }),
        },
        "redis": redis.1,
    }))
}

/// The process answers.
async fn live() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "live" }))
}

/// Calls can be taken and what is said reaches the disk.
async fn ready(context: Data<Context>) -> HttpResponse {
    let journal = journal_health(&context);
    let is_ready = journal["healthy"] == true;
    let code = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(code).json(json!({
        "status": if is_ready { "ready" } else { "not ready" },
        "journal": journal,
    }))
}

fn journal_health(context: &Context) -> Value {
    let stats = context.journal.stats();
    let kept = stats.kept_records.load(std::sync::atomic::Ordering::Relaxed);
    if context.journal.is_writable() {
        json!({ "healthy": true, "head_seq": context.journal.head() })
    } else {
        json!({
            "healthy": false,
            "head_seq": context.journal.head(),
            "kept_records": kept,
            "detail": "The disk does not take writes: callers are answered, but what they say is \
                       only in memory. Free space or repair the disk.",
        })
    }
}

fn mirror_health(context: &Context) -> Value {
    let report = context.mirror.report(context.journal.head());
    let is_healthy = !matches!(report.state, MirrorState::Unreachable | MirrorState::Refused)
        && report.failed.is_empty();
    let mut health = json!({
        "healthy": is_healthy,
        "state": report.state,
        "pending": report.pending,
        "lag_seconds": report.lag_seconds,
        "failed": report.failed.len(),
    });
    if let Some((_, reason)) = context.mirror.status().trouble() {
        health["detail"] = reason.into();
    }
    health
}

/// 200 connected or not configured, 503 configured but unreachable.
async fn firebase(context: Data<Context>) -> HttpResponse {
    let health = mirror_health(&context);
    let is_up = !matches!(health["state"].as_str(), Some("unreachable" | "refused"));
    let code = if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(code).json(health)
}

async fn redis(context: Data<Context>) -> HttpResponse {
    let (is_up, health) = redis_health(context.config.redis.as_ref()).await;
    let code = if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(code).json(health)
}

async fn redis_health(url: Option<&Url>) -> (bool, Value) {
    let Some(url) = url else { return (true, json!({ "state": "off" })) };
    match tokio::time::timeout(REDIS_PATIENCE, ping(url)).await {
        Ok(Ok(())) => (true, json!({ "state": "connected" })),
        Ok(Err(err)) => (false, json!({ "state": "unreachable", "detail": err.to_string() })),
        Err(_) => (false, json!({ "state": "unreachable", "detail": "no answer in time" })),
    }
}

/// Asks for a sign of life. A demand for a password is one, too.
/// Source: Redis serialization protocol specification, "Inline commands".
async fn ping(url: &Url) -> std::io::Result<()> {
    let host = url.host_str().unwrap_or("127.0.0.1");
    let mut stream = TcpStream::connect((host, url.port().unwrap_or(6379))).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).await?;
    if &reply == b"+PONG" || &reply == b"-NOAU" {
        Ok(())
    } else {
        Err(std::io::Error::other("it does not speak the protocol of Redis"))
    }
}
