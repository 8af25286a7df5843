//! The bytes of each scripted reply.

use std::{io, time::Duration};

use actix_web::{HttpResponse, http::StatusCode, web::Bytes};
use futures_util::{StreamExt, future, stream};
use serde_json::{Value, json};

use super::{ANSWER, Case, MESSAGE, MODEL};

/// What happens next on the wire.
#[derive(Debug, Clone)]
enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    Hang,
    Cut,
}

pub async fn reply(case: Case, request: &Value) -> HttpResponse {
    let with_usage = request["stream_options"]["include_usage"] == true;
    match case {
        Case::Normal => answer(ANSWER, request),
        Case::Content(text) => answer(&text, request),
        Case::OddSplits => {
            let bytes = [text(ANSWER), stop(false)].concat().concat();
            let bytes = bytes.replace("data: ", "data:").replace('\n', "\r\n");
            let bytes = bytes.into_bytes();
            // Short waits, or the pieces would travel together.
            let pieces = bytes.chunks(1).enumerate().flat_map(|(n, byte)| {
                let pause = (n % 16 == 0).then_some(Step::Wait(Duration::from_micros(50)));
                pause.into_iter().chain([Step::Send(byte.to_vec())])
            });
            streamed(pieces.collect())
        }
        Case::NoDone => events([text(ANSWER), vec![finish("stop")]].concat()),
        Case::EndsAfter(said) => events(text(&said)),
        Case::CutAfter(said) => then(text(&said), Step::Cut),
        Case::HangsAfter(said) => then(text(&said), Step::Hang),
        Case::ErrorAfter(said) => {
            let error = json!({"error": {"message": "overloaded", "type": "server_error"}});
            events([text(&said), vec![data(&error)]].concat())
        }
        Case::SlowFirst(pause) => {
            let mut steps =
                vec![Step::Send(data(&chunk(json!({"role": "assistant"}))).into_bytes())];
            steps.push(Step::Wait(pause));
            steps.extend(sends([text(ANSWER), stop(with_usage)].concat()));
            streamed(steps)
        }
        Case::SlowGap(pause) => {
            let mut steps: Vec<_> = sends([text(ANSWER), stop(with_usage)].concat()).collect();
            steps.insert(6, Step::Wait(pause));
            streamed(steps)
        }
        Case::Hangs => future::pending().await,
        Case::RateLimited { retry_after_ms } => {
            let mut reply = error(429, "slow down", None, "rate_limit_exceeded");
            let value = retry_after_ms.to_string().parse().unwrap();
            let name = actix_web::http::header::HeaderName::from_static("retry-after-ms");
            reply.headers_mut().insert(name, value);
            reply
        }
        Case::Quota => error(429, "you exceeded your quota", None, "insufficient_quota"),
        Case::Refuses(names) => {
            let format = request["response_format"]["type"].as_str();
            let name = names.iter().find(|it| !request[**it].is_null() || format == Some(**it));
            match name {
                Some(name) => refused(400, &format!("Unsupported value: '{name}'"), None),
                None => answer(ANSWER, request),
            }
        }
        Case::ShortContext if request["messages"].as_array().unwrap().len() > 2 => {
            error(400, "maximum context length is 9", None, "context_length_exceeded")
        }
        Case::ShortContext => answer(ANSWER, request),
        Case::WholeJson => whole(ANSWER),
        Case::Thinks => {
            let said =
                format!("<think>{{\"message\":\"No.\"}} 5 < 6</think>\n```json\n{ANSWER}\n```");
            let pieces = said.chars().map(|it| piece(&it.to_string())).collect();
            events([pieces, stop(false)].concat())
        }
        Case::Reasons => {
            let thoughts = ["reasoning_content", "reasoning", "thinking"];
            let thoughts = thoughts.map(|it| data(&chunk(json!({it: "{\"message\":\"No.\"}"}))));
            events([thoughts.to_vec(), text(ANSWER), stop(false)].concat())
        }
        Case::UsageChunks => {
            let first = data(&json!({"choices": [], "prompt_filter_results": []}));
            let second = data(&json!({"usage": usage(), "x_groq": {"id": "r"}}));
            events([vec![first, second], text(ANSWER), stop(true)].concat())
        }
        Case::KeepAlive => {
            let comment = ": OPENROUTER PROCESSING\n\n".to_owned();
            let pieces = text(ANSWER).into_iter().flat_map(|it| [comment.clone(), it]);
            events(pieces.chain(["event: ping\n\n".to_owned()]).chain(stop(false)).collect())
        }
        Case::Declines => {
            let refusal = data(&chunk(json!({"refusal": "I can't help with that."})));
            events([vec![refusal], stop(false)].concat())
        }
        Case::ReachesLength => {
            let half = text(&ANSWER[..ANSWER.find("hurt").unwrap()]);
            events([half, vec![finish("length"), "data: [DONE]\n\n".to_owned()]].concat())
        }
        Case::ErrorWith200 => {
            HttpResponse::Ok().json(json!({"error": "model crashed", "status_code": 500}))
        }
        Case::BadGateway => HttpResponse::BadGateway()
            .content_type("text/html")
            .body("<html><body>502 Bad Gateway</body></html>"),
        Case::Status(status, body) => HttpResponse::build(StatusCode::from_u16(status).unwrap())
            .content_type("application/json")
            .body(body),
        Case::Endless => {
            let one = data(&chunk(json!({"content": "x".repeat(4000)})));
            let endless = stream::repeat_with(move || Ok::<_, io::Error>(Bytes::from(one.clone())));
            HttpResponse::Ok().content_type("text/event-stream").streaming(endless)
        }
    }
}

