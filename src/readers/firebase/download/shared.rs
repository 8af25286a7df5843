//! What all who listen have in common.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tracing::warn;

use super::report::Listening;
use super::stream::{Ended, EventStream};
use super::{DownloadSettings, sent::Sent};
use crate::domain::RemoteClock;
use crate::readers::firebase::client::{Client, WriteError};
use crate::readers::firebase::entry::Problem;
use crate::readers::firebase::here::Here;
use crate::readers::firebase::status::MirrorStatus;

pub struct Shared {
    pub settings: DownloadSettings,
    pub here: Here,
    pub mirror: Arc<MirrorStatus>,
    pub listening: Arc<Listening>,
    pub sent: Arc<Sent>,
}

/// Why nothing is heard now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error(transparent)]
    Request(#[from] WriteError),
    #[error(transparent)]
    Stream(#[from] Ended),
    #[error("the database does not answer within {} s", .0.as_secs())]
    NoAnswer(Duration),
    #[error("the database does not tell of what we wrote {} s ago", .0.as_secs())]
    Overdue(Duration),
    #[error(
        "there is more under `active_calls` than can be read at once, so our calls are looked at \
         one by one: remove there what is not Aurora's"
    )]
    TooMuch,
}

impl Shared {
    pub fn clock(&self) -> RemoteClock {
        let (acked_seq, offset_ms) = (self.mirror.acked_seq(), self.mirror.clock().offset_ms());
        RemoteClock { acked_seq, offset_ms, puts_back: true }
    }

    /// Opens a stream of what is at `path`.
    pub async fn open(&self, client: &mut Client, path: &str) -> Result<EventStream, Trouble> {
        let patience = self.settings.client.total_timeout;
        let opened = timeout(patience, client.stream(path, &[])).await;
        let opened = opened.map_err(|_| Trouble::NoAnswer(patience))??;
        Ok(EventStream::new(opened, self.settings.stream, self.mirror.meter()))
    }

    /// Shows what can't be taken, and tells of it once.
    pub fn set_aside(&self, problem: &Problem) {
        let (path, reason) = (problem.path.as_str(), problem.reason);
        if self.listening.set_aside(path, reason) {
            warn!(path, reason, "What is in Firebase at `{path}` is left there: it {reason}.");
        }
    }
}
