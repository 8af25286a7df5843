//! What is looked at now and again, as long as the server runs.

use std::time::Duration;

use actix_web::web::Data;
use rustc_hash::FxHashSet;
use serde_json::json;
use tracing::warn;

use crate::domain::Timestamp;
use crate::erasure::ErasureError;
use crate::erasure::retention::Policy;
use crate::routes::Context;

/// How often the board is told of the mirror and the disk, if something changed.
const BOARD_INTERVAL: Duration = Duration::from_millis(500);
const INACTIVITY_INTERVAL: Duration = Duration::from_secs(15);
/// The policy is looked at when the start is over, then now and again.
const POLICY_FIRST: Duration = Duration::from_secs(3);
const POLICY_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Keeps every board's view of the mirror, the disk and the archive current.
pub async fn tell_the_board(context: Data<Context>) {
    let mut interval = tokio::time::interval(BOARD_INTERVAL);
    let (mut told_sync, mut told_health) = (None, None);
    let mut was_writable = true;
    loop {
        interval.tick().await;
        let sync = json!(context.mirror.report(context.journal.head()));
        if told_sync.as_ref() != Some(&sync) {
            context.live.publish_sync(sync.clone());
            told_sync = Some(sync);
        }
        let is_writable = context.journal.is_writable();
        let health = (is_writable, context.archive.trouble(), context.checkpoint.trouble());
        if told_health.as_ref() != Some(&health) {
            context.live.publish_health(json!({
                "durable": is_writable,
                "detail": if is_writable { "" } else {
                    "The disk does not take writes. Callers are answered; what they say is only \
                     in memory."
                },
                "archive": health.1.as_ref().map_or("", |it| &it.1),
                "checkpoint": health.2.as_deref().unwrap_or_default(),
            }));
            told_health = Some(health);
        }
        if is_writable && !was_writable {
            context.desk.storage_came_back().await;
        }
        was_writable = is_writable;
    }
}

pub async fn end_inactive_calls(context: Data<Context>) {
    let limit = context.config.inactivity;
    let mut interval = tokio::time::interval(INACTIVITY_INTERVAL.min(limit / 4));
    let mut alerted = FxHashSet::default();
    loop {
        interval.tick().await;
        if let Err(err) = context.desk.end_inactive(limit, &mut alerted).await {
            warn!(error = %err, "Inactive calls could not be ended.");
        }
    }
}

/// Deletes and erases what the policy says is to go.
pub async fn keep_to_the_policy(context: Data<Context>) {
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let kept = context.config.retention;
    let policy = Policy {
        normal: kept.normal.map(days),
        urgent: kept.urgent.map(days),
        critical: kept.critical.map(days),
        undo: days(context.config.undo_days),
    };
    tokio::time::sleep(POLICY_FIRST).await;
    loop {
        let now = Timestamp::from(std::time::SystemTime::now());
        let wait = match context.eraser.apply(policy, now).await {
            Ok(_) => POLICY_INTERVAL,
            Err(ErasureError::Busy | ErasureError::ArchiveBehind) => POLICY_FIRST,
            Err(err) => {
                warn!(error = %err, "The policy could not be followed; tried again later.");
                POLICY_INTERVAL
            }
        };
        tokio::time::sleep(wait).await;
    }
}
