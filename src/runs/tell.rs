//! Telling of a run: to the spool, and then to the server that has the data folder. Never for long.
//!
//! The one idea: it is on disk before anybody is asked, so that a kill while a server is slow to
//! answer loses nothing. Telling it twice is telling it once.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::begun::Mark;
use super::hand_over::{Found, ServerError, look};
use super::spool::{Place, Spool, SpoolError};
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

/// Gives the run away; it is on disk when this returns. `begun`: the mark of it while it was under way.
///
/// # Errors
/// If the spool does not take it and there is no server that does.
pub async fn tell(home: &Home, run: &Run, begun: Option<Mark>) -> Result<Told, SpoolError> {
    let spool = Spool::of(&home.data_dir);
    let kept = match &begun {
        Some(begun) => spool.put_over(run, Some(begun.path())),
        None => spool.put(run),
    };
    let told = match look(&home.data_dir, home.token.as_deref()) {
        Found::Server(server) => {
            let json = Bytes::from(serde_json::to_vec(run).expect("texts and numbers serialize"));
            server.post("/api/runs", json, PATIENCE).await.map(drop)
        }
        Found::Busy(_) | Found::Nobody => {
            if let Err(err) = spool.trim_refused() {
                tracing::warn!(error = %err, "Runs that were refused long ago stay.");
            }
            return or_nowhere(kept, begun);
        }
    };
    match told {
        Ok(()) => {
            // What cannot be removed is taken in once more, which changes nothing.
            let _ = spool.remove(run.run_id, Place::Waiting);
            let _ = or_nowhere(kept, begun);
            Ok(Told::Server)
        }
        Err(err) => {
            // Said once, so that somebody can put it right; nothing is lost by it.
            if let (ServerError::Refused { .. }, Ok(())) = (&err, &kept) {
                tracing::warn!(error = %err, "The run is kept in the spool.");
            }
            or_nowhere(kept, begun)
        }
    }
}

/// Work of which it is said that it is not recorded must not appear as cut short later.
fn or_nowhere(kept: Result<(), SpoolError>, begun: Option<Mark>) -> Result<Told, SpoolError> {
    if kept.is_err() {
        begun.map(Mark::remove);
    }
    kept.map(|()| Told::Spool)
}
