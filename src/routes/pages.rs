//! The pages, embedded in the binary.

use actix_web::http::header;
use actix_web::web::{Data, Path, ServiceConfig, get};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_embed::Embed;
use url::form_urlencoded::byte_serialize;

use super::Context;
use super::error::ApiError;

#[derive(Embed)]
#[folder = "static/"]
struct Files;

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/", get().to(dashboard))
        .route("/history", get().to(history))
        .route("/team", get().to(team))
        .route("/web-call", get().to(web_call))
        .route("/docs", get().to(docs))
        .route("/static/{path:.*}", get().to(asset));
}

async fn dashboard(request: HttpRequest, context: Data<Context>) -> HttpResponse {
    for_supervisors(&request, &context, "dashboard.html")
}

async fn history(request: HttpRequest, context: Data<Context>) -> HttpResponse {
    for_supervisors(&request, &context, "history.html")
}

/// The page, or the way to log in and from there to the page, with all that was asked of it.
fn for_supervisors(request: &HttpRequest, context: &Context, page: &str) -> HttpResponse {
    if context.auth.supervisor(request).is_ok() {
        return file(request, page);
    }
    let query: String = byte_serialize(request.query_string().as_bytes()).collect();
    let log_in = match (request.path(), query.as_str()) {
        ("/", _) => "/login".to_owned(),
        (path, "") => format!("/login?next={path}"),
        (path, query) => format!("/login?next={path}%3F{query}"),
    };
    HttpResponse::SeeOther().insert_header((header::LOCATION, log_in)).finish()
}

async fn team(request: HttpRequest, context: Data<Context>) -> HttpResponse {
    for_supervisors(&request, &context, "team.html")
}

async fn web_call(request: HttpRequest) -> HttpResponse {
    file(&request, "web-call.html")
}

async fn docs(request: HttpRequest) -> HttpResponse {
    file(&request, "docs.html")
}

async fn asset(request: HttpRequest, path: Path<String>) -> HttpResponse {
    file(&request, &path)
}

/// An embedded file. The browser asks each time whether it changed: after an update of the server
/// no page runs with an old script.
pub fn file(request: &HttpRequest, path: &str) -> HttpResponse {
    // Only names of embedded files are looked up; there is no folder to escape from.
    let Some(file) = Files::get(path) else {
        return ApiError::NotFound("page").error_response();
    };
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&file.metadata.sha256_hash()[..12]));
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|it| it.to_str().ok());
    let mut response =
        if known == Some(tag.as_str()) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::CACHE_CONTROL, "no-cache"));
    if known == Some(tag.as_str()) {
        return response.finish();
    }
    response.content_type(content_type(path)).body(file.data)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |it| it.1) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}
