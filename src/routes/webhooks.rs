//! Phone providers' webhooks: forms in, TwiML out.
//!
//! The one rule: while a caller listens there is always a TwiML answer that helps. Errors are for
//! requests that no provider sends: forged, oversized, or without anybody in them.

use std::hash::{BuildHasher, Hasher};

use actix_web::http::header::ContentType;
use actix_web::web::{Data, Payload, ServiceConfig, post};
use actix_web::{HttpRequest, HttpResponse};
use rustc_hash::FxBuildHasher;
use tracing::warn;

use super::body;
use super::error::ApiError;
use super::origin::public_url;
use super::{Context, PLAIN_HEADERS};
use crate::conversation::desk::{
    Answer, Caller, FALLBACK, GOODBYE, Line, Next, Request, Turn, keypad,
};
use crate::domain::{EndReason, Label, Medium, PhoneNumber, Utterance};
use crate::telephony::{Pair, Twiml, Webhook, parse_form, signature};

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/", post().to(incoming_call))
        .route("/incoming-call", post().to(incoming_call))
        .route("/process-speech", post().to(process_speech))
        .route("/call-status", post().to(call_status))
        .route("/hangup", post().to(hangup));
}

/// Greets the caller and opens the call.
async fn incoming_call(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let body = form(&request, payload).await?;
    let pairs = verified(&request, &context, &body)?;
    let webhook = Webhook::from_pairs(&pairs)?;
    let call_sid = webhook.require_call_sid()?;
    let twiml = context.twiml();
    match context.desk.incoming(caller(&webhook)?).await {
        Ok(greeting) => Ok(xml(twiml.answer(greeting.text))),
        Err(err) => {
            warn!(error = %err, call.sid = call_sid, "A call could not be opened.");
            Ok(xml(twiml.answer(FALLBACK)))
        }
    }
}

/// Answers what was said, pressed, or not said.
async fn process_speech(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let body = form(&request, payload).await?;
    let pairs = verified(&request, &context, &body)?;
    let webhook = Webhook::from_pairs(&pairs)?;
    let caller = caller(&webhook)?;
    let twiml = context.twiml();
    let Some((utterance, is_keypad)) = words(&webhook) else {
        return Ok(spoken(&twiml, &context.desk.silence(caller, true).await));
    };
    let turn = Turn {
        caller,
        utterance,
        confidence: webhook.confidence.filter(|_| !is_keypad),
        is_keypad,
        request: delivery(&request, &body),
    };
    match context.desk.answer(turn).await {
        Ok(answer) => Ok(spoken(&twiml, &answer)),
        Err(err) => {
            warn!(error = %err, "A caller was answered, but the words could not be taken.");
            Ok(xml(twiml.answer(FALLBACK)))
        }
    }
}

/// A final status ends the call; others are only news.
async fn call_status(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let body = form(&request, payload).await?;
    let pairs = verified(&request, &context, &body)?;
    let webhook = Webhook::from_pairs(&pairs)?;
    let call_sid = webhook.require_call_sid()?;
    if webhook.call_status.is_some_and(|it| it.is_final()) {
        let line = Line::Sid(Label::parse(call_sid)?);
        context.desk.hang_up(line, EndReason::CallerHungUp).await?;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Says goodbye and ends the call.
async fn hangup(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let body = form(&request, payload).await?;
    let pairs = verified(&request, &context, &body)?;
    let webhook = Webhook::from_pairs(&pairs)?;
    let line = Line::Sid(Label::parse(webhook.require_call_sid()?)?);
    if let Err(err) = context.desk.hang_up(line, EndReason::HangUp).await {
        warn!(error = %err, "A hang-up could not be stored.");
    }
    Ok(xml(context.twiml().hang_up(GOODBYE)))
}

async fn form(request: &HttpRequest, payload: Payload) -> Result<actix_web::web::Bytes, ApiError> {
    if !body::is_type(request.headers(), "application/x-www-form-urlencoded") {
        return Err(ApiError::ContentType { expected: "application/x-www-form-urlencoded" });
    }
    body::read(request.headers(), payload).await
}

/// The form's fields, if the provider signed them or nobody but this machine could have sent them.
fn verified<'b>(
    request: &HttpRequest,
    context: &Context,
    body: &'b [u8],
) -> Result<Vec<Pair<'b>>, ApiError> {
    let pairs = parse_form(body)?;
    let config = &context.config;
    if config.twilio_tokens.is_empty() {
        return if config.is_local() || config.allow_unsigned_webhooks {
            Ok(pairs)
        } else {
            Err(ApiError::Forbidden("set TWILIO_AUTH_TOKEN: webhooks must be signed"))
        };
    }
    let tokens: Vec<&str> = config.twilio_tokens.iter().map(|it| it.expose()).collect();
    let signed = request.headers().get("x-twilio-signature").and_then(|it| it.to_str().ok());
    let url = public_url(request, context);
    if signed.is_some_and(|it| signature::verify(&tokens, &url, &pairs, it)) {
        Ok(pairs)
    } else {
        context.metrics.bad_signatures.inc();
        Err(ApiError::Forbidden(
            "the signature does not match: check the token and AURORA_PUBLIC_URL",
        ))
    }
}

pub(super) fn caller(webhook: &Webhook<'_>) -> Result<Caller, ApiError> {
    let number = match &webhook.from {
        Some(from) => PhoneNumber::parse(from)?,
        // A provider that withholds the number still names the call.
        None if webhook.call_sid.is_some() => PhoneNumber::parse("unknown")?,
        None => {
            return Err(ApiError::Invalid("`CallSid` or `From` must name the caller".to_owned()));
        }
    };
    Ok(Caller {
        number,
        call_sid: webhook.call_sid.map(Label::parse).transpose()?,
        medium: Medium::Voice,
        language: webhook.language.and_then(|it| Label::parse(it).ok()),
    })
}

/// What was said, or pressed; `None` if neither. Whether it was pressed.
pub(super) fn words(webhook: &Webhook<'_>) -> Option<(Utterance, bool)> {
    let said = webhook.speech.and_then(|it| Utterance::parse(it).ok());
    let pressed = || webhook.digits.and_then(|it| Utterance::parse(&keypad(it)).ok());
    said.map(|it| (it, false)).or_else(|| pressed().map(|it| (it, true)))
}

fn delivery(request: &HttpRequest, body: &[u8]) -> Request {
    let token = request.headers().get("i-twilio-idempotency-token");
    match token.and_then(|it| it.to_str().ok()).and_then(|it| Label::parse(it).ok()) {
        Some(token) => Request::Token(token),
        None => {
            let mut hasher = FxBuildHasher.build_hasher();
            hasher.write(body);
            Request::Body(hasher.finish())
        }
    }
}

fn spoken(twiml: &Twiml, answer: &Answer) -> HttpResponse {
    xml(match answer.next {
        Next::Listen => twiml.answer(&answer.text),
        Next::Poll => twiml.hold(Some(&*answer.text).filter(|it| !it.is_empty())),
        Next::HangUp => twiml.hang_up(&answer.text),
    })
}

fn xml(twiml: String) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for header in PLAIN_HEADERS {
        response.insert_header(header);
    }
    response.content_type(ContentType::xml()).body(twiml)
}
