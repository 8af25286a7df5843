//! One turn of a call, from the caller's words to what they hear.
//!
//! The one idea: words and answer are one commit and one sync wherever a card answers (`decide.rs`).
//! Only the model takes time; then the words go to disk while it thinks, and its answer is a second
//! commit that looks again whether a supervisor has come.
//!
//! # Promises
//! - There is always an answer, whatever fails; `durable` says whether it is on disk.
//! - A caller who hangs up, or a request that is repeated, changes nothing: the turn runs in its
//!   own task, once.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::{Either, select};
use tokio::task::JoinHandle;

use super::closing::Asking;
use super::decide::{Decided, Outcome, Said, Words};
use super::late::DISK_PATIENCE;
use super::redelivery::{Delivery, Key};
use super::{Answer, Desk, DeskError, Next, Request, Stage, Turn, decide, fixed, runs};
use crate::conversation::cards::Cards;
use crate::conversation::model::{Ask, Speaker, Spoken};
use crate::domain::{
    AnsweredBy, Call, CallId, CallStatus, EndReason, Message, Role, State, Urgency,
};
use crate::journal::{Committed, Draft, JournalError, Need};

/// Below this the recognition's own doubt is believed, unless the words sound like danger.
const UNCLEAR_BELOW: f32 = 0.35;

impl Desk {
    /// Answers one utterance; returns once words and answer are on disk, or says that they aren't.
    ///
    /// # Errors
    /// [`DeskError::TooManyCalls`] only; then the words were not taken.
    pub async fn answer(self: &Arc<Self>, turn: Turn) -> Result<Answer, DeskError> {
        let started = Instant::now();
        let key = Key::new(&turn);
        let answer = match self.redeliveries.arrive(&key) {
            Delivery::Before(answer) => return Ok(answer),
            Delivery::Again(answer) => match answer.await {
                Ok(answer) => return Ok(answer),
                Err(_) => Ok(self.last_resort(&turn)),
            },
            Delivery::First => {
                let task = self.begin(turn.clone(), key);
                task.await.unwrap_or_else(|_| Ok(self.last_resort(&turn)))
            }
        };
        if let Ok(answer) = &answer {
            self.stats.turn(answer.answered_by, answer.urgency, started.elapsed());
        }
        answer
    }

    /// The turn in a task of its own, which goes on whoever hangs up.
    fn begin(self: &Arc<Self>, turn: Turn, key: Key) -> JoinHandle<Result<Answer, DeskError>> {
        let entry = OwnEntry { desk: Arc::clone(self), key: Some(key) };
        tokio::spawn(async move {
            let answer = entry.desk.turn(&turn).await;
            entry.answered(answer.as_ref().ok());
            answer
        })
    }

    async fn turn(&self, turn: &Turn) -> Result<Answer, DeskError> {
        let words = self.words(turn);
        self.silences.spoke(&turn.caller);
        // In a box, as the others that are rare: a turn's task stays small to make and move.
        let asking = self.question(&words).and_then(|ask| Some((ask, self.questions.begin()?)));
        let with_model = asking.map(|(ask, it)| Box::pin(self.turn_with_model(&words, ask, it)));
        let answer = match with_model {
            Some(answer) => answer.await,
            None => self.turn_with_cards(&words).await,
        };
        let answer = match answer {
            Err(DeskError::Journal(JournalError::Panicked)) => {
                Box::pin(self.plain_turn(&words)).await
            }
            other => other,
        };
        match answer {
            Err(err @ (DeskError::Journal(_) | DeskError::CallEnded)) => {
                let answer = self.last_resort(turn);
                if matches!(err, DeskError::Journal(JournalError::Unwritable)) {
                    self.write_later(&words, &answer);
                }
                Ok(answer)
            }
            other => other,
        }
    }

    fn words(&self, turn: &Turn) -> Words {
        let started = Instant::now();
        let mut assessment = self.triage.assess(turn.utterance.as_str());
        // A key tells how urgent it is, and never what it is about.
        assessment.topic = assessment.topic.filter(|_| !turn.is_keypad);
        self.stats.stage(Stage::Triage, started.elapsed());
        Words {
            caller: turn.caller.clone(),
            content: turn.utterance.shared(),
            assessment,
            is_unclear: turn.confidence.is_some_and(|it| it < UNCLEAR_BELOW),
            token: match &turn.request {
                Request::Token(token) => Some(token.clone()),
                Request::Body(_) | Request::Words => None,
            },
        }
    }

