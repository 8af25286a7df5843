//! The model: asks any OpenAI-compatible chat server, and answers in time or not at all.
//!
//! # Promises
//! - [`Model::answer`] ends within the deadline, whatever the server does, and a server that is
//!   down costs the deadline to a few callers only (`breaker`).
//! - An answer is speakable text of whole sentences, never below the urgency that the rules found,
//!   and names nothing that is not known (`guard`).
//! - Everything that a server sends is bounded, and every dialect in `docs/model.md` is understood.
//! - The key, the caller's words and bodies appear in no log and no error.
//!
//! # Not here
//! What is said when the model fails: cards and the fixed sentence.

mod ask;
mod attempt;
mod breaker;
mod chunk;
mod draft;
mod error;
mod guard;
mod prompt;
mod refusal;
mod request;
mod settings;
mod speech;
mod turn;
mod wire;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use reqwest::{Client, Url, header};
use tokio::time::Instant;
use tracing::{info, warn};

pub use ask::{Ask, ModelAnswer, Speaker, Spoken};
pub use error::ModelError;
pub use settings::{DEFAULT_DEADLINE, ModelSettings, Secret};
pub use speech::MAX_SPOKEN_CHARS;

use attempt::{Failure, Times};
use breaker::{Breaker, Verdict};
use guard::Known;
use refusal::LONGEST_HOLD;
use turn::Turn;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Most sources of one answer, and how long one is.
const MAX_SOURCES: usize = 5;
const SOURCE_CHARS: RangeInclusive<usize> = 3..=100;

/// A chat model. Cheap to clone; clones share connections, breaker and what was learnt.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    client: Client,
    endpoint: Url,
    name: String,
    deadline: Duration,
    first_token: Duration,
    breaker: Breaker,
    /// What parameters this server takes.
    known: request::Known,
}

impl Model {
    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// [`ModelError::Settings`] if the address, the name or the key can't be used.
    pub fn new(settings: ModelSettings) -> Result<Self, ModelError> {
        let endpoint = settings::endpoint(&settings.base_url)?;
        if settings.model.trim().is_empty() {
            return Err(ModelError::Settings("its name is empty".to_owned()));
        }
        Ok(Self(Arc::new(Inner {
            client: client(&settings, &endpoint)?,
            endpoint,
            name: settings.model,
            deadline: settings.deadline,
            first_token: settings.first_token,
            breaker: Breaker::default(),
            known: request::Known::default(),
        })))
    }

    /// Answers one turn.
    ///
    /// # Errors
    /// Every [`ModelError`] but `Settings`; never later than the deadline.
    pub async fn answer(&self, ask: Ask) -> Result<ModelAnswer, ModelError> {
        let start = Instant::now();
        let times = Times::from(start, self.0.first_token, self.0.deadline);
        let Some(permit) = self.0.breaker.admit(start.into_std()) else {
            return Err(ModelError::OpenCircuit);
        };
        let was_paused = self.is_paused();
        let result = self.0.turn(&ask, times).await;
        let opened = permit.report(verdict(&result), Instant::now().into_std());
        match (&result, opened) {
            (Err(err), Some(wait)) => {
                let wait_ms = wait.as_millis() as u64;
                warn!(kind = err.kind(), wait_ms, error = %err, "The model is left alone for {wait_ms} ms.");
            }
            _ if was_paused && !self.is_paused() => info!("The model answers again."),
            _ => {}
        }
        spoken(result?, &ask)
    }

    /// Asks a question that nobody waits for, so that a local server loads its model and this one
    /// learns its dialect before the first caller. Worth a task of its own at the start.
    ///
    /// # Errors
    /// As [`Model::answer`], but within `patience`.
    pub async fn warm_up(&self, patience: Duration) -> Result<(), ModelError> {
        let ask = Ask {
            history: Vec::new(),
            speech: "Hello, this is a test of the line.".to_owned(),
            floor: Default::default(),
            site_prompt: "".into(),
            language: None,
        };
        let times = Times::from(Instant::now(), patience, patience);
        self.0.turn(&ask, times).await.map(drop)
    }

    /// Whether a question asked now would be turned away: there is no need to ask it.
    pub fn is_resting(&self) -> bool {
        self.0.breaker.is_resting(Instant::now().into_std())
    }

    /// Whether questions are turned away because the model failed recently.
    pub fn is_paused(&self) -> bool {
        self.0.breaker.is_open()
    }
}

