//! A client of the live streams, as a browser's `EventSource` reads them.
//!
//! Format: WHATWG HTML, "9.2 Server-sent events".

use std::collections::VecDeque;

use reqwest::Method;
use serde_json::Value;

use super::{PATIENCE, TestApp};

#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub name: String,
    pub data: Value,
}

impl Event {
    /// The sequence in its id.
    pub fn seq(&self) -> Option<u64> {
        self.id.as_ref()?.rsplit_once('-')?.1.parse().ok()
    }
}

/// An open stream.
#[derive(Debug)]
pub struct EventStream {
    /// Of the last event that had one.
    pub last_id: Option<String>,
    /// After how many ms to come back, each time that it was told.
    pub retries_ms: Vec<u32>,
    path: String,
    request: reqwest::RequestBuilder,
    response: reqwest::Response,
    unread: Vec<u8>,
    events: VecDeque<Event>,
}

impl EventStream {
    /// Opens it as a supervisor, from `last_id` on if there is one.
    ///
    /// # Panics
    /// Unless it is a stream.
    pub async fn open(app: &TestApp, path: &str, last_id: Option<&str>) -> Self {
        let request = app
            .request(Method::GET, path)
            .bearer_auth(&app.token)
            .header("accept", "text/event-stream");
        Self::send(request, path, last_id).await
    }

    async fn send(request: reqwest::RequestBuilder, path: &str, last_id: Option<&str>) -> Self {
        let same = request.try_clone().expect("it has no body");
        let request = match last_id {
            Some(id) => request.header("last-event-id", id),
            None => request,
        };
        let response = tokio::time::timeout(PATIENCE, request.send()).await;
        let response = response.expect("the stream opens in time").expect("the server answers");
        assert_eq!(response.status(), 200);
        let kind = response.headers().get("content-type").and_then(|it| it.to_str().ok());
        assert_eq!(kind, Some("text/event-stream"));
        Self {
            last_id: last_id.map(str::to_owned),
            retries_ms: Vec::new(),
            path: path.to_owned(),
            request: same,
            response,
            unread: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// Opens it again where this one is, as a browser does that lost its connection.
    pub async fn resume(&self, app: &TestApp) -> Self {
        Self::open(app, &self.path, self.last_id.as_deref()).await
    }

    /// As [`EventStream::resume`], at the same address.
    pub async fn reopen(&self) -> Self {
        let request = self.request.try_clone().expect("it has no body");
        Self::send(request, &self.path, self.last_id.as_deref()).await
    }

    /// The next event; `None` when the server has closed the stream.
    ///
    /// # Panics
    /// If there is neither within [`PATIENCE`].
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                if event.id.is_some() {
                    self.last_id.clone_from(&event.id);
                }
                return Some(event);
            }
            let piece = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            // A cut connection is an end, too.
            let piece = piece.expect("an event comes in time").ok().flatten()?;
            self.take(&piece);
        }
    }

    /// The next event of that name; others are passed over.
    ///
    /// # Panics
    /// If the stream ends before.
    pub async fn until(&mut self, name: &str) -> Event {
        self.until_so(name, |_| true).await
    }

    /// The next event of that name for whose data `is_so`.
    ///
    /// # Panics
    /// If the stream ends before, or nothing comes for [`PATIENCE`].
    pub async fn until_so(&mut self, name: &str, is_so: impl Fn(&Value) -> bool) -> Event {
        let search = async {
            loop {
                let event = self.next().await.expect("the stream goes on");
                if event.name == name && is_so(&event.data) {
                    return event;
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("no `{name}` as expected"))
    }

    fn take(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
        while let Some(end) = self.unread.windows(2).position(|it| it == b"\n\n") {
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            let block = String::from_utf8(block).expect("streams are UTF-8");
            let retries = block.lines().filter_map(|it| it.strip_prefix("retry: "));
            self.retries_ms.extend(retries.map(|it| it.parse::<u32>().expect("it is in ms")));
            self.events.extend(parse(&block));
        }
    }
}

/// `None` for a block of comments.
fn parse(block: &str) -> Option<Event> {
    let (mut id, mut name, mut data) = (None, "message".to_owned(), Vec::new());
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = Some(value.to_owned()),
            "event" => name = value.to_owned(),
            "data" => data.push(value),
            _ => {}
        }
    }
    if data.is_empty() {
        return None;
    }
    let data = serde_json::from_str(&data.join("\n")).expect("data is JSON");
    Some(Event { id, name, data })
}
