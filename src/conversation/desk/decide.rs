//! The decisions of a turn: pure, on the journal thread, from the state to events.

use std::sync::Arc;

use ulid::Ulid;

use super::answer::{Caller, DeskError};
use super::fixed;
use crate::conversation::cards::{Cards, Heard, Spoken};
use crate::conversation::triage::Assessment;
use crate::domain::{
    Alert, AlertId, AlertKind, AnsweredBy, Call, CallEnded, CallId, CallStarted, CallStatus,
    CallUpdated, CardStep, EndReason, Event, Label, Message, MessageAdded, MessageId, Role, State,
    Timestamp, Urgency,
};
use crate::journal::Draft;

/// How long conversations may get, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub open_calls: usize,
    /// After so many turns a call that is not critical ends.
    pub turns: u32,
}

/// The caller's side of a turn, ready to be decided on any thread.
#[derive(Debug, Clone)]
pub struct Words {
    pub caller: Caller,
    pub content: Arc<str>,
    pub assessment: Assessment,
    /// The recognition doubts its own words.
    pub is_unclear: bool,
    pub token: Option<Label>,
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    pub call_id: CallId,
    pub urgency: Urgency,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The answer is in the journal.
    Said(Said),
    /// The words are; the answer is still to come.
    Asked(MessageId),
    /// A supervisor holds the call; what the caller hears now.
    Held(Arc<str>),
    /// The same request came before and has its answer.
    Before { said: Option<Said>, user: MessageId },
    /// The call has become too long.
    LimitReached,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub text: Arc<str>,
    pub sources: Arc<str>,
    pub answered_by: AnsweredBy,
    pub card: Option<CardStep>,
}

impl Said {
    pub fn fixed(text: &str) -> Self {
        Self {
            text: text.into(),
            sources: "".into(),
            answered_by: AnsweredBy::Fallback,
            card: None,
        }
    }

    fn message(message: &Message) -> Self {
        Self {
            text: Arc::clone(&message.content),
            sources: Arc::clone(&message.sources),
            answered_by: message.answered_by.unwrap_or(AnsweredBy::Fallback),
            card: message.card.clone(),
        }
    }
}

impl From<Spoken> for Said {
    fn from(spoken: Spoken) -> Self {
        Self {
            text: spoken.text,
            sources: spoken.title,
            answered_by: AnsweredBy::Card,
            card: Some(spoken.at),
        }
    }
}

/// The open call of that caller, if there is one.
pub fn open_call<'s>(state: &'s State, caller: &Caller) -> Option<&'s Arc<Call>> {
    match &caller.call_sid {
        Some(sid) => state.open_by_sid(sid.as_str()),
        None => state.open_by_caller(caller.number.as_str()),
    }
}

/// Opens a call unless it is open; its id.
pub fn start(
    state: &State,
    draft: &mut Draft<'_>,
    caller: &Caller,
    urgency: Urgency,
    limits: Limits,
) -> Result<CallId, DeskError> {
    if let Some(call) = open_call(state, caller) {
        return Ok(call.id);
    }
    if state.n_open() >= limits.open_calls {
        return Err(DeskError::TooManyCalls { open: state.n_open() });
    }
    let call_id = CallId(new_ulid(draft));
    draft.push(Event::CallStarted(CallStarted {
        call_id,
        worker_id: caller.number.worker_id().into(),
        caller: caller.number.clone(),
        call_sid: caller.call_sid.clone(),
        medium: caller.medium,
        language: caller.language.clone(),
        urgency,
    }));
    if urgency == Urgency::Critical {
        alert(draft, AlertKind::CriticalCall, Some(call_id));
    }
    Ok(call_id)
}

