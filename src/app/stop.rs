//! The stop: what is begun is finished, what comes meanwhile is answered, and it ends in time.
//!
//! The one idea: a caller who finds the door shut is worse off than one who gets a card's answer.
//! So the doors stay open while turns wait for the model, and are shut when all that is left takes
//! milliseconds. Then the next server can begin.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use tracing::{error, info, warn};

use super::Running;
use crate::domain::Call;
use crate::journal::HolderState;
use crate::readers::live::Live;

/// A stop takes at most this long, also if something hangs. Whoever runs the process ends it then;
/// what was answered as durable is on disk.
pub const STOP_LIMIT: Duration = Duration::from_millis(4_500);
/// Turns that asked the model are given this long, then cards answer them. A little more than the
/// default of the deadline for the model.
const QUESTIONS: Duration = Duration::from_millis(2_600);
/// For the acceptor to rest, which it does not report. Shut before, it logs a fault that is none;
/// who connects meanwhile is cut off unread, so this is short.
const ACCEPTOR: Duration = Duration::from_millis(2);
/// For requests on connections that are there, once nobody can connect any more. A request that
/// comes later on such a connection is cut off unread.
const LAST_REQUESTS: Duration = Duration::from_millis(50);
/// For the live streams to have the last answers.
const LAST_NEWS: Duration = Duration::from_millis(50);
/// For answers that are on their way after that.
const LAST_ANSWERS: Duration = Duration::from_millis(600);

impl Running {
    /// Finishes the turns in flight and answers who comes meanwhile, then shuts the doors, writes
    /// the last checkpoint, and lets the journal go. May hang if the disk does: see
    /// [`STOP_LIMIT`].
    ///
    /// # Errors
    /// If the last checkpoint cannot be written; the journal has everything all the same.
    pub async fn stop(self) -> anyhow::Result<()> {
        let began = Instant::now();
        let context = self.context;
        self.lock.announce(HolderState::Stopping, Some(self.address));
        let (n_questions, n_streams) = (context.desk.n_questions(), context.live.subscribers());
        info!(n_questions, n_streams, "Stops: what is begun is finished.");

        self.doors.close_after_answers();
        if !context.desk.finish_questions(QUESTIONS).await {
            warn!("Some turns did not end in time.");
        }
        self.server.pause().await;
        tokio::time::sleep(ACCEPTOR).await;
        if let Err(err) = self.doors.shut() {
            warn!(error = %err, "The doors could not be shut at once; some may be cut off.");
        }
        tokio::time::sleep(LAST_REQUESTS).await;
        caught_up(&context.live).await;
        context.live.close();
        // Sent at once. Its end is not waited for: it looks only once a second.
        drop(self.server.stop(true));
        let mirror = Data::clone(&context);
        let mirrored = tokio::task::spawn_blocking(move || mirror.mirror.stop());
        let n_left = self.doors.empty(LAST_ANSWERS).await;
        if n_left > 0 {
            warn!(n_left, "Connections that did not end are cut.");
        }
        let shut_ms = began.elapsed().as_millis() as u64;

        mirrored.await?;
        drop(self.ending);
        tokio::task::spawn_blocking(move || {
            context.journal.close();
            context.archive.hurry_up();
            // Two would write the same file. Others may take longer than the checkpoint should wait.
            join(self.checkpoints);
            let sync_of = |call: &Call| context.mirror.sync_of(call);
            let saved = context.checkpoint.save(&context.journal, &sync_of);
            self.threads.into_iter().for_each(join);
            saved
        })
        .await??;
        let took_ms = began.elapsed().as_millis() as u64;
        info!(shut_ms, took_ms, "Stopped.");
        Ok(())
    }
}

/// Lets boards see everything up to here. Without it they would miss nothing either, but see it
/// only when they are back.
async fn caught_up(live: &Live) {
    let deadline = Instant::now() + LAST_NEWS;
    while live.lag() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        error!("A reader's thread ended by a defect.");
    }
}
