//! The JSON API for callers: programs, the browser phone, `curl`.

use actix_web::http::header::ContentType;
use actix_web::web::{Data, Payload, ServiceConfig, post};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};

use super::body;
use super::error::ApiError;
use super::webhooks::{caller as form_caller, words as form_words};
use super::{Context, PLAIN_HEADERS};
use crate::conversation::desk::{Answer, Caller, Line, Request, Turn};
use crate::domain::{
    AnsweredBy, CallId, ConversationId, EndReason, Label, Medium, PhoneNumber, Utterance,
};
use crate::telephony::{Webhook, parse_form};

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/api/process-speech", post().to(process_speech))
        .route("/api/hang-up", post().to(hang_up));
}

#[derive(Deserialize)]
struct SpeechRequest {
    speech: String,
    ph_no: String,
    call_sid: Option<String>,
    confidence: Option<f32>,
    language: Option<String>,
    #[serde(default)]
    medium: Medium,
}

#[derive(Serialize)]
struct SpeechReply<'a> {
    message: &'a str,
    ph_no: &'a PhoneNumber,
    urgency: &'static str,
    sources: Vec<&'a str>,
    call_id: Option<CallId>,
    conversation_id: Option<ConversationId>,
    answered_by: AnsweredBy,
    durable: bool,
}

impl<'a> From<&'a Answer> for SpeechReply<'a> {
    fn from(answer: &'a Answer) -> Self {
        Self {
            message: &answer.text,
            ph_no: &answer.caller,
            urgency: answer.urgency.lower(),
            sources: answer.sources.split(", ").filter(|it| !it.is_empty()).collect(),
            call_id: answer.call_id,
            conversation_id: answer.call_id.map(CallId::conversation),
            answered_by: answer.answered_by,
            durable: answer.durable,
        }
    }
}

/// Answers one utterance of a call.
///
/// Returns once the utterance and the answer are both in the journal, so a caller never hears
/// words that a restart could forget.
async fn process_speech(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    may_speak(&request, &context)?;
    let body = body::read(request.headers(), payload).await?;
    let (caller, said, confidence) = if is_form(&request) {
        let pairs = parse_form(&body)?;
        let webhook = Webhook::from_pairs(&pairs)?;
        let said = form_words(&webhook);
        (form_caller(&webhook)?, said, webhook.confidence)
    } else {
        parse(body::json(request.headers(), &body)?)?
    };
    context.rate.take(&caller.number)?;
    let answer = match said {
        None => context.desk.silence(caller, false).await,
        Some((utterance, is_keypad)) => {
            let request = Request::Words;
            let turn = Turn { caller, utterance, confidence, is_keypad, request };
            context.desk.answer(turn).await?
        }
    };
    let mut response = HttpResponse::Ok();
    for header in PLAIN_HEADERS {
        response.insert_header(header);
    }
    let mut json = Vec::with_capacity(768);
    serde_json::to_writer(&mut json, &SpeechReply::from(&answer))
        .map_err(|err| ApiError::BadRequest(err.to_string()))?;
    Ok(response.content_type(ContentType::json()).body(json))
}

type Said = (Caller, Option<(Utterance, bool)>, Option<f32>);

fn parse(request: SpeechRequest) -> Result<Said, ApiError> {
    let field = |name: &'static str| move |err| ApiError::Invalid(format!("`{name}` {err}"));
    if request.confidence.is_some_and(|it| !(0.0..=1.0).contains(&it)) {
        return Err(ApiError::Invalid("`confidence` must be from 0 to 1".to_owned()));
    }
    let label = |value: Option<String>, name: &'static str| {
        value.map(|it| Label::parse(&it).map_err(field(name))).transpose()
    };
    let caller = Caller {
        number: PhoneNumber::parse(&request.ph_no).map_err(field("ph_no"))?,
        call_sid: label(request.call_sid, "call_sid")?,
        medium: request.medium,
        language: label(request.language, "language")?,
    };
    // Blank speech is no mistake: the caller is asked to repeat.
    let said = Utterance::parse(&request.speech).ok().map(|it| (it, false));
    Ok((caller, said, request.confidence))
}

#[derive(Deserialize)]
struct HangUpRequest {
    ph_no: Option<String>,
    call_sid: Option<String>,
}

/// The caller ends the call. One that is unknown or ended is left as it is.
async fn hang_up(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    may_speak(&request, &context)?;
    let body = body::read(request.headers(), payload).await?;
    let request: HangUpRequest = body::json(request.headers(), &body)?;
    let line = match (request.call_sid, request.ph_no) {
        (Some(sid), _) => Line::Sid(Label::parse(&sid)?),
        (None, Some(number)) => Line::Number(PhoneNumber::parse(&number)?),
        (None, None) => {
            return Err(ApiError::Invalid("`call_sid` or `ph_no` must name the call".to_owned()));
        }
    };
    context.desk.hang_up(line, EndReason::CallerHungUp).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Beyond loopback the JSON API is for supervisors and programs with the token, unless it was
/// opened by name.
fn may_speak(request: &HttpRequest, context: &Context) -> Result<(), ApiError> {
    if context.config.is_local() || context.config.allow_open_api {
        return Ok(());
    }
    context.auth.supervisor(request)
}

fn is_form(request: &HttpRequest) -> bool {
    body::is_type(request.headers(), "application/x-www-form-urlencoded")
}