    /// What to ask the model; `None` where it isn't asked: none configured or it is resting,
    /// danger (an approved card answers), a supervisor holds the call, or the words are unclear.
    fn question(&self, words: &Words) -> Option<Ask> {
        self.model.as_ref().filter(|it| !it.is_resting())?;
        if words.is_unclear || words.assessment.urgency == Urgency::Critical {
            return None;
        }
        let call = self.journal.view(|state| decide::open_call(state, &words.caller).cloned());
        if let Some(call) = &call
            && (call.urgency == Urgency::Critical || call.status == CallStatus::Takeover)
        {
            return None;
        }
        Some(Ask {
            history: call.iter().flat_map(|it| &it.messages).filter_map(spoken).collect(),
            speech: words.content.to_string(),
            floor: words.assessment.urgency.max(call.map_or(Urgency::Normal, |it| it.urgency)),
            site_prompt: self.cards().facts(),
            language: words.caller.language.as_ref().map(ToString::to_string),
        })
    }

    /// Words and answer in one commit.
    async fn turn_with_cards(&self, words: &Words) -> Result<Answer, DeskError> {
        let started = Instant::now();
        let committed = self.in_time(self.listen(words, Some(self.cards()))).await?;
        self.stats.stage(Stage::Journal, started.elapsed());
        self.finish(words, committed).await
    }

    /// The words go to disk while the model thinks.
    async fn turn_with_model(
        &self,
        words: &Words,
        ask: Ask,
        asking: Asking<'_>,
    ) -> Result<Answer, DeskError> {
        let Some(model) = &self.model else { return self.turn_with_cards(words).await };
        let taken = self.in_time(self.listen(words, None));
        let taken = std::pin::pin!(taken);
        let started = Instant::now();
        let thinking = std::pin::pin!(asking.wait_for(model.answer(ask)));
        let (committed, modelled) = match select(taken, thinking).await {
            Either::Left((taken, thinking)) => {
                let committed: Committed<Decided> = taken?;
                // Whatever else was decided, the model is no longer needed.
                let is_asked = matches!(committed.value.outcome, Outcome::Asked(_));
                (committed, if is_asked { Some(thinking.await) } else { None })
            }
            Either::Right((modelled, taken)) => (taken.await?, Some(modelled)),
        };
        let Some(modelled) =
            modelled.filter(|_| matches!(committed.value.outcome, Outcome::Asked(_)))
        else {
            return self.finish(words, committed).await;
        };
        self.stats.stage(Stage::Model, started.elapsed());
        let (said, urgency) = match modelled {
            Ok(answer) => {
                let said = Said {
                    text: answer.text.into(),
                    sources: answer.sources.join(", ").into(),
                    answered_by: AnsweredBy::Model,
                    card: None,
                };
                (said, answer.urgency)
            }
            Err(err) => {
                self.stats.model_failed(err.kind());
                self.card_for(words, committed.value.call_id)
            }
        };
        self.conclude(words, committed, said, urgency).await
    }

    /// Without cards, which may be what is broken: the words are kept, the fixed sentence answers.
    async fn plain_turn(&self, words: &Words) -> Result<Answer, DeskError> {
        let committed = self.in_time(self.listen(words, None)).await?;
        if matches!(committed.value.outcome, Outcome::Asked(_)) {
            let said = Said::fixed(fixed::FALLBACK);
            return self.conclude(words, committed, said, words.assessment.urgency).await;
        }
        self.finish(words, committed).await
    }

    /// The decision to take words down; a call that becomes too long ends, and was a piece of work.
    fn listen(
        &self,
        words: &Words,
        cards: Option<Arc<Cards>>,
    ) -> impl FnOnce(&State, &mut Draft<'_>) -> Result<Decided, DeskError> + Send + use<> {
        let (words, limits, user) = (words.clone(), self.limits, self.user.clone());
        move |state, draft| {
            let decided = decide::listen(state, draft, words, cards.as_deref(), limits)?;
            if decided.outcome == Outcome::LimitReached
                && let Some(call) = state.call(decided.call_id)
            {
                runs::record(draft, call, EndReason::TurnLimit, None, &user);
            }
            Ok(decided)
        }
    }

