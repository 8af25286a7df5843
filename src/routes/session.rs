//! Logging in and out.

use actix_web::http::header;
use actix_web::web::{Data, Payload, Query, ServiceConfig, get, post};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;

use super::Context;
use super::body;
use super::error::ApiError;
use super::pages;
use crate::telephony::parse_form;

pub fn configure(service: &mut ServiceConfig) {
    service
        .route("/login", get().to(link))
        .route("/login", post().to(log_in))
        .route("/logout", post().to(log_out));
}

#[derive(Deserialize)]
struct Link {
    token: Option<String>,
}

/// The printed link opens a session and goes to the dashboard; without a token it is the page.
async fn link(request: HttpRequest, query: Query<Link>, context: Data<Context>) -> HttpResponse {
    let Some(token) = &query.token else {
        return pages::file(&request, "login.html");
    };
    match context.auth.log_in(&request, token) {
        Ok(cookie) => {
            HttpResponse::SeeOther().insert_header((header::LOCATION, "/")).cookie(cookie).finish()
        }
        Err(_) => to_login_page(),
    }
}

#[derive(Deserialize)]
struct LogIn {
    token: String,
}

async fn log_in(
    request: HttpRequest,
    payload: Payload,
    context: Data<Context>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(request.headers(), payload).await?;
    if body::is_type(request.headers(), "application/x-www-form-urlencoded") {
        let pairs = parse_form(&body)?;
        let token = pairs.iter().find(|it| it.0 == "token").map_or("", |it| it.1.trim());
        // A person looks at this answer: the page says what went wrong.
        return Ok(match context.auth.log_in(&request, token) {
            Ok(cookie) => HttpResponse::SeeOther()
                .insert_header((header::LOCATION, "/"))
                .cookie(cookie)
                .finish(),
            Err(err @ ApiError::TooMany { .. }) => return Err(err),
            Err(_) => to_login_page(),
        });
    }
    let LogIn { token } = body::json(request.headers(), &body)?;
    let cookie = context.auth.log_in(&request, token.trim())?;
    Ok(HttpResponse::NoContent().cookie(cookie).finish())
}

async fn log_out(request: HttpRequest, context: Data<Context>) -> HttpResponse {
    let cookie = context.auth.log_out(&request);
    if body::is_type(request.headers(), "application/json") {
        return HttpResponse::NoContent().cookie(cookie).finish();
    }
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/login")).cookie(cookie).finish()
}

fn to_login_page() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/login?failed=1")).finish()
}
