//! A token endpoint for service accounts: a signed assertion in, an access token out.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::shared::Shared;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const CLIENT_EMAIL: &str = "aurora@test-only.iam.gserviceaccount.com";
const SCOPES: [&str; 2] = [
    "https://www.googleapis.com/auth/firebase.database",
    "https://www.googleapis.com/auth/userinfo.email",
];
/// Made for these tests; opens nothing.
const KEY: &str = include_str!("../../fixtures/test_only_rsa_key.pem");

pub fn service_account_json(token_uri: &str) -> String {
    let pem = KEY.find("-----BEGIN").map_or(KEY, |start| &KEY[start..]);
    json!({
        "type": "service_account",
        "project_id": "test-only",
        "private_key_id": "test-only",
        "private_key": pem,
        "client_email": CLIENT_EMAIL,
        "client_id": "0",
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    })
    .to_string()
}

pub async fn token(body: Bytes, shared: Data<Shared>) -> HttpResponse {
    shared.note_token_request();
    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|it| &it.1);
    if field("grant_type").map(String::as_str) != Some(GRANT_TYPE) {
        return refused("unsupported_grant_type", "Invalid grant_type");
    }
    match field("assertion").map(|it| check(it)) {
        Some(Ok(())) => HttpResponse::Ok().json(json!({
            "access_token": shared.issue_token(),
            "expires_in": 3599,
            "token_type": "Bearer",
        })),
        Some(Err(why)) => refused("invalid_grant", why),
        None => refused("invalid_request", "Missing assertion"),
    }
}

fn check(assertion: &str) -> Result<(), &'static str> {
    let parts: Vec<&str> = assertion.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else {
        return Err("Invalid JWT: not three parts");
    };
    let header = json_part(header).ok_or("Invalid JWT header")?;
    let claims = json_part(claims).ok_or("Invalid JWT claims")?;
    let signature = bytes_part(signature).ok_or("Invalid JWT Signature.")?;
    let scopes: Vec<&str> = text(&claims, "scope").split(' ').collect();
    let life_s = claims["exp"].as_i64().unwrap_or(0) - claims["iat"].as_i64().unwrap_or(0);
    if text(&header, "alg") != "RS256" || signature.len() != 256 {
        return Err("Invalid JWT Signature.");
    }
    if text(&claims, "iss") != CLIENT_EMAIL {
        return Err("Invalid JWT: unknown issuer");
    }
    if !text(&claims, "aud").ends_with("/token") {
        return Err("Invalid JWT: wrong audience");
    }
    if !SCOPES.iter().all(|it| scopes.contains(it)) {
        return Err("Invalid OAuth scope");
    }
    if !(1..=3600).contains(&life_s) {
        return Err("Invalid JWT: must be a short-lived token");
    }
    Ok(())
}

fn bytes_part(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()
}

fn json_part(part: &str) -> Option<Value> {
    serde_json::from_slice(&bytes_part(part)?).ok()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn refused(error: &str, description: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({"error": error, "error_description": description}))
}
