//! One request, read: database, path, method, parameters, conditions, token.

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::http::Method;

use super::NAMESPACE;

/// The database of an emulator request without `ns`.
const EMULATOR_DEFAULT: &str = "fake-server";

pub struct Asked {
    pub method: Method,
    pub ns: String,
    pub path: Vec<String>,
    pub params: HashMap<String, String>,
    pub token: Option<String>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub wants_etag: bool,
    pub wants_stream: bool,
}

impl Asked {
    /// `None` when the path does not end in `.json`, which is not a REST request.
    pub fn read(request: &HttpRequest) -> Option<Self> {
        let path = request.uri().path().strip_suffix(".json")?;
        let path = path.split('/').filter(|it| !it.is_empty()).map(decoded).collect();
        let params: HashMap<String, String> =
            serde_urlencoded::from_str(request.query_string()).unwrap_or_default();
        let header = |name: &str| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let bearer = header("authorization")
            .and_then(|it| it.strip_prefix("Bearer ").map(str::to_owned))
            .or_else(|| params.get("access_token").cloned())
            .or_else(|| params.get("auth").cloned());
        let default_ns =
            if bearer.as_deref() == Some("owner") { EMULATOR_DEFAULT } else { NAMESPACE };
        let method = header("x-http-method-override")
            .or_else(|| params.get("x-http-method-override").cloned())
            .and_then(|it| it.parse().ok())
            .unwrap_or_else(|| request.method().clone());
        Some(Self {
            method,
            ns: params.get("ns").map_or(default_ns, String::as_str).into(),
            path,
            token: bearer,
            if_match: header("if-match"),
            if_none_match: header("if-none-match"),
            wants_etag: header("x-firebase-etag").is_some_and(|it| it == "true"),
            wants_stream: header("accept").is_some_and(|it| it.contains("text/event-stream")),
            params,
        })
    }

    pub fn is_write(&self) -> bool {
        self.method != Method::GET
    }

    pub fn prints(&self, how: &str) -> bool {
        self.params.get("print").is_some_and(|it| it == how)
    }
}

/// Percent-decodes one path segment; a plus sign stays a plus sign.
fn decoded(segment: &str) -> String {
    let pair = format!("_={}", segment.replace('+', "%2B"));
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&pair).unwrap_or_default();
    pairs.into_iter().map(|(_, value)| value).collect()
}
