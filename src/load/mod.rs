//! `aurora load`: callers that speak and supervisors that look, against a running server, so that
//! an operator can size a machine.
//!
//! The one idea: every caller has a connection and a call of their own and speaks again as soon as
//! they are answered (or at a given rate); every viewer holds a stream and notes how long after a
//! caller began to speak the words arrived. Bounded in number and time, and it stops by itself.

mod callers;
mod connection;
mod report;
mod viewers;

use std::sync::Arc;
use std::time::Duration;

use url::Url;

pub use self::report::{Latencies, Report};

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the address must be http://HOST:PORT")]
    Address,
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    #[error("the server broke off: {0}")]
    Broken(#[from] hyper::Error),
    #[error("the server answered {status}: {detail}")]
    Status { status: u16, detail: String },
    #[error("what the server answered cannot be understood: {0}")]
    Answer(String),
}

/// What to do for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the server is; plain http.
    pub url: Url,
    /// Sent as a bearer token; viewers need it.
    pub token: Option<String>,
    pub callers: usize,
    pub viewers: usize,
    /// Turns a second of all callers together; without it, as fast as the answers come.
    pub rate: Option<f64>,
    pub duration: Duration,
    /// What callers post to.
    pub path: String,
    /// Ends each caller's call afterwards.
    pub hang_up: bool,
}

impl Options {
    pub fn new(url: Url) -> Self {
        Self {
            url,
            token: None,
            callers: 64,
            viewers: 0,
            rate: None,
            duration: Duration::from_secs(10),
            path: "/api/process-speech".to_owned(),
            hang_up: true,
        }
    }
}

/// Runs the load on this thread, inside a tokio `LocalSet`, and says what it measured.
///
/// # Errors
/// [`LoadError`] of the first caller or viewer who could not go on at all; single refused turns
/// are counted instead.
pub async fn run(options: Options) -> Result<Report, LoadError> {
    let options = Arc::new(options);
    let viewers = viewers::Viewers::open(&options).await?;
    let report = callers::speak(&options, &viewers).await?;
    let seen = viewers.close(report.turns).await;
    Ok(Report { viewers: options.viewers, seen, ..report })
}
