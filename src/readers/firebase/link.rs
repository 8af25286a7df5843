//! The mirror as the rest of the server sees it: on or off, how far, what failed.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::cursor::{Cursor, CursorError};
use super::download::{Download, Mode};
use super::failed::Which;
use super::key::escape;
use super::mirror::Mirror;
use super::run::run_path;
use super::status::{MirrorStatus, SyncReport};
use crate::domain::{Call, CallId, Run, Seq, SyncStatus};

/// Exists whether or not a mirror is configured.
#[derive(Default)]
pub struct MirrorLink {
    status: Arc<MirrorStatus>,
    running: Mutex<Option<Mirror>>,
    listening: Mutex<Option<Download>>,
}

impl MirrorLink {
    /// What the mirror's thread reports to.
    pub fn status(&self) -> Arc<MirrorStatus> {
        Arc::clone(&self.status)
    }

    pub fn started(&self, mirror: Mirror) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(mirror);
    }

    /// The other way has begun, too.
    pub fn listens(&self, download: Download) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = Some(download);
    }

    /// Follows the database as closely as a person wants; whether that is kept over a restart.
    /// `None` if there is none. Blocks.
    pub fn wish(&self, mode: Option<Mode>, patience: Duration) -> Option<bool> {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        listening.as_ref()?.choose(mode);
        drop(listening);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|it| it.wish(mode, patience))
    }

    /// The answer of `/api/sync`, given the journal's head.
    pub fn report(&self, head: Seq) -> SyncReport {
        self.status.report(head, jiff::Timestamp::now())
    }

    /// A call is pending while the last record that changed it lies beyond the mirror's cursor.
    pub fn sync_of(&self, call: &Call) -> SyncStatus {
        if self.status.has_failed() {
            let (id, conversation) = (call.id, call.conversation_id());
            if self.status.is_failed(&format!("active_calls/{id}"))
                || self.status.is_failed(&format!("active_conversations/{conversation}"))
            {
                return SyncStatus::Failed;
            }
        }
        if call.last_seq <= self.status.acked_seq() {
            SyncStatus::Synced
        } else {
            SyncStatus::PendingSync
        }
    }

    /// As [`MirrorLink::sync_of`], of a run that this record told of.
    pub fn sync_of_run(&self, run: &Run, seq: Seq) -> SyncStatus {
        if self.status.has_failed() && self.status.is_failed(&run_path(run)) {
            SyncStatus::Failed
        } else if seq <= self.status.acked_seq() {
            SyncStatus::Synced
        } else {
            SyncStatus::PendingSync
        }
    }

    /// Tries failed items again; how many that concerns.
    pub fn retry(&self, which: &Which) -> usize {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map_or(0, |it| it.retry(which))
    }

    /// Lets go of what was refused of erased calls, and keeps it from coming back; `seq` is the
    /// last record that erases one. `None` if no mirror runs. Blocks; whether it is done.
    pub fn forget(&self, calls: &[CallId], seq: Seq, patience: Duration) -> Option<bool> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|it| it.forget(paths_of(calls), seq, patience))
    }

    /// Sends what waits, for a moment, and ends the mirror's threads. Blocks.
    pub fn stop(&self) {
        let listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(download) = listening {
            download.stop();
        }
        let mirror = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mirror) = mirror {
            mirror.stop();
        }
    }
}

/// Takes what was refused of erased calls out of the file of a mirror that does not run.
///
/// # Errors
/// [`CursorError`]; the file is as it was.
pub fn forget_in_file(file: &Path, calls: &[CallId]) -> Result<(), CursorError> {
    if !file.exists() {
        return Ok(());
    }
    let mut cursor = Cursor::open(file)?;
    if cursor.failed_mut().forget(&paths_of(calls)) { cursor.save() } else { Ok(()) }
}

fn paths_of(calls: &[CallId]) -> Vec<String> {
    let paths = calls.iter().flat_map(|it| {
        let conversation = it.conversation();
        [
            format!("active_calls/{}", escape(&it.to_string())),
            format!("active_conversations/{}", escape(&conversation.to_string())),
        ]
    });
    paths.collect()
}
