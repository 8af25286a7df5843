//! Whether a webhook was signed by the provider: `X-Twilio-Signature`.
//!
//! # Promises
//! - A comparison takes the same time whether the first or the last byte is wrong, and every
//!   token and spelling is tried, so the time does not tell which one came close.
//! - No tokens, an empty token or an empty header never verify.
//!
//! # Not here
//! The address to verify against: behind a proxy it is the configured public one, which only
//! `routes` knows. What an unsigned request gets.
//!
//! Source: Twilio, "Webhooks Security", and `RequestValidator` of the Python package `twilio`
//! 9.13.0, with which the vectors in the tests were made.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use url::form_urlencoded;

use crate::telephony::Pair;

/// Whether `header` signs `url` and the form parameters with one of the tokens.
///
/// `url` is the address that the provider was told to call, with its query as written. For a GET
/// `params` is empty. Several tokens are for the days in which a token is being exchanged.
pub fn verify(tokens: &[&str], url: &str, params: &[Pair<'_>], header: &str) -> bool {
    let url = without_fragment(url);
    let spellings = [Some(without_port(url)), with_default_port(url)];

    // A name that comes twice is signed as the sorted set of its values.
    let mut signed: Vec<_> =
        params.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
    signed.sort_unstable();
    signed.dedup();

    let mut verified = Choice::from(0);
    for token in tokens.iter().filter(|it| !it.is_empty()) {
        for url in spellings.iter().flatten() {
            let expected = sign(token, url, &signed);
            verified |= expected.as_bytes().ct_eq(header.as_bytes());
        }
    }
    verified.into()
}

/// Whether `header` signs `url` and a body that is not a form, such as JSON.
///
/// The signature covers the address alone; the address has to carry the body's SHA-256 as
/// `bodySHA256`. Without it nothing would vouch for the body, so that is refused.
pub fn verify_body(tokens: &[&str], url: &str, body: &[u8], header: &str) -> bool {
    let Some(claimed) = body_sha256(url) else {
        return false;
    };
    let actual = hex(&Sha256::digest(body));
    let same_body: bool = actual.as_bytes().ct_eq(claimed.as_bytes()).into();
    let same_url = verify(tokens, url, &[], header);
    same_body && same_url
}

/// The value of `bodySHA256` in the query, if it has one.
pub fn body_sha256(url: &str) -> Option<Cow<'_, str>> {
    let (_, query) = without_fragment(url).split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "bodySHA256")
        .map(|(_, value)| value)
}

fn sign(token: &str, url: &str, sorted: &[(&str, &str)]) -> String {
    let mut mac =
        Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(url.as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|it| [DIGITS[usize::from(it >> 4)], DIGITS[usize::from(it & 15)]])
        .map(char::from)
        .collect()
}

fn without_fragment(url: &str) -> &str {
    url.split_once('#').map_or(url, |(before, _)| before)
}

/// The address cut into all before the port, the port, and all behind it.
fn around_port(url: &str) -> Option<(&str, Option<&str>, &str)> {
    let host_at = url.find("://")? + 3;
    let host_end = url[host_at..].find(['/', '?']).map_or(url.len(), |it| host_at + it);
    let (before, rest) = url.split_at(host_end);
    // The last colon is a port's unless it stands inside the brackets of an IPv6 address.
    match before[host_at..].rsplit_once(':') {
        Some((_, port)) if port.bytes().all(|it| it.is_ascii_digit()) => {
            let host = &before[..before.len() - port.len() - 1];
            Some((host, Some(port), rest))
        }
        _ => Some((before, None, rest)),
    }
}

fn without_port(url: &str) -> Cow<'_, str> {
    match around_port(url) {
        Some((host, Some(_), rest)) => Cow::Owned(format!("{host}{rest}")),
        _ => Cow::Borrowed(url),
    }
}

/// The address with a port: its own, else 443 for https and 80 for everything else.
///
/// `wss` gets 80 as well; that is what the provider's validator does.
fn with_default_port(url: &str) -> Option<Cow<'_, str>> {
    let (host, port, rest) = around_port(url)?;
    if port.is_some() {
        return Some(Cow::Borrowed(url));
    }
    let port = if url.starts_with("https:") { 443 } else { 80 };
    Some(Cow::Owned(format!("{host}:{port}{rest}")))
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;
