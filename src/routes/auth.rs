//! Who may do what: supervisors by token or session, webhooks by signature, the JSON API by both
//! or, on loopback, by being there.
//!
//! A session is a signed note, `v1.EXPIRY.NONCE.MAC`, whose key comes from the admin token: it
//! survives a restart without being stored, and a new token ends every session.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time as cookie_time};
use actix_web::http::{Method, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::ApiError;

const COOKIE: &str = "aurora_session";
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// Failed log-ins from one address before it has to wait, and for how long.
const TRIES: u32 = 10;
const TRIES_WINDOW: Duration = Duration::from_secs(60);
const REMEMBERED: usize = 10_000;

pub struct Auth {
    token_digest: [u8; 32],
    session_key: [u8; 32],
    is_https: bool,
    trusted_proxies: Vec<IpAddr>,
    /// Sessions that were logged out, until they would have expired.
    revoked: Mutex<FxHashMap<String, u64>>,
    failures: Mutex<FxHashMap<IpAddr, (u32, Instant)>>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth(…)")
    }
}

impl Auth {
    pub fn new(admin_token: &str, is_https: bool, trusted_proxies: Vec<IpAddr>) -> Self {
        let mut key = Sha256::new();
        key.update(b"aurora session v1\0");
        key.update(admin_token.as_bytes());
        Self {
            token_digest: Sha256::digest(admin_token.as_bytes()).into(),
            session_key: key.finalize().into(),
            is_https,
            trusted_proxies,
            revoked: Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Digests are compared, so that neither content nor length shows in the time.
    fn is_token(&self, token: &str) -> bool {
        Sha256::digest(token.as_bytes()).as_slice().ct_eq(&self.token_digest).into()
    }

    /// Lets supervisors through.
    ///
    /// # Errors
    /// 401 without a token or session, 403 for a write from another site's page.
    pub fn supervisor(&self, request: &HttpRequest) -> Result<(), ApiError> {
        if let Some(token) = bearer(request) {
            return if self.is_token(token) { Ok(()) } else { Err(ApiError::NoToken) };
        }
        let cookie = request.cookie(COOKIE).ok_or(ApiError::NoToken)?;
        if !self.is_session(cookie.value()) {
            return Err(ApiError::NoToken);
        }
        same_origin(request)
    }

    /// A session for whoever has the token.
    ///
    /// # Errors
    /// 401 for a wrong token, 429 after too many of them.
    pub fn log_in(&self, request: &HttpRequest, token: &str) -> Result<Cookie<'static>, ApiError> {
        let peer = self.client(request);
        self.may_try(peer)?;
        if !self.is_token(token) {
            self.failed(peer);
            return Err(ApiError::NoToken);
        }
        let mut nonce = [0; 16];
        rand::fill(&mut nonce);
        let note = format!("v1.{}.{}", now() + SESSION.as_secs(), URL_SAFE_NO_PAD.encode(nonce));
        let value = format!("{note}.{}", self.mac(&note));
        let age = i64::try_from(SESSION.as_secs()).unwrap_or(0);
        Ok(self.cookie(value, cookie_time::Duration::seconds(age)))
    }

    /// Ends the request's session; the cookie that makes the browser forget it.
    pub fn log_out(&self, request: &HttpRequest) -> Cookie<'static> {
        if let Some(cookie) = request.cookie(COOKIE).filter(|it| self.is_session(it.value())) {
            let now = now();
            let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
            revoked.retain(|_, expiry| *expiry > now);
            if revoked.len() < REMEMBERED {
                revoked.insert(cookie.value().to_owned(), now + SESSION.as_secs());
            }
        }
        self.cookie(String::new(), cookie_time::Duration::ZERO)
    }

    fn cookie(&self, value: String, age: cookie_time::Duration) -> Cookie<'static> {
        Cookie::build(COOKIE, value)
            .path("/")
            .http_only(true)
            .secure(self.is_https)
            .same_site(SameSite::Strict)
            .max_age(age)
            .finish()
    }

    fn is_session(&self, value: &str) -> bool {
        let Some((note, mac)) = value.rsplit_once('.') else { return false };
        if !bool::from(self.mac(note).as_bytes().ct_eq(mac.as_bytes())) {
            return false;
        }
        let expiry = note.split('.').nth(1).and_then(|it| it.parse::<u64>().ok());
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        expiry.is_some_and(|it| it > now()) && !revoked.contains_key(value)
    }

    fn mac(&self, note: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.session_key).expect("HMAC takes any key length");
        mac.update(note.as_bytes());
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    }

    /// Who asks: the peer, or whom a trusted proxy says that it asks for.
    fn client(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip();
        // Every proxy appends whom it saw: the last entry is the trusted proxy's own word.
        let forwarded = request.headers().get("x-forwarded-for").and_then(|it| it.to_str().ok());
        let client = forwarded.filter(|_| self.trusted_proxies.contains(&peer));
        Some(client.and_then(|it| it.rsplit(',').next()?.trim().parse().ok()).unwrap_or(peer))
    }

    fn may_try(&self, peer: Option<IpAddr>) -> Result<(), ApiError> {
        let Some(peer) = peer else { return Ok(()) };
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.get(&peer) {
            Some((n, since)) if *n >= TRIES && since.elapsed() < TRIES_WINDOW => {
                let retry_after = (TRIES_WINDOW - since.elapsed()).as_secs() + 1;
                Err(ApiError::TooMany { retry_after })
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, peer: Option<IpAddr>) {
        let Some(peer) = peer else { return };
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED {
            failures.retain(|_, it| it.1.elapsed() < TRIES_WINDOW);
        }
        let entry = failures.entry(peer).or_insert((0, Instant::now()));
        if entry.1.elapsed() >= TRIES_WINDOW {
            *entry = (0, Instant::now());
        }
        entry.0 += 1;
    }
}

/// The request's bearer token, if it has one.
pub fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A browser sends a cookie whoever asks; a write must come from our own page.
/// Source: OWASP, "Cross-Site Request Forgery Prevention: Verifying Origin With Standard Headers".
fn same_origin(request: &HttpRequest) -> Result<(), ApiError> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let text = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok());
    let foreign = ApiError::Forbidden("the request comes from another site's page");
    if let Some(site) = text("sec-fetch-site") {
        return if matches!(site, "same-origin" | "none") { Ok(()) } else { Err(foreign) };
    }
    match (text("origin"), text("host")) {
        // No browser leaves it out of a write, so this is none, and holds the cookie by itself.
        (None, _) => Ok(()),
        (Some(origin), Some(host)) if origin.split_once("://").is_some_and(|it| it.1 == host) => {
            Ok(())
        }
        _ => Err(foreign),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
