//! HTTP: the only folder that speaks it. One file per audience.
//!
//! A route parses into domain types, asks, and answers; from then on the type is the proof.

mod auth;
mod body;
mod calls;
mod conflicts;
mod error;
mod filters;
mod history;
mod keeping;
mod limit;
mod metrics;
mod notes;
mod operators;
mod origin;
mod pages;
mod runs;
mod session;
mod speech;
mod streams;
mod supervisor;
mod sync;
mod webhooks;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{Data, QueryConfig, ServiceConfig, scope, to};
use actix_web::{HttpRequest, HttpResponse};

pub use self::auth::Auth;
pub use self::error::ApiError;
pub use self::limit::RateLimit;
pub use self::metrics::Metrics;
pub use self::runs::take_in;
use crate::config::Config;
use crate::conversation::desk::Desk;
use crate::domain::{Call, SyncStatus};
use crate::erasure::Eraser;
use crate::journal::Journal;
use crate::readers::archive::{Archive, Reads};
use crate::readers::firebase::MirrorLink;
use crate::readers::live::Live;
use crate::readers::snapshot::Checkpoint;
use crate::runs::TeamReader;
use crate::telephony::Twiml;

/// All that the routes reach.
pub struct Context {
    pub config: Config,
    pub journal: Arc<Journal>,
    pub desk: Arc<Desk>,
    pub live: Arc<Live>,
    pub mirror: Arc<MirrorLink>,
    pub archive: Arc<Archive>,
    pub checkpoint: Arc<Checkpoint>,
    pub eraser: Arc<Eraser>,
    pub reads: Arc<Reads>,
    /// What other machines have done.
    pub team: TeamReader,
    pub auth: Auth,
    pub rate: RateLimit,
    pub metrics: Metrics,
    /// Replaced when the cards are: they bring the words that recognition should expect.
    pub twiml: RwLock<Arc<Twiml>>,
    pub started: Instant,
}

impl Context {
    fn twiml(&self) -> Arc<Twiml> {
        Arc::clone(&self.twiml.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn sync_of(&self, call: &Call) -> SyncStatus {
        self.mirror.sync_of(call)
    }
}

/// Headers of everything that a browser may show.
///
/// The policy allows nothing but our own files: no inline code, no other host, no framing.
/// Source: OWASP, "HTTP Security Response Headers Cheat Sheet".
fn security_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::X_FRAME_OPTIONS, "DENY"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add(("Permissions-Policy", "camera=(), geolocation=(), microphone=(self)"))
        .add(("Cross-Origin-Opener-Policy", "same-origin"))
        .add(("Cross-Origin-Resource-Policy", "same-origin"))
        .add((header::CACHE_CONTROL, "no-store"))
}

/// Headers of what callers' programs and phone providers get, and of every error. They are never
/// shown as a page: the policy for pages would only be bytes on the way of every turn.
const PLAIN_HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Every route, for one server thread.
pub fn configure(service: &mut ServiceConfig, context: &Data<Context>) {
    service
        .app_data(Data::clone(context))
        .app_data(QueryConfig::default().error_handler(|_, _| {
            ApiError::BadRequest("the query after the path cannot be read".to_owned()).into()
        }))
        .configure(speech::configure)
        .configure(webhooks::configure)
        .service(scope("").wrap(security_headers()).configure(looked_at));
}

/// Everything that a person or their browser looks at.
fn looked_at(service: &mut ServiceConfig) {
    service
        .configure(calls::configure)
        .configure(notes::configure)
        .configure(conflicts::configure)
        .configure(keeping::configure)
        .configure(runs::configure)
        .configure(history::configure)
        .configure(streams::configure)
        .configure(sync::configure)
        .configure(session::configure)
        .configure(operators::configure)
        .configure(pages::configure)
        .default_service(to(not_found));
}

/// What no route answers.
async fn not_found(_request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound("page or route"))
}
