//! Finished work that was told of while no server ran.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use futures_util::FutureExt;
use tracing::{info, warn};

use crate::config::Config;
use crate::domain::{Note, Seq};
use crate::erasure;
use crate::readers::archive::{self, Archive, AskError, RunsQuestion};
use crate::readers::firebase::{self, ClientSettings, Limits, Next, Reset, SourceError, Writes};
use crate::routes::{Context, take_in};
use crate::runs;

/// How often the spool is looked at.
const INTERVAL: Duration = Duration::from_secs(30);

/// Longest that the mirror waits for the archive before it sends all runs again, and between looks.
const ARCHIVE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(10);

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
pub async fn read_of_others(context: Data<Context>, settings: ClientSettings) {
    let reads = Arc::clone(&context.reads);
    let recorded = move |ids| {
        let reads = Arc::clone(&reads);
        async move { reads.known_runs(ids).await.unwrap_or_default() }.boxed()
    };
    context.team.follow(settings, context.mirror.status().meter(), &recorded).await;
}

/// What follows the journal for the mirror, and where everything is sent again, the runs too: the
/// state has none.
pub fn with_runs(
    mut source: impl FnMut(Option<Seq>, Limits) -> Result<Next, SourceError> + Send + 'static,
    archive: &Arc<Archive>,
    data_dir: &Path,
) -> impl FnMut(Option<Seq>, Limits) -> Result<Next, SourceError> + Send + 'static {
    let (archive, data_dir) = (Arc::clone(archive), data_dir.to_owned());
    move |after, limits| {
        Ok(match source(after, limits)? {
            Next::Reset(reset) => {
                let runs = Refill {
                    archive: Arc::clone(&archive),
                    data_dir: data_dir.clone(),
                    limit: limits.max_paths.clamp(1, 500),
                    at_seq: reset.at_seq,
                    next: Some(None),
                };
                Next::Reset(Reset { chunks: Box::new(reset.chunks.chain(runs)), ..reset })
            }
            other => other,
        })
    }
}

/// All runs of the archive, page by page, after those that were erased.
struct Refill {
    archive: Arc<Archive>,
    data_dir: PathBuf,
    limit: usize,
    at_seq: Seq,
    /// The cursor of the next page, if there is one; the first has none.
    next: Option<Option<String>>,
}

impl Iterator for Refill {
    type Item = Writes;

    fn next(&mut self) -> Option<Writes> {
        let cursor = self.next.take()?;
        let mut erased = Vec::new();
        if cursor.is_none() {
            self.wait_for_the_archive();
            erased = erasure::erased_runs(&self.data_dir).unwrap_or_else(|err| {
                warn!(error = %err, "The mirror is not told which runs were erased long ago.");
                Vec::new()
            });
        }
        let asked = RunsQuestion { user_id: None, limit: self.limit, cursor };
        let db = self.archive.connect().map_err(AskError::from);
        let page = match db.and_then(|db| archive::runs(&db, &asked)) {
            Ok(page) => page,
            Err(err) => {
                warn!(error = %err, "Past runs are not sent to the database again.");
                return None;
            }
        };
        self.next = page.next_cursor.map(Some);
        let told = page.items.iter().map(|it| (it.seq, &it.run));
        let erased = erased.iter().map(|it| (it.0, &it.1));
        Some(firebase::run_writes(told, erased, self.at_seq))
    }
}

impl Refill {
    /// It follows within milliseconds; what it does not have by then is not sent again.
    fn wait_for_the_archive(&self) {
        let until = Instant::now() + ARCHIVE;
        while self.archive.cursor() < self.at_seq && Instant::now() < until {
            std::thread::sleep(LOOK);
        }
    }
}
