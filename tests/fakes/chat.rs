//! A chat server with the wire protocol of OpenAI, whose behaviour is scripted per request.
//!
//! # Promises
//! - It runs on 127.0.0.1 in its own thread until it is dropped.
//! - It refuses what the real one refuses: an empty message, `stream_options` without `stream`,
//!   `json_object` without the word JSON. The official client is content with it.
//! - It records what it received.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses a part of it, and a fake that fails must be loud"
)]

mod replies;

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{Bytes, Data, get, post},
};
use serde_json::{Value, json};

/// The model that the server says it has.
pub const MODEL: &str = "fake-1";
/// What it says when nothing else is scripted.
pub const MESSAGE: &str = "Leave the café now. Are you hurt?";
/// The whole text that carries [`MESSAGE`].
pub const ANSWER: &str = r#"{"urgency":"URGENT","message":"Leave the café now. Are you hurt?","sources":["Gas card","Made up"]}"#;

/// How one request is answered.
#[derive(Debug, Clone)]
pub enum Case {
    /// [`ANSWER`], in pieces of a few characters, or whole if no stream was asked for.
    Normal,
    /// This text in place of [`ANSWER`].
    Content(String),
    /// Byte by byte, inside characters too, with CRLF and no blank after `data:`.
    OddSplits,
    /// The end is told by `finish_reason` only.
    NoDone,
    /// This text, then the regular end of the body: no `finish_reason`, no `[DONE]`.
    EndsAfter(String),
    /// This text, then the connection is cut.
    CutAfter(String),
    /// This text, then an error object.
    ErrorAfter(String),
    /// This text, then nothing, for ever.
    HangsAfter(String),
    /// The headers come at once, the first token after this time.
    SlowFirst(Duration),
    /// A pause in the middle.
    SlowGap(Duration),
    /// Not even headers, for ever.
    Hangs,
    /// 429 with `retry-after-ms`.
    RateLimited { retry_after_ms: u64 },
    /// 429 that no waiting helps against.
    Quota,
    /// 400 while the request has this parameter or this type of `response_format`.
    Refuses(&'static [&'static str]),
    /// 400 that a conversation of more than two messages is too long.
    ShortContext,
    /// One JSON document although a stream was asked for.
    WholeJson,
    /// `<think>` and a fence around the answer, with tags split over pieces.
    Thinks,
    /// `reasoning_content` and `reasoning` before the content.
    Reasons,
    /// Chunks without choices before and after; usage in one of them.
    UsageChunks,
    /// Comments before and between.
    KeepAlive,
    /// The model declines in `refusal`.
    Declines,
    /// The token limit cuts the answer.
    ReachesLength,
    /// An error object with status 200 and `application/json`.
    ErrorWith200,
    /// HTML of a proxy.
    BadGateway,
    /// Another status with this body.
    Status(u16, &'static str),
    /// Text without end.
    Endless,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    pub authorization: Option<String>,
    pub body: Value,
    pub peer: SocketAddr,
}

/// The server. Dropped, it closes.
pub struct ChatFake {
    address: SocketAddr,
    shared: Arc<Shared>,
    handle: ServerHandle,
}

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    received: Mutex<Vec<Received>>,
}

struct Script {
    next: VecDeque<Case>,
    otherwise: Case,
}

impl Default for Script {
    fn default() -> Self {
        Self { next: VecDeque::new(), otherwise: Case::Normal }
    }
}

impl ChatFake {
    pub fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (started, handle) = mpsc::channel();
        let data = Data::from(Arc::clone(&shared));
        let serve = move || {
            let app = move || {
                App::new()
                    .app_data(data.clone())
                    .route("/v1/models", get().to(models))
                    .route("/v1/chat/completions", post().to(completions))
            };
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.shutdown_timeout(0).listen(listener).unwrap().run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        };
        thread::Builder::new().name("fake-chat".to_owned()).spawn(serve).unwrap();
        Self { address, shared, handle: handle.recv_timeout(Duration::from_secs(30)).unwrap() }
    }

    /// Base address, with `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Scripts the next request that is not scripted yet.
    pub fn script(&self, case: Case) -> &Self {
        self.shared.script.lock().unwrap().next.push_back(case);
        self
    }

    /// Scripts every request after those.
    pub fn otherwise(&self, case: Case) -> &Self {
        self.shared.script.lock().unwrap().otherwise = case;
        self
    }

    /// The questions so far, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }
}

impl Drop for ChatFake {
    fn drop(&mut self) {
        // The command is sent at once; nobody has to wait for the end.
        drop(self.handle.stop(false));
    }
}

async fn models() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "object": "list",
        "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "aurora"}],
    }))
}

async fn completions(http: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return replies::refused(400, "the body is no JSON", None);
    };
    let header = http.headers().get("authorization").and_then(|it| it.to_str().ok());
    shared.received.lock().unwrap().push(Received {
        authorization: header.map(str::to_owned),
        body: body.clone(),
        peer: http.peer_addr().unwrap(),
    });
    if let Some((message, param)) = mistake(&body) {
        return replies::refused(400, message, Some(param));
    }
    let case = {
        let mut script = shared.script.lock().unwrap();
        let next = script.next.pop_front();
        next.unwrap_or_else(|| script.otherwise.clone())
    };
    replies::reply(case, &body).await
}

/// What the real server would not take.
fn mistake(body: &Value) -> Option<(&'static str, &'static str)> {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_empty = |it: &Value| it["content"].as_str().is_none_or(str::is_empty);
    let has_json = |it: &Value| it["content"].as_str().is_some_and(|it| it.contains("JSON"));
    if !body["model"].is_string() {
        Some(("you must provide a model parameter", "model"))
    } else if messages.is_empty() || messages.iter().any(is_empty) {
        Some(("messages must not be empty", "messages"))
    } else if !body["stream_options"].is_null() && body["stream"] != true {
        Some(("stream_options needs stream", "stream_options"))
    } else if body["response_format"]["type"] == "json_object" && !messages.iter().any(has_json) {
        Some(("messages must contain the word JSON", "messages"))
    } else if !body["max_tokens"].is_null() && !body["max_completion_tokens"].is_null() {
        Some(("max_tokens and max_completion_tokens are exclusive", "max_tokens"))
    } else {
        None
    }
}
