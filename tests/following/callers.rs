//! Callers who talk until they are cut off, and remember what they said and what they heard.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Reply, TestApp, wait_until};

/// One turn of a caller.
#[derive(Debug, Clone)]
struct Turn {
    words: String,
    /// `None`: the line was cut before the answer came.
    answer: Option<Reply>,
}

/// A caller with a number of their own.
#[derive(Debug, Clone)]
pub struct Caller {
    pub number: String,
    turns: Vec<Turn>,
}

/// What was said in a call, oldest first: role and words.
pub type Transcript = Vec<(String, String)>;

impl Caller {
    /// So many callers who have not said anything yet.
    pub fn many(n: usize) -> Vec<Self> {
        let number = |i| format!("+1555{i:07}");
        (0..n).map(|i| Self { number: number(i), turns: Vec::new() }).collect()
    }

    /// Never the same twice, and now and then alarming.
    fn next_words(&self) -> String {
        let n = self.turns.len();
        let what = match n % 9 {
            2 => "there is smoke in the hall",
            5 => "the pump makes a strange noise",
            _ => "the door on this level does not close",
        };
        format!("This is {} with message {n}: {what}", self.number)
    }

    /// Talks until the line is cut; `n_answers` counts what all callers hear.
    async fn talk(mut self, request: reqwest::RequestBuilder, n_answers: Arc<AtomicUsize>) -> Self {
        loop {
            let words = self.next_words();
            let body = json!({ "speech": words, "ph_no": self.number });
            let request = request.try_clone().expect("it has no body yet").json(&body);
            let answer = heard(request).await;
            let is_cut = answer.is_none();
            self.turns.push(Turn { words, answer });
            if is_cut {
                return self;
            }
            n_answers.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn n_durable(&self) -> usize {
        self.turns.iter().filter(|it| it.is_durable()).count()
    }

    /// Every durable turn is there exactly once with its answer, no other one more than once, and
    /// all of them in the order in which they were said.
    ///
    /// # Panics
    /// If it is not so.
    pub fn check(&self, transcript: &Transcript, place: &str) {
        let (number, mut rest) = (&self.number, transcript.iter().peekable());
        for turn in &self.turns {
            let is_there = rest.next_if(|it| it.0 == "user" && it.1 == turn.words).is_some();
            let answer = is_there.then(|| rest.next_if(|it| it.0 == "assistant")).flatten();
            if let Some(reply) = turn.answer.as_ref().filter(|it| it.durable) {
                let words = &turn.words;
                assert!(is_there, "{place} of {number} lacks, or has elsewhere: {words}");
                let answer = answer.map(|it| it.1.as_str());
                assert_eq!(answer, Some(reply.message.as_str()), "{place} of {number}: {words}");
            }
        }
        assert_eq!(rest.next(), None, "{place} of {number} holds what nobody said");
    }
}

impl Turn {
    fn is_durable(&self) -> bool {
        self.answer.as_ref().is_some_and(|it| it.durable)
    }
}

/// The answer, if it came whole.
async fn heard(request: reqwest::RequestBuilder) -> Option<Reply> {
    let response = request.send().await.ok()?;
    assert_eq!(response.status(), 200);
    serde_json::from_slice(&response.bytes().await.ok()?).ok()
}

/// All callers talk at once until the server ends, which it does after so many answers and a
/// moment more, in the way of `end`.
pub async fn talk_until(
    app: &mut TestApp,
    callers: Vec<Caller>,
    answers: usize,
    moment: std::time::Duration,
    end: impl FnOnce(&mut TestApp),
) -> Vec<Caller> {
    talk_while(app, callers, async |app, n_answers| {
        wait_until("enough was answered", async || n_answers.load(Ordering::Relaxed) >= answers)
            .await;
        // Not a wait for anything: the crash comes at a moment that nobody chose.
        tokio::time::sleep(moment).await;
        end(app);
    })
    .await
}

/// All callers talk at once, until `end` is done and the server is gone with it.
pub async fn talk_while(
    app: &mut TestApp,
    callers: Vec<Caller>,
    end: impl AsyncFnOnce(&mut TestApp, &AtomicUsize),
) -> Vec<Caller> {
    let n_answers = Arc::new(AtomicUsize::new(0));
    let mut talking = JoinSet::new();
    for caller in callers {
        let request = app.request(Method::POST, "/api/process-speech");
        talking.spawn(caller.talk(request, Arc::clone(&n_answers)));
    }
    end(app, &n_answers).await;
    let mut callers: Vec<Caller> = talking.join_all().await;
    callers.sort_by(|a, b| a.number.cmp(&b.number));
    callers
}

/// Each caller's transcript, from the published format.
pub fn transcripts(published: &Value) -> BTreeMap<String, Transcript> {
    let calls = published["active_calls"].as_object().expect("there are calls");
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let mut all = BTreeMap::new();
    for call in calls.values() {
        let conversation = call["conversation_id"].as_str().expect("a call has a conversation");
        let messages = &published["active_conversations"][conversation]["messages"];
        let messages = messages.as_object().expect("a conversation has messages");
        let said = messages.values().map(|it| (text(&it["role"]), text(&it["content"])));
        let before = all.insert(text(&call["mobile_no"]), said.collect());
        assert_eq!(before, None, "a caller without a CallSid has one call");
    }
    all
}
