//! The REST protocol: one request in, one answer out.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::asked::Asked;
use super::faults::{Fault, Gate};
use super::query;
use super::shared::{Seen, Shared, now_ms};
use super::stream::event;
use super::tree::{self, etag};
use super::written::{check_path, settle};

/// Time between two `keep-alive` events. Far shorter than the real one: the official client ends a
/// stream only when something arrives.
const KEEP_ALIVE: Duration = Duration::from_millis(500);

/// An answer that is not the expected one: status, present value if that is the body, text.
enum Answer {
    Refused(StatusCode, String),
    Mismatch(Value),
}

type Changes = Vec<(Vec<String>, Value)>;

pub async fn handle(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let Some(asked) = Asked::read(&request) else {
        return problem(StatusCode::NOT_FOUND, "append .json to your request path");
    };
    shared.note_request(Seen {
        method: asked.method.to_string(),
        target: request.uri().to_string(),
        size_bytes: body.len(),
    });
    let gate = shared.faults().gate(request.uri().path());
    let mut way_back = Duration::ZERO;
    match gate {
        Gate::Open => {}
        Gate::Hang => {
            shared.hang().await;
            return problem(StatusCode::SERVICE_UNAVAILABLE, "was hanging");
        }
        Gate::Redirect(base) => {
            return HttpResponse::TemporaryRedirect()
                .insert_header(("Location", format!("{base}{}", request.uri())))
                .finish();
        }
        Gate::Slow(wait) => tokio::time::sleep(wait).await,
        Gate::Far(trip) => {
            way_back = trip / 2;
            tokio::time::sleep(trip / 2).await;
        }
        Gate::Answer { status, text, retry_after_s } => {
            let status = StatusCode::from_u16(status).expect("a test sets a real status");
            let mut answer = problem(status, text);
            if let Some(seconds) = retry_after_s {
                answer.headers_mut().insert(
                    actix_web::http::header::RETRY_AFTER,
                    actix_web::http::header::HeaderValue::from(seconds),
                );
            }
            return answer;
        }
    }
    match &asked.token {
        Some(token) if shared.is_accepted(token) => {}
        Some(_) => return problem(StatusCode::UNAUTHORIZED, "Auth token is expired"),
        None => return problem(StatusCode::UNAUTHORIZED, "Permission denied"),
    }
    let done = if asked.is_write() { write(&asked, &body, &shared) } else { read(&asked, &shared) };
    if !way_back.is_zero() {
        tokio::time::sleep(way_back).await;
    }
    match done {
        Ok(answer) => answer,
        Err(Answer::Refused(status, text)) => problem(status, &text),
        Err(Answer::Mismatch(present)) => HttpResponse::PreconditionFailed()
            .insert_header(("ETag", etag(&present)))
            .json(tree::shown(&present)),
    }
}

fn read(asked: &Asked, shared: &Data<Shared>) -> Result<HttpResponse, Answer> {
    check_path(&asked.path).map_err(bad)?;
    if asked.if_match.is_some() {
        return Err(bad("if-match is not allowed with GET"));
    }
    if asked.wants_stream {
        return Ok(stream(asked, shared));
    }
    let node = shared.read(&asked.ns, |root| tree::get(root, &asked.path).clone());
    let tag = etag(&node);
    if asked.if_none_match.as_ref() == Some(&tag) {
        return Ok(HttpResponse::NotModified().insert_header(("ETag", tag)).finish());
    }
    let found = query::select(&node, &asked.params).map_err(bad)?;
    Ok(success(asked, &tree::shown(&found), &node))
}

fn stream(asked: &Asked, shared: &Data<Shared>) -> HttpResponse {
    let events = shared.listen(&asked.ns, &asked.path);
    let pieces = VecDeque::new();
    let start = (events, pieces, Data::clone(shared));
    let bytes =
        futures_util::stream::unfold(start, |(mut events, mut pieces, shared)| async move {
            while pieces.is_empty() {
                let event = match timeout(KEEP_ALIVE, events.recv()).await {
                    Ok(event) => event.flatten()?,
                    Err(_) => event("keep-alive", "null"),
                };
                let size = if shared.faults().is_set(&Fault::SplitBytes) { 5 } else { event.len() };
                if !shared.faults().is_set(&Fault::SilentStreams) {
                    pieces.extend(event.as_bytes().chunks(size).map(Bytes::copy_from_slice));
                }
            }
            let piece = pieces.pop_front()?;
            Some((Ok::<_, actix_web::Error>(piece), (events, pieces, shared)))
        });
    HttpResponse::Ok()
        .insert_header(("Content-Type", "text/event-stream; charset=utf-8"))
        .insert_header(("Cache-Control", "no-cache"))
        .streaming(bytes)
}