/// Takes the caller's words down; answers them too where no model is asked.
pub fn listen(
    state: &State,
    draft: &mut Draft<'_>,
    words: Words,
    cards: Option<&Cards>,
    limits: Limits,
) -> Result<Decided, DeskError> {
    if let Some(before) = delivered_before(state, &words) {
        return Ok(before);
    }
    let call = open_call(state, &words.caller);
    let said = cards.map(|it| from_cards(it, &words, call.and_then(|it| it.card())));
    // A card that is begun may know better than the rules, never less.
    let heard = said.as_ref().map_or(words.assessment.urgency, |it| it.1);
    let urgency = call.map_or(heard, |it| it.urgency.max(heard));
    let call_id = start(state, draft, &words.caller, urgency, limits)?;
    let user = call.map_or(MessageId(1), |it| it.next_message_id());
    let content = Arc::clone(&words.content);
    add(draft, call_id, by_person(user, Role::User, content, draft.now), words.token.clone());
    if let Some(call) = call.filter(|it| it.urgency < urgency) {
        raise(draft, call, urgency);
    }
    let next = MessageId(user.0 + 1);
    let outcome = match call {
        Some(call) if call.status == CallStatus::Takeover || call.unheard().next().is_some() => {
            held(draft, call, next)
        }
        Some(call) if call.turns >= limits.turns && urgency < Urgency::Critical => {
            reply(draft, call_id, next, Said::fixed(fixed::GOODBYE_LIMIT));
            draft.push(Event::CallEnded(CallEnded::new(call_id, EndReason::TurnLimit, None)));
            Outcome::LimitReached
        }
        _ => match said {
            None => Outcome::Asked(user),
            Some((said, _)) => {
                reply(draft, call_id, next, said.clone());
                Outcome::Said(said)
            }
        },
    };
    Ok(Decided { call_id, urgency, outcome })
}

/// Takes down words and the answer that was given to them without asking the journal.
pub fn note(
    state: &State,
    draft: &mut Draft<'_>,
    words: &Words,
    said: Said,
    urgency: Urgency,
    limits: Limits,
) -> Result<(), DeskError> {
    if delivered_before(state, words).is_some() {
        return Ok(());
    }
    let call = open_call(state, &words.caller);
    let call_id = start(state, draft, &words.caller, urgency, limits)?;
    let user = call.map_or(MessageId(1), |it| it.next_message_id());
    let content = Arc::clone(&words.content);
    add(draft, call_id, by_person(user, Role::User, content, draft.now), words.token.clone());
    if let Some(call) = call.filter(|it| it.urgency < urgency) {
        raise(draft, call, urgency);
    }
    let next = MessageId(user.0 + 1);
    if said.answered_by == AnsweredBy::Supervisor {
        add(draft, call_id, by_person(next, Role::System, said.text, draft.now), None);
    } else {
        reply(draft, call_id, next, said);
    }
    Ok(())
}

/// The answer to words that are in the journal already, made meanwhile.
///
/// A supervisor may have taken the call since, or it may have ended: then the assistant is silent.
pub fn conclude(
    state: &State,
    draft: &mut Draft<'_>,
    call_id: CallId,
    said: Said,
    urgency: Urgency,
) -> Result<Decided, DeskError> {
    let call = state.call(call_id).filter(|it| it.is_open()).ok_or(DeskError::CallEnded)?;
    let raised = call.urgency.max(urgency);
    if raised > call.urgency {
        raise(draft, call, raised);
    }
    let outcome = if call.status == CallStatus::Takeover {
        held(draft, call, call.next_message_id())
    } else {
        reply(draft, call_id, call.next_message_id(), said.clone());
        Outcome::Said(said)
    };
    Ok(Decided { call_id, urgency: raised, outcome })
}

/// What the cards say to it (the fixed sentence if none fits), and how urgent it is at least.
pub fn from_cards(cards: &Cards, words: &Words, progress: Option<&CardStep>) -> (Said, Urgency) {
    let urgency = words.assessment.urgency;
    if words.is_unclear && urgency == Urgency::Normal {
        return (Said::fixed(fixed::UNCLEAR), urgency);
    }
    let heard = Heard { speech: &words.content, urgency, topic: words.assessment.topic };
    match cards.answer(&heard, progress) {
        // Only a card that begins says something about these words; one that goes on may belong
        // to a danger that a supervisor has called off.
        Some(spoken) if spoken.at.step == 0 => {
            let urgency = urgency.max(spoken.urgency);
            (Said::from(spoken), urgency)
        }
        Some(spoken) => (Said::from(spoken), urgency),
        None => (Said::fixed(fixed::FALLBACK), urgency),
    }
}