impl Inner {
    /// Asks until there is an answer: each step to another form is taken once, and one more attempt
    /// is made when the server was not ready.
    async fn turn(&self, ask: &Ask, times: Times) -> Result<Turn, ModelError> {
        let mut shape = self.known.get();
        let mut is_brief = false;
        let mut may_retry = true;
        loop {
            let body = shape.body(&self.name, &prompt::messages(ask, is_brief));
            let body = body.map_err(|_| ModelError::Broken("the question can't be written"))?;
            let request = self.client.post(self.endpoint.clone()).body(body);
            let failure = match attempt::run(request, times, || self.known.learn(shape)).await {
                Ok(turn) => return Ok(turn),
                Err(failure) => failure,
            };
            let pause = Duration::from_millis(rand::random_range(50..150));
            let wait = match &failure {
                Failure::Final(_) => None,
                Failure::Lost(_) => Some(pause),
                Failure::Refused(refusal) if refusal.is_about_length() && !is_brief => {
                    is_brief = true;
                    continue;
                }
                Failure::Refused(refusal) if refusal.is_about_the_form() => {
                    let Some((next, is_named)) = shape.adapt(refusal) else {
                        return Err(failure.into_error());
                    };
                    if is_named {
                        self.known.learn(next);
                    }
                    shape = next;
                    continue;
                }
                Failure::Refused(refusal) => refusal.retry(pause),
            };
            let next = wait.map(|wait| Instant::now() + wait);
            match next.filter(|next| may_retry && *next < times.first_token_by) {
                Some(next) => tokio::time::sleep_until(next).await,
                None => return Err(failure.into_error()),
            }
            may_retry = false;
        }
    }
}

fn client(settings: &ModelSettings, endpoint: &Url) -> Result<Client, ModelError> {
    // Another part of the process may have installed one; either will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = header::HeaderMap::new();
    let json = header::HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    if let Some(key) = &settings.api_key {
        let value = header::HeaderValue::from_str(&format!("Bearer {}", key.reveal().trim()));
        let mut value = value.map_err(|_| {
            ModelError::Settings("its key holds characters that no key has".to_owned())
        })?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    let mut builder = Client::builder()
        .user_agent(concat!("aurora/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect would carry the caller's words to a server that nobody configured.
        .redirect(reqwest::redirect::Policy::none());
    if settings::is_loopback(endpoint) {
        builder = builder.no_proxy();
    }
    if endpoint.scheme() == "http" {
        // A machine without a certificate store can still ask a local model.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|err| {
        let cause = std::error::Error::source(&err).map_or(String::new(), |it| format!(": {it}"));
        ModelError::Settings(format!("its client can't be made: {err}{cause}"))
    })
}

/// What the end of a question says about the server, not about the answer.
fn verdict(result: &Result<Turn, ModelError>) -> Verdict {
    match result {
        Ok(_) | Err(ModelError::Declined) => Verdict::Answered,
        Err(ModelError::Refused(_)) => Verdict::Down(Duration::ZERO),
        // It told us when to come back.
        Err(ModelError::Status { retry_after: Some(wait), .. }) if *wait >= CONNECT_TIMEOUT => {
            Verdict::Down((*wait).min(LONGEST_HOLD))
        }
        Err(_) => Verdict::Failed,
    }
}

/// Makes words that may be spoken of what the model wants to say.
fn spoken(turn: Turn, ask: &Ask) -> Result<ModelAnswer, ModelError> {
    let cleaned = speech::clean(&turn.message);
    let text = speech::whole_sentences(&cleaned, turn.is_cut)
        .ok_or(ModelError::Broken("it holds no sentence that can be spoken"))?;
    let mut known = Known::default();
    known.add_site(&ask.site_prompt);
    let caller = ask.history.iter().filter(|it| it.role == Speaker::Caller);
    caller.for_each(|it| known.add_caller(&it.text));
    known.add_caller(&ask.speech);
    known.check(text, ask.language.as_deref()).map_err(ModelError::Unsafe)?;

    let facts = ask.site_prompt.to_lowercase();
    let sources = turn.sources.iter().map(|it| it.trim()).filter(|it| {
        SOURCE_CHARS.contains(&it.chars().count()) && facts.contains(&it.to_lowercase())
    });
    Ok(ModelAnswer {
        text: text.to_owned(),
        urgency: turn.urgency.unwrap_or(ask.floor).max(ask.floor),
        sources: sources.take(MAX_SOURCES).map(str::to_owned).collect(),
    })
}

#[cfg(test)]
mod tests;
