//! One request: from the connection to the last byte that is needed, within the deadlines.

use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    ModelError,
    chunk::{self, End},
    draft::Draft,
    refusal::Refusal,
    speech,
    turn::Turn,
    wire::{Item, Wire},
};

/// Longest body of an error that is read.
const MAX_REFUSAL_BYTES: usize = 16 * 1024;
/// The rest of a reply is read in the background for so long, to keep the connection for the next.
const DRAIN: Duration = Duration::from_millis(500);
const MAX_DRAIN_BYTES: usize = 64 * 1024;

/// The deadlines of one answer, shared by its attempts.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    pub first_token: Duration,
    pub whole: Duration,
    pub first_token_by: Instant,
    pub whole_by: Instant,
}

impl Times {
    pub fn from(start: Instant, first_token: Duration, whole: Duration) -> Self {
        let first_token = first_token.min(whole);
        Self { first_token, whole, first_token_by: start + first_token, whole_by: start + whole }
    }
}

/// How an attempt failed.
#[derive(Debug)]
pub enum Failure {
    /// The server said no, before any token.
    Refused(Refusal),
    /// The connection failed before any token.
    Lost(ModelError),
    /// It makes no sense to ask again in this turn.
    Final(ModelError),
}

impl Failure {
    pub fn into_error(self) -> ModelError {
        match self {
            Self::Refused(refusal) => refusal.into_error(),
            Self::Lost(err) | Self::Final(err) => err,
        }
    }
}

/// Sends the request and reads the answer. `accepted` is called when the server takes its form.
pub async fn run(
    request: RequestBuilder,
    times: Times,
    accepted: impl FnOnce(),
) -> Result<Turn, Failure> {
    let late = || Failure::Final(ModelError::Timeout(times.first_token));
    let sent = timeout_at(times.first_token_by, request.send()).await;
    let response = sent.map_err(|_| late())?.map_err(|err| Failure::Lost(lost(err)))?;
    if !response.status().is_success() {
        let refusal = timeout_at(times.first_token_by, refusal(response)).await;
        return Err(Failure::Refused(refusal.map_err(|_| late())?));
    }
    accepted();
    Reading { wire: Wire::default(), draft: Draft::default(), times }.answer(response).await
}

/// A reply that is being read.
struct Reading {
    wire: Wire,
    draft: Draft,
    times: Times,
}

impl Reading {
    async fn answer(mut self, mut response: Response) -> Result<Turn, Failure> {
        let mut items = Vec::new();
        loop {
            let begun = self.draft.has_begun();
            let limit = match begun {
                true => self.times.whole_by,
                false => self.times.first_token_by,
            };
            let is_end = match timeout_at(limit, response.chunk()).await {
                Err(_) => return self.whole_sentences(begun).map_err(Failure::Final),
                Ok(Err(err)) if !begun => return Err(Failure::Lost(lost(err))),
                Ok(Err(_)) => return self.cut("the connection was cut"),
                Ok(Ok(Some(bytes))) => {
                    self.wire.push(&bytes, &mut items).map_err(|err| broken(err.0))?;
                    false
                }
                Ok(Ok(None)) => {
                    self.wire.finish(&mut items).map_err(|err| broken(err.0))?;
                    true
                }
            };
            for item in items.drain(..) {
                if let Some(turn) = self.take(item)? {
                    if !is_end {
                        tokio::spawn(timeout(DRAIN, drain(response)));
                    }
                    return Ok(turn);
                }
            }
            if is_end {
                return self.cut("it ended before it was complete");
            }
        }
    }

    /// Takes one object of the reply; the answer, once it is complete.
    fn take(&mut self, item: Item) -> Result<Option<Turn>, Failure> {
        let begun = self.draft.has_begun();
        let value = match item {
            Item::Object(value) => value,
            Item::Error => return Err(broken("the server reported an error in it")),
            Item::Done => return self.cut("it holds no answer in the agreed form").map(Some),
        };
        let chunk = chunk::read(&value).map_err(|refusal| match begun {
            false => Failure::Refused(refusal),
            true => Failure::Final(refusal.into_error()),
        })?;
        let found = self.draft.push(&chunk.text).map_err(|_| broken("it is too long"))?;
        match (found, chunk.end) {
            (_, Some(End::Declined)) => Err(Failure::Final(ModelError::Declined)),
            (Some(turn), _) => Ok(Some(turn)),
            (None, None) => Ok(None),
            (None, Some(End::Length)) => self.cut("it reached the limit of tokens").map(Some),
            (None, Some(End::Stop)) => self.cut("it holds no answer in the agreed form").map(Some),
        }
    }

    /// What is left to try when nothing more comes.
    fn cut(&mut self, why: &'static str) -> Result<Turn, Failure> {
        self.draft.finish().ok_or(broken(why))
    }

    /// What may be said when time is up: the beginning, if it is a sentence.
    fn whole_sentences(&self, begun: bool) -> Result<Turn, ModelError> {
        let whole = self.draft.so_far().filter(|turn| {
            let text = speech::clean(&turn.message);
            speech::whole_sentences(&text, turn.is_cut).is_some()
        });
        whole.ok_or(ModelError::Timeout(match begun {
            true => self.times.whole,
            false => self.times.first_token,
        }))
    }
}

fn broken(why: &'static str) -> Failure {
    Failure::Final(ModelError::Broken(why))
}

/// The address may hold a key, so it is left out.
fn lost(err: reqwest::Error) -> ModelError {
    ModelError::Connect { source: err.without_url() }
}

async fn refusal(mut response: Response) -> Refusal {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        body.extend_from_slice(&bytes);
        if body.len() > MAX_REFUSAL_BYTES {
            body.truncate(MAX_REFUSAL_BYTES);
            break;
        }
    }
    Refusal::read(response.status().as_u16(), response.headers(), &body)
}

async fn drain(mut response: Response) {
    let mut n_bytes = 0;
    while let Ok(Some(bytes)) = response.chunk().await {
        n_bytes += bytes.len();
        if n_bytes > MAX_DRAIN_BYTES {
            return;
        }
    }
}