/// Supervisors' words that the caller has not heard, marked as heard; `None` if there are none.
pub fn pass_on(draft: &mut Draft<'_>, call: &Call) -> Option<Arc<str>> {
    let words: Vec<_> = call.unheard().collect();
    let last = words.last()?;
    draft.push(Event::WordsHeard { call_id: call.id, message_id: last.id });
    if words.len() == 1 {
        return Some(Arc::clone(&last.content));
    }
    let texts: Vec<&str> = words.iter().map(|it| &*it.content).collect();
    Some(texts.join(" ").into())
}

fn held(draft: &mut Draft<'_>, call: &Call, next: MessageId) -> Outcome {
    if let Some(words) = pass_on(draft, call) {
        return Outcome::Held(words);
    }
    let notice: Arc<str> = fixed::HELD.into();
    let message = by_person(next, Role::System, Arc::clone(&notice), draft.now);
    add(draft, call.id, message, None);
    Outcome::Held(notice)
}

fn delivered_before(state: &State, words: &Words) -> Option<Decided> {
    let token = words.token.as_ref()?;
    let call = open_call(state, &words.caller).or_else(|| {
        words.caller.call_sid.as_ref().and_then(|it| state.ended_by_sid(it.as_str()))
    })?;
    let user = call.requests.iter().find(|it| it.0 == *token)?.1;
    let outcome = match call.answer_to(user) {
        // A supervisor held the call then: the line goes on as it did.
        Some(it) if it.role != Role::Assistant => Outcome::Held(Arc::clone(&it.content)),
        answer => Outcome::Before { said: answer.map(|it| Said::message(it)), user },
    };
    Some(Decided { call_id: call.id, urgency: call.urgency, outcome })
}

/// Urgency rises by itself; a call that becomes critical raises an alert.
fn raise(draft: &mut Draft<'_>, call: &Call, urgency: Urgency) {
    draft.push(Event::CallUpdated(CallUpdated {
        urgency: Some(urgency),
        ..CallUpdated::of(call.id, None)
    }));
    if urgency == Urgency::Critical {
        alert(draft, AlertKind::CriticalCall, Some(call.id));
    }
}

pub fn alert(draft: &mut Draft<'_>, kind: AlertKind, call_id: Option<CallId>) {
    let detail = match kind {
        AlertKind::CriticalCall => "A caller may be in danger.",
        AlertKind::CriticalSilence => "Nothing was heard of a critical call for a long time.",
        AlertKind::StorageFailed => {
            "For a time, what callers said was only in memory; it is on disk now."
        }
    };
    draft.push(Event::AlertRaised(Alert {
        alert_id: AlertId(new_ulid(draft)),
        kind,
        call_id,
        detail: detail.into(),
        at: draft.now,
    }));
}

fn reply(draft: &mut Draft<'_>, call_id: CallId, id: MessageId, said: Said) {
    let message = Message {
        id,
        role: Role::Assistant,
        content: said.text,
        timestamp: draft.now,
        sources: said.sources,
        answered_by: Some(said.answered_by),
        card: said.card,
        by: None,
        remote_key: None,
    };
    add(draft, call_id, message, None);
}

/// A message that rests on nothing but who said it.
pub fn by_person(id: MessageId, role: Role, content: Arc<str>, now: Timestamp) -> Message {
    let sources = "".into();
    Message {
        id,
        role,
        content,
        timestamp: now,
        sources,
        answered_by: None,
        card: None,
        by: None,
        remote_key: None,
    }
}

pub fn add(draft: &mut Draft<'_>, call_id: CallId, message: Message, request: Option<Label>) {
    draft.push(Event::MessageAdded(MessageAdded { call_id, message: Arc::new(message), request }));
}

pub fn new_ulid(draft: &Draft<'_>) -> Ulid {
    Ulid::from_parts(draft.now.as_millis().unsigned_abs(), rand::random())
}
