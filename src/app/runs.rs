//! Finished work that was told of while no server ran.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use futures_util::FutureExt;
use tracing::{info, warn};

use super::mirrored_to;
use crate::config::Config;
use crate::domain::Note;
use crate::routes::{Context, take_in};
use crate::runs;

/// How often the spool is looked at.
const INTERVAL: Duration = Duration::from_secs(30);

/// Whose work a call is that no person takes part in.
pub async fn whose_work(config: &Config) -> anyhow::Result<Note> {
    let set = config.user.clone();
    Ok(tokio::task::spawn_blocking(move || runs::ask(set.as_deref()).answer()).await?)
}

/// Takes in what waits in the spool: after a start, and now and again what was put there while the
/// server was too slow to be told.
pub async fn take_runs_in(context: Data<Context>) {
    let mut interval = tokio::time::interval(INTERVAL);
    loop {
        interval.tick().await;
        match take_in(&context).await {
            Ok(0) => {}
            Ok(n_runs) => info!(n_runs, "Took in runs that were told of without the server."),
            Err(err) => warn!(error = %err, "Runs that wait in the spool were not taken in."),
        }
    }
}

/// Reads what other machines have done, when somebody looks at the team.
pub async fn read_of_others(context: Data<Context>) {
    // What is wrong with the settings stopped the start.
    let Ok(Some(settings)) = mirrored_to(&context.config) else { return };
    let reads = Arc::clone(&context.reads);
    let recorded = move |ids| {
        let reads = Arc::clone(&reads);
        async move { reads.known_runs(ids).await.unwrap_or_default() }.boxed()
    };
    context.team.follow(settings, context.mirror.status().meter(), &recorded).await;
}
