//! Telling of a run: to the server that has the data folder, else to the spool. Never for long.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::hand_over::{Found, ServerError, look};
use super::spool::{Spool, SpoolError};
use crate::domain::Run;

/// Longest wait for a server. It writes the run to disk, which takes it some milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where runs go from here.
#[derive(Debug, Clone)]
pub struct Home {
    pub data_dir: PathBuf,
    /// `AURORA_USER`
    pub user: Option<String>,
    /// The supervisors' token, if it is set.
    pub token: Option<String>,
    /// Whether there is a database that runs go to.
    pub mirrors: bool,
}

/// Who has a run now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Server,
    Spool,
}

/// Gives the run away; it is on disk when this returns.
///
/// # Errors
/// If there is no server and the spool does not take it.
pub async fn tell(home: &Home, run: &Run) -> Result<Told, SpoolError> {
    if let Found::Server(server) = look(&home.data_dir, home.token.as_deref()) {
        let json = Bytes::from(serde_json::to_vec(run).expect("texts and numbers serialize"));
        match server.post("/api/runs", json, PATIENCE).await {
            Ok(_) => return Ok(Told::Server),
            // Said once, so that somebody can put it right; nothing is lost by it.
            Err(err @ ServerError::Refused { .. }) => {
                tracing::warn!(error = %err, "The run is kept in the spool.");
            }
            Err(_) => {}
        }
    }
    Spool::of(&home.data_dir).put(run)?;
    Ok(Told::Spool)
}