    async fn finish(
        &self,
        words: &Words,
        committed: Committed<Decided>,
    ) -> Result<Answer, DeskError> {
        let (said, answered_by, next) = match committed.value.outcome {
            Outcome::Said(said) | Outcome::Before { said: Some(said), .. } => {
                let by = said.answered_by;
                (said, by, Next::Listen)
            }
            Outcome::Held(ref text) => {
                let said = Said { text: Arc::clone(text), ..Said::fixed("") };
                (said, AnsweredBy::Supervisor, Next::Poll)
            }
            Outcome::LimitReached => {
                (Said::fixed(fixed::GOODBYE_LIMIT), AnsweredBy::Fallback, Next::HangUp)
            }
            // Words without an answer: the process died in between, or they are redelivered while
            // the disk fails. Now they get one.
            Outcome::Asked(_) | Outcome::Before { said: None, .. } => {
                let (said, urgency) = self.card_for(words, committed.value.call_id);
                return Box::pin(self.conclude(words, committed, said, urgency)).await;
            }
        };
        Ok(Answer {
            call_id: Some(committed.value.call_id),
            caller: words.caller.number.clone(),
            text: said.text,
            urgency: committed.value.urgency,
            sources: said.sources,
            answered_by,
            durable: committed.durable,
            next,
        })
    }

    async fn conclude(
        &self,
        words: &Words,
        first: Committed<Decided>,
        said: Said,
        urgency: Urgency,
    ) -> Result<Answer, DeskError> {
        let call_id = first.value.call_id;
        let heard = Decided { call_id, urgency, outcome: Outcome::Said(said.clone()) };
        let concluded = self.journal.submit(Need::Answer, move |state, draft| {
            decide::conclude(state, draft, call_id, said, urgency)
        });
        // The words are taken: their answer is said in any case, and written when the disk moves.
        let committed = match tokio::time::timeout(DISK_PATIENCE, concluded).await {
            Ok(Err(DeskError::Journal(_))) | Err(_) => {
                Committed { value: heard, durable: false, seq: first.seq }
            }
            Ok(committed) => committed?,
        };
        let durable = first.durable && committed.durable;
        self.finish(words, Committed { durable, ..committed }).await
    }

    fn card_for(&self, words: &Words, call_id: CallId) -> (Said, Urgency) {
        let call = self.journal.view(|state| state.call(call_id).cloned());
        let progress = call.as_deref().and_then(Call::card);
        decide::from_cards(&self.cards(), words, progress)
    }

    /// Safe guidance from nothing but the words: the journal did not take them.
    fn last_resort(&self, turn: &Turn) -> Answer {
        let words = self.words(turn);
        let call = self.journal.view(|state| decide::open_call(state, &turn.caller).cloned());
        let is_held = call.as_ref().is_some_and(|it| it.status == CallStatus::Takeover);
        let (said, urgency) = if is_held {
            (Said::fixed(fixed::HELD), Urgency::Normal)
        } else {
            let progress = call.as_deref().and_then(Call::card);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                decide::from_cards(&self.cards(), &words, progress)
            }))
            .unwrap_or_else(|_| (Said::fixed(fixed::FALLBACK), words.assessment.urgency))
        };
        Answer {
            call_id: call.as_ref().map(|it| it.id),
            caller: turn.caller.number.clone(),
            text: said.text,
            urgency: urgency.max(call.map_or(Urgency::Normal, |it| it.urgency)),
            sources: said.sources,
            answered_by: if is_held { AnsweredBy::Supervisor } else { said.answered_by },
            durable: false,
            next: if is_held { Next::Poll } else { Next::Listen },
        }
    }
}

fn spoken(message: &Arc<Message>) -> Option<Spoken> {
    let role = match message.role {
        Role::User => Speaker::Caller,
        Role::Assistant => Speaker::Assistant,
        Role::Admin => Speaker::Supervisor,
        Role::System => return None,
    };
    Some(Spoken { role, text: message.content.to_string() })
}

/// A turn's entry among the redeliveries; a turn that breaks off takes its entry with it.
struct OwnEntry {
    desk: Arc<Desk>,
    key: Option<Key>,
}

impl OwnEntry {
    fn answered(mut self, answer: Option<&Answer>) {
        if let Some(key) = self.key.take() {
            self.desk.redeliveries.answered(key, answer);
        }
    }
}

impl Drop for OwnEntry {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.desk.redeliveries.answered(key, None);
        }
    }
}
