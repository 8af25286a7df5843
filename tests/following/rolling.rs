//! One server after the other under 500 open calls: whoever asks once more is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::callers::transcripts;
use crate::harness::{Builder, Event, EventStream, TestApp, wait_until};

const CALLS: usize = 500;
/// Of them so many speak at the same moment.
const SPEAKING: usize = 48;
const BOARDS: usize = 5;
/// Answers before each restart.
const ANSWERS: usize = 600;
/// A phone provider gives up after 15 s in all.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all callers share.
struct World {
    base: String,
    client: Client,
    /// Each of its requests has a connection of its own.
    probe: Client,
    turns: Semaphore,
    n_answers: AtomicUsize,
    n_repeated: AtomicUsize,
    is_over: AtomicBool,
}

impl World {
    /// Waits until a server accepts and answers: after a failure that is the next one.
    async fn until_open(&self) {
        let deadline = Instant::now() + PATIENCE;
        let look = self.probe.get(format!("{}/health/live", self.base)).timeout(PATIENCE);
        while heard(look.try_clone().expect("it has no body")).await.is_none() {
            assert!(Instant::now() < deadline, "no server answers");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// One request of a provider, which repeats it once if it fails.
    async fn speak(&self, call: usize, words: &str, token: &str) -> String {
        let (sid, number) = (format!("CA{call}"), number(call));
        let form = [("CallSid", sid.as_str()), ("From", &number), ("SpeechResult", words)];
        let request = self
            .client
            .request(Method::POST, format!("{}/process-speech", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("i-twilio-idempotency-token", token)
            .body(serde_urlencoded::to_string(form).expect("pairs of text are a form"));
        let again = request.try_clone().expect("its body is text");
        if let Some(answer) = heard(request).await {
            return answer;
        }
        self.n_repeated.fetch_add(1, Ordering::Relaxed);
        self.until_open().await;
        heard(again).await.expect("the second request is answered")
    }

    /// Speaks until all is over; what was said.
    async fn talk(self: Arc<Self>, call: usize) -> Vec<String> {
        let mut said = Vec::new();
        while !self.is_over.load(Ordering::Relaxed) || said.is_empty() {
            let turn = self.turns.acquire().await.expect("it stays open");
            let words = format!("This is {call} with message {}: the door is stuck", said.len());
            let answer = self.speak(call, &words, &format!("{call}-{}", said.len())).await;
            drop(turn);
            assert!(answer.contains("<Gather") && answer.contains("<Say"), "{answer}");
            self.n_answers.fetch_add(1, Ordering::Relaxed);
            said.push(words);
        }
        said
    }
}

fn number(call: usize) -> String {
    format!("+1555{call:07}")
}

/// The whole answer; `None` if the connection failed at any moment.
async fn heard(request: reqwest::RequestBuilder) -> Option<String> {
    let response = request.timeout(PATIENCE).send().await.ok()?;
    let status = response.status();
    let text = response.text().await.ok()?;
    assert_eq!(status, 200, "{text}");
    Some(text)
}

/// A board that comes back whenever its stream ends, until it was told of `last`.
async fn watch(mut stream: EventStream, world: Arc<World>, last: String) -> Vec<Event> {
    let mut seen = Vec::new();
    loop {
        while let Some(event) = stream.next().await {
            let is_last = event.data["messages"][0]["content"] == *last;
            seen.push(event);
            if is_last {
                return seen;
            }
        }
        world.until_open().await;
        stream = stream.reopen().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_turn_is_lost_by_a_rolling_restart_under_500_calls() {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let mut app = TestApp::builder().data_dir(dir.path()).spawn().await;
    let same: Builder = TestApp::builder().data_dir(dir.path()).env("AURORA_BIND", app.host_port());
    let world = Arc::new(World {
        base: app.url(""),
        client: app.client.clone(),
        probe: Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .expect("the client needs nothing from outside"),
        turns: Semaphore::new(SPEAKING),
        n_answers: AtomicUsize::new(0),
        n_repeated: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    });
    let mut boards = JoinSet::new();
    let last = "That was all".to_owned();
    for _ in 0..BOARDS {
        let mut board = app.board().await;
        board.until("initial").await;
        boards.spawn(watch(board, Arc::clone(&world), last.clone()));
    }
    let mut talking = JoinSet::new();
    for call in 0..CALLS {
        let world = Arc::clone(&world);
        talking.spawn(async move { (call, world.talk(call).await) });
    }
    wait_until("all calls are open", async || {
        world.n_answers.load(Ordering::Relaxed) > CALLS + SPEAKING
    })
    .await;

    for is_early in [false, true, true] {
        let before = world.n_answers.load(Ordering::Relaxed);
        wait_until("more is said", async || {
            world.n_answers.load(Ordering::Relaxed) >= before + ANSWERS
        })
        .await;
        let asked = Instant::now();
        app.signal("TERM");
        if !is_early {
            assert!(app.wait_for_end().success(), "{}", app.stderr());
        }
        let mut old = std::mem::replace(&mut app, same.clone().spawn().await);
        assert!(old.wait_for_end().success(), "{}", old.stderr());
        // The next one has had time to start in that.
        assert!(asked.elapsed() < PATIENCE, "{:?}: {}", asked.elapsed(), old.stderr());
    }
    let before = world.n_answers.load(Ordering::Relaxed);
    wait_until("the last server is spoken to", async || {
        world.n_answers.load(Ordering::Relaxed) >= before + CALLS
    })
    .await;
    world.is_over.store(true, Ordering::Relaxed);
    let talked = talking.join_all().await;
    app.say(&number(CALLS), &last).await;
    let n_repeated = world.n_repeated.load(Ordering::Relaxed);
    assert!(n_repeated >= 3, "nobody noticed the restarts: {n_repeated}");

    let transcripts = transcripts(&app.total().await);
    assert_eq!(talked.len(), CALLS);
    for (call, said) in &talked {
        let transcript = &transcripts[&number(*call)];
        let (words, answers): (Vec<_>, Vec<_>) =
            transcript.iter().enumerate().partition(|it| it.0 % 2 == 0);
        assert!(words.iter().all(|it| it.1.0 == "user"), "{transcript:?}");
        assert!(answers.iter().all(|it| it.1.0 == "assistant"), "{transcript:?}");
        assert_eq!(words.len(), answers.len(), "{transcript:?}");
        assert!(words.iter().map(|it| &it.1.1).eq(said), "{call}: {said:?}, but {transcript:?}");
    }
    let told = boards.join_all().await;
    assert_eq!(told.len(), BOARDS);
    for seen in &told {
        let seqs: Vec<u64> = seen.iter().filter_map(Event::seq).collect();
        let (first, last) = (seqs[0], seqs[seqs.len() - 1]);
        assert!(seqs.iter().copied().eq(first..=last), "nothing missed, nothing twice");
        assert!(!seen.iter().any(|it| ["gap", "initial"].contains(&it.name.as_str())));
    }
    let n_words: usize = talked.iter().map(|it| it.1.len()).sum();
    let n_seen = told[0].iter().filter(|it| it.data["messages"][0]["role"] == "user").count();
    assert_eq!(n_seen, n_words + 1);
}
