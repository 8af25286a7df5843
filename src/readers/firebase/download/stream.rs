//! One open stream of the database: what was changed below a node, until it ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::event::{Event, Parser};
use crate::readers::firebase::auth::Pass;
use crate::readers::firebase::meter::Meter;

/// Something was written at or below the node.
#[derive(Debug)]
pub struct Change {
    /// Relative to the node; `/` is the node itself.
    pub path: String,
    pub data: Box<RawValue>,
    /// The children that `data` names were set, their keys may be paths; else all at `path`.
    pub is_patch: bool,
}

/// Why a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("the database ended the stream")]
    Closed,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("nothing was heard for {} s", .0.as_secs())]
    Silent(Duration),
    #[error(
        "the database ended the stream: its rules forbid it, or there is too much to tell; see that \
         the service account has the role Firebase Realtime Database Admin"
    )]
    Cancelled,
    #[error("the access token ran out")]
    Revoked,
    #[error("an event is larger than {0} bytes")]
    TooLong(usize),
    #[error("an event can't be read")]
    NotRead,
}

/// How a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// After so much silence it is taken for dead. The database sends a sign of life about every
    /// 30 s. Default 75 s.
    pub silence: Duration,
    /// Longest event. The first one holds the whole node. Default 32 MiB.
    pub max_bytes: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { silence: Duration::from_secs(75), max_bytes: 32 * 1024 * 1024 }
    }
}

#[derive(Debug)]
pub struct EventStream {
    response: Response,
    pass: Pass,
    parser: Parser,
    events: VecDeque<Event>,
    heard_at: Instant,
    limits: StreamLimits,
    meter: Arc<Meter>,
}

#[derive(Deserialize)]
struct Told {
    path: String,
    data: Box<RawValue>,
}

impl EventStream {
    pub fn new(
        (response, pass): (Response, Pass),
        limits: StreamLimits,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            response,
            pass,
            parser: Parser::new(limits.max_bytes),
            events: VecDeque::new(),
            heard_at: Instant::now(),
            limits,
            meter,
        }
    }

    /// The next change. May be dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// [`Ended`]; there is nothing more to come.
    pub async fn next(&mut self) -> Result<Change, Ended> {
        loop {
            while let Some(event) = self.events.pop_front() {
                let told = read(&event);
                if told.as_ref().is_err_and(|it| *it == Ended::Revoked) {
                    self.pass.refused().await;
                }
                if let Some(change) = told? {
                    return Ok(change);
                }
            }
            let deadline = self.heard_at + self.limits.silence;
            let piece = timeout_at(deadline, self.response.chunk()).await;
            let piece = piece.map_err(|_| Ended::Silent(self.limits.silence))?;
            let piece = piece.map_err(|err| Ended::Broken(err.without_url().to_string()))?;
            let piece = piece.ok_or(Ended::Closed)?;
            self.heard_at = Instant::now();
            self.meter.received(piece.len() as u64);
            let fed = self.parser.feed(&piece, &mut self.events);
            fed.map_err(|_| Ended::TooLong(self.limits.max_bytes))?;
        }
    }
}

/// `None` for a sign of life, and for what we know nothing of.
fn read(event: &Event) -> Result<Option<Change>, Ended> {
    let is_patch = match event.name.as_str() {
        "put" => false,
        "patch" => true,
        "cancel" => return Err(Ended::Cancelled),
        "auth_revoked" => return Err(Ended::Revoked),
        _ => return Ok(None),
    };
    let told: Told = serde_json::from_slice(&event.data).map_err(|_| Ended::NotRead)?;
    Ok(Some(Change { path: told.path, data: told.data, is_patch }))
}
