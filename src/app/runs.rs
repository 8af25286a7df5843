//! Finished work that was told of while no server ran.

use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Data;
use futures_util::FutureExt;
use tracing::{info, warn};

use crate::config::Config;
use crate::domain::{Event, Note, Seq};
use crate::erasure;
use crate::journal::{Journal, Reader};
use crate::readers::archive::{self, Archive, AskError, RunsQuestion};
use crate::readers::firebase::{self, ClientSettings, Limits, Next, Reset, SourceError, Writes};
use crate::routes::{Context, take_in};
use crate::runs;

/// How often the spool is looked at.
const INTERVAL: Duration = Duration::from_secs(30);

/// Bytes of the journal in one look.
const STEP_BYTES: usize = 256 * 1024;

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
    journal: &Arc<Journal>,
    archive: &Arc<Archive>,
    data_dir: &Path,
) -> impl FnMut(Option<Seq>, Limits) -> Result<Next, SourceError> + Send + 'static {
    let (journal, archive) = (Arc::clone(journal), Arc::clone(archive));
    let data_dir = data_dir.to_owned();
    move |after, limits| {
        Ok(match source(after, limits)? {
            Next::Reset(reset) => {
                let runs = Refill {
                    journal: Arc::clone(&journal),
                    archive: Arc::clone(&archive),
                    data_dir: data_dir.clone(),
                    limit: limits.max_paths.clamp(1, 500),
                    at_seq: reset.at_seq,
                    archived: reset.at_seq,
                    from: From::Erased,
                };
                Next::Reset(Reset { chunks: Box::new(reset.chunks.chain(runs)), ..reset })
            }
            other => other,
        })
    }
}

/// All runs: after those that were erased the archive's, page by page, and last what the journal
/// told after it, for the archive may be behind for as long as its disk is full.
struct Refill {
    journal: Arc<Journal>,
    archive: Arc<Archive>,
    data_dir: PathBuf,
    limit: usize,
    at_seq: Seq,
    /// Up to here every page has what the journal told.
    archived: Seq,
    from: From,
}

/// Where the next of them are read.
enum From {
    Erased,
    /// The cursor of the page; the first has none.
    Archive(Option<String>),
    Journal(Reader),
    Nowhere,
}

impl Iterator for Refill {
    type Item = Writes;

    fn next(&mut self) -> Option<Writes> {
        match mem::replace(&mut self.from, From::Nowhere) {
            From::Erased => Some(self.erased()),
            From::Archive(cursor) => Some(self.page(cursor)),
            From::Journal(reader) => self.told_since(reader),
            From::Nowhere => None,
        }
    }
}

impl Refill {
    fn erased(&mut self) -> Writes {
        let erased = erasure::erased_runs(&self.data_dir).unwrap_or_else(|err| {
            warn!(error = %err, "The mirror is not told which runs were erased long ago.");
            Vec::new()
        });
        self.from = From::Archive(None);
        firebase::run_writes([], erased.iter().map(|it| (it.0, &it.1)), self.at_seq)
    }

    fn page(&mut self, cursor: Option<String>) -> Writes {
        // Asked before the page is read; and it goes back where the archive is made anew.
        self.archived = self.archived.min(self.archive.cursor());
        let asked = RunsQuestion { user_id: None, limit: self.limit, cursor };
        let db = self.archive.connect().map_err(AskError::from);
        let (items, next) = match db.and_then(|db| archive::runs(&db, &asked)) {
            Ok(page) => (page.items, page.next_cursor),
            Err(err) => {
                warn!(error = %err, "Past runs are not sent to the database again.");
                (Vec::new(), None)
            }
        };
        self.from = match next {
            Some(cursor) => From::Archive(Some(cursor)),
            None => From::Journal(self.journal.read_after(self.archived)),
        };
        firebase::run_writes(items.iter().map(|it| (it.seq, &it.run)), [], self.at_seq)
    }

    /// What is told later than `at_seq` follows by itself.
    fn told_since(&mut self, mut reader: Reader) -> Option<Writes> {
        if reader.position() >= self.at_seq {
            return None;
        }
        let records = match reader.next_batch(self.limit, STEP_BYTES) {
            Ok(records) => records,
            Err(err) => {
                warn!(error = %err, "Runs of a moment ago are not sent to the database again.");
                return None;
            }
        };
        if records.is_empty() {
            return None;
        }
        let until = records.partition_point(|it| it.seq <= self.at_seq);
        let told = records[..until].iter().filter_map(|it| match &it.event {
            Event::RunRecorded(run) => Some((it.seq, &**run)),
            _ => None,
        });
        let erased = records[..until].iter().filter_map(|it| match &it.event {
            Event::CallErased(erased) => Some((erased.call_id, erased.run_user_id.as_ref()?)),
            _ => None,
        });
        let writes = firebase::run_writes(told, erased, self.at_seq);
        self.from = From::Journal(reader);
        Some(writes)
    }
}
