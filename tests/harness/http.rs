//! What a test says to the server, and what it hears.

use std::sync::Once;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{EventStream, PATIENCE, TestApp};

/// A whole response.
#[derive(Debug, Clone)]
pub struct Got {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Got {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("responses are UTF-8")
    }

    pub fn json(&self) -> Value {
        self.parse()
    }

    pub fn parse<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|err| panic!("{err} in {} {}", self.status, self.text()))
    }

    /// Empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().expect("headers are ASCII"))
    }

    /// The session that a `Set-Cookie` opens: `name=value`.
    pub fn cookie(&self) -> &str {
        self.header("set-cookie").split(';').next().unwrap_or_default()
    }
}

/// The stable code of a problem: `call-not-found`.
///
/// # Panics
/// If the response is no `application/problem+json` with the response's own status.
pub fn problem_code(got: &Got) -> String {
    assert_eq!(got.header("content-type"), "application/problem+json", "{}", got.text());
    let problem = got.json();
    assert_eq!(problem["status"], got.status, "{problem}");
    for field in ["type", "title", "detail"] {
        assert!(problem[field].as_str().is_some_and(|it| !it.is_empty()), "{field}: {problem}");
    }
    let kind = problem["type"].as_str().unwrap_or_default();
    kind.rsplit_once("/problems/").expect("the type ends in a code").1.to_owned()
}

/// The answer of `POST /api/process-speech`.
#[derive(Debug, Clone, Deserialize, PartialEq)]
pub struct Reply {
    pub message: String,
    pub ph_no: String,
    pub urgency: String,
    pub sources: Vec<String>,
    pub call_id: Option<String>,
    pub conversation_id: Option<String>,
    pub answered_by: String,
    pub durable: bool,
}

impl Reply {
    /// # Panics
    /// If the call was not opened.
    pub fn call(&self) -> &str {
        self.call_id.as_deref().expect("the answer belongs to a call")
    }

    /// # Panics
    /// If the call was not opened.
    pub fn conversation(&self) -> &str {
        self.conversation_id.as_deref().expect("the answer belongs to a conversation")
    }
}

/// A client without proxies that follows no redirect.
pub fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // Fails if the test crate has installed it: then it is there.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("the client needs nothing from outside")
}

/// Sends it and reads the whole response.
///
/// # Panics
/// If there is none within [`PATIENCE`].
pub async fn send(request: RequestBuilder) -> Got {
    let response = request.timeout(PATIENCE).send().await.expect("the server answers");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.expect("the response is whole").to_vec();
    Got { status, headers, body }
}

impl TestApp {
    /// A request without any authentication.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// As nobody.
    pub async fn get(&self, path: &str) -> Got {
        send(self.request(Method::GET, path)).await
    }

    /// As a supervisor.
    pub async fn get_as_supervisor(&self, path: &str) -> Got {
        send(self.request(Method::GET, path).bearer_auth(&self.token)).await
    }

    /// As a supervisor.
    ///
    /// # Panics
    /// Unless it is 200.
    pub async fn get_json(&self, path: &str) -> Value {
        let got = self.get_as_supervisor(path).await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
        got.json()
    }

    /// JSON as nobody.
    pub async fn post_json(&self, path: &str, body: &Value) -> Got {
        send(self.request(Method::POST, path).json(body)).await
    }

    /// JSON as a supervisor.
    pub async fn act(&self, path: &str, body: &Value) -> Got {
        send(self.request(Method::POST, path).bearer_auth(&self.token).json(body)).await
    }

    /// These bytes as nobody.
    pub async fn post_raw(&self, path: &str, content_type: &str, body: impl Into<Vec<u8>>) -> Got {
        let request = self.request(Method::POST, path).header("content-type", content_type);
        send(request.body(body.into())).await
    }

    /// A form as a phone provider sends it.
    pub async fn post_form(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Got {
        let mut request = self
            .request(Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
            .body(serde_urlencoded::to_string(pairs).expect("pairs of text are a form"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await
    }

    /// What a caller says through the JSON API.
    ///
    /// # Panics
    /// Unless it is 200.
    pub async fn say(&self, ph_no: &str, speech: &str) -> Reply {
        let got = self.try_say(ph_no, speech).await;
        assert_eq!(got.status, 200, "{}", got.text());
        got.parse()
    }

    pub async fn try_say(&self, ph_no: &str, speech: &str) -> Got {
        self.post_json("/api/process-speech", &json!({ "speech": speech, "ph_no": ph_no })).await
    }

    /// A number of `/metrics`, by its name without `aurora_`.
    ///
    /// # Panics
    /// If it is not measured.
    pub async fn metric(&self, name: &str) -> u64 {
        let got = self.get("/metrics").await;
        let prefix = format!("aurora_{name} ");
        let value = got.text().lines().find_map(|it| it.strip_prefix(&prefix));
        value.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no {name}: {}", got.text()))
    }

    /// `GET /api/active-calls-json`
    pub async fn total(&self) -> Value {
        self.get_json("/api/active-calls-json").await
    }

    pub async fn call(&self, call_id: &str) -> Value {
        self.get_json(&format!("/api/call/{call_id}")).await
    }

    /// What was said in it, oldest first: role and words.
    pub async fn messages(&self, conversation_id: &str) -> Vec<(String, String)> {
        let conversation = self.get_json(&format!("/api/conversation/{conversation_id}")).await;
        let messages = conversation["messages"].as_array().expect("a conversation has messages");
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        messages.iter().map(|it| (text(&it["role"]), text(&it["content"]))).collect()
    }

    /// The board's stream.
    pub async fn board(&self) -> EventStream {
        EventStream::open(self, "/api/stream", None).await
    }

    /// One conversation's stream.
    pub async fn listen(&self, conversation_id: &str) -> EventStream {
        EventStream::open(self, &format!("/api/conversation/{conversation_id}/stream"), None).await
    }
}