fn write(asked: &Asked, body: &Bytes, shared: &Data<Shared>) -> Result<HttpResponse, Answer> {
    check_path(&asked.path).map_err(bad)?;
    let body: Value = if asked.method == Method::DELETE {
        Value::Null
    } else {
        serde_json::from_slice(body)
            .map_err(|_| bad("Invalid data; couldn't parse JSON object, array, or value."))?
    };
    let mut path = asked.path.clone();
    let mut shown = body.clone();
    if asked.method == Method::POST {
        let name = shared.push_ids.next(now_ms());
        shown = json!({ "name": name });
        path.push(name);
    }
    let size_bytes = body.to_string().len();
    let method = asked.method.as_str();
    let mut node = Value::Null;
    shared.write(&asked.ns, method, &path, |root| {
        let changes = changes(asked, &path, &body, root)?;
        let mut paths: Vec<String> = changes.iter().map(|(path, _)| path.join("/")).collect();
        if asked.method == Method::PUT {
            changes.iter().for_each(|(path, it)| inside(&path.join("/"), it, &mut paths));
        }
        if let Some((status, text)) = shared.faults().refusal(&paths, size_bytes) {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            return Err(Answer::Refused(status, text));
        }
        node = changes.first().map_or(Value::Null, |(_, it)| it.clone());
        Ok(changes)
    })?;
    if shared.faults().take_lie() {
        shared.cut_next_answer();
    }
    if asked.method == Method::PUT {
        shown = tree::shown(&node);
    }
    Ok(success(asked, &shown, &node))
}

/// The paths of all that is inside a value.
fn inside(path: &str, value: &Value, paths: &mut Vec<String>) {
    for (key, it) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{key}");
        inside(&path, it, paths);
        paths.push(path);
    }
}

/// The settled changes of a write to `path`, or why it is refused.
fn changes(asked: &Asked, path: &[String], body: &Value, root: &Value) -> Result<Changes, Answer> {
    let now_ms = now_ms();
    let present = tree::get(root, path);
    if let Some(expected) = &asked.if_match {
        if !matches!(asked.method, Method::PUT | Method::DELETE) {
            return Err(bad("if-match is allowed with PUT and DELETE only"));
        }
        if *expected != etag(present) {
            return Err(Answer::Mismatch(present.clone()));
        }
    }
    match asked.method {
        Method::PUT | Method::POST | Method::DELETE => {
            let value = settle(body, present, path.len(), now_ms).map_err(bad)?;
            Ok(vec![(path.to_vec(), value)])
        }
        Method::PATCH => {
            let Value::Object(named) = body else {
                return Err(bad("Invalid data; couldn't parse JSON object."));
            };
            let mut changes = Changes::new();
            for (key, value) in named {
                let mut path = path.to_vec();
                path.extend(key.trim_start_matches('/').split('/').map(str::to_owned));
                check_path(&path).map_err(bad)?;
                let old = tree::get(root, &path);
                let value = settle(value, old, path.len(), now_ms).map_err(bad)?;
                changes.push((path, value));
            }
            changes.sort_by(|a, b| a.0.cmp(&b.0));
            if changes.windows(2).any(|it| it[1].0.starts_with(&it[0].0)) {
                return Err(bad("Invalid data; a path is an ancestor of another one"));
            }
            Ok(changes)
        }
        _ => Err(Answer::Refused(StatusCode::METHOD_NOT_ALLOWED, "method not allowed".to_owned())),
    }
}

/// `shown` in the form that was asked for; the tag is that of the stored `node`.
fn success(asked: &Asked, shown: &Value, node: &Value) -> HttpResponse {
    let mut answer = if asked.prints("silent") {
        HttpResponse::NoContent().finish()
    } else if asked.prints("pretty") {
        let text = serde_json::to_string_pretty(shown).expect("a value always serializes");
        HttpResponse::Ok().content_type("application/json; charset=utf-8").body(text)
    } else {
        HttpResponse::Ok().json(shown)
    };
    if asked.wants_etag && asked.method != Method::PATCH {
        let tag = etag(node).parse().expect("base64 is a header value");
        let name = actix_web::http::header::ETAG;
        answer.headers_mut().insert(name, tag);
    }
    answer
}

fn problem(status: StatusCode, text: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": text }))
}

fn bad(text: impl Into<String>) -> Answer {
    Answer::Refused(StatusCode::BAD_REQUEST, text.into())
}