/// The regular reply, in the manner that was asked for.
fn answer(content: &str, request: &Value) -> HttpResponse {
    if request["stream"] == true {
        let with_usage = request["stream_options"]["include_usage"] == true;
        events([text(content), stop(with_usage)].concat())
    } else {
        whole(content)
    }
}

fn whole(content: &str) -> HttpResponse {
    let message = json!({"role": "assistant", "content": content, "refusal": null});
    HttpResponse::Ok().json(json!({
        "id": "chat-1", "object": "chat.completion", "created": 1, "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": null}],
        "usage": usage(),
    }))
}

pub fn refused(status: u16, message: &str, param: Option<&str>) -> HttpResponse {
    error(status, message, param, "invalid_value")
}

fn error(status: u16, message: &str, param: Option<&str>, code: &str) -> HttpResponse {
    let kind = "invalid_request_error";
    let error = json!({"message": message, "type": kind, "param": param, "code": code});
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(json!({"error": error}))
}

/// The role, then the content in pieces of 5 characters.
fn text(content: &str) -> Vec<String> {
    let chars: Vec<char> = content.chars().collect();
    let pieces = chars.chunks(5).map(|it| piece(&it.iter().collect::<String>()));
    let role = data(&chunk(json!({"role": "assistant", "content": ""})));
    [role].into_iter().chain(pieces).collect()
}

fn stop(with_usage: bool) -> Vec<String> {
    let mut end = vec![finish("stop")];
    if with_usage {
        let mut usage_only = chunk(json!({}));
        usage_only["choices"] = json!([]);
        usage_only["usage"] = usage();
        end.push(data(&usage_only));
    }
    end.push("data: [DONE]\n\n".to_owned());
    end
}

fn finish(reason: &str) -> String {
    let mut last = chunk(json!({}));
    last["choices"][0]["finish_reason"] = reason.into();
    data(&last)
}

fn piece(content: &str) -> String {
    data(&chunk(json!({"content": content})))
}

fn chunk(delta: Value) -> Value {
    json!({
        "id": "chat-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}],
    })
}

fn usage() -> Value {
    let said = MESSAGE.split(' ').count();
    json!({"prompt_tokens": 5, "completion_tokens": said, "total_tokens": 5 + said})
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn events(events: Vec<String>) -> HttpResponse {
    streamed(sends(events).collect())
}

fn then(events: Vec<String>, last: Step) -> HttpResponse {
    // What was sent must have left before the connection goes.
    let pause = Step::Wait(Duration::from_millis(5));
    streamed(sends(events).chain([pause, last]).collect())
}

fn sends(events: Vec<String>) -> impl Iterator<Item = Step> {
    events.into_iter().map(|it| Step::Send(it.into_bytes()))
}

fn streamed(steps: Vec<Step>) -> HttpResponse {
    let bytes = stream::iter(steps).then(|step| async {
        match step {
            Step::Send(bytes) => return Ok(Bytes::from(bytes)),
            Step::Wait(pause) => actix_web::rt::time::sleep(pause).await,
            Step::Hang => future::pending().await,
            Step::Cut => return Err(io::Error::other("cut")),
        }
        Ok(Bytes::new())
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(bytes)
}
