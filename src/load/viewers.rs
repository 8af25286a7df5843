//! The viewers: supervisors' boards, each a stream.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::report::Latencies;
use super::{LoadError, Options};

/// What marks a turn's number in its words.
const MARK: &[u8] = b"load-";
const DIGITS: usize = 8;
/// The last words may still be on their way when the last caller is answered.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Seen {
    arrived: u64,
    latencies: Latencies,
}

pub struct Viewers {
    n: u64,
    sent: Rc<RefCell<Vec<Instant>>>,
    seen: Rc<RefCell<Seen>>,
    tasks: JoinSet<()>,
}

impl Viewers {
    pub async fn open(options: &Arc<Options>) -> Result<Self, LoadError> {
        let mut viewers = Self {
            n: options.viewers as u64,
            sent: Rc::default(),
            seen: Rc::default(),
            tasks: JoinSet::new(),
        };
        for _ in 0..options.viewers {
            let (mut body, connection) =
                Connection::open(options).await?.stream("/api/stream").await?;
            // From here on nothing is missed.
            until_initial(&mut body).await?;
            let (sent, seen) = (Rc::clone(&viewers.sent), Rc::clone(&viewers.seen));
            viewers.tasks.spawn_local(look(body, connection, sent, seen));
        }
        Ok(viewers)
    }

    pub fn sent(&self) -> Rc<RefCell<Vec<Instant>>> {
        Rc::clone(&self.sent)
    }

    /// Waits a moment for the last words and hands out how long all took.
    pub async fn close(mut self, turns: u64) -> Latencies {
        let deadline = Instant::now() + PATIENCE;
        while self.seen.borrow().arrived < self.n * turns && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.tasks.abort_all();
        std::mem::take(&mut self.seen.borrow_mut().latencies)
    }
}

async fn until_initial(body: &mut Incoming) -> Result<(), LoadError> {
    let mut tail = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        tail.extend_from_slice(&data);
        if tail.windows(14).any(|it| it == b"event: initial") && tail.ends_with(b"\n\n") {
            return Ok(());
        }
    }
    Err(LoadError::Answer("the stream ended before it began".to_owned()))
}

async fn look(
    mut body: Incoming,
    _connection: Connection,
    sent: Rc<RefCell<Vec<Instant>>>,
    seen: Rc<RefCell<Seen>>,
) {
    // A mark may be split over two pieces.
    let mut rest: Vec<u8> = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let now = Instant::now();
        rest.extend_from_slice(&data);
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&rest[from..], MARK) {
            let digits = from + at + MARK.len();
            let Some(number) = rest.get(digits..digits + DIGITS) else { break };
            let number = std::str::from_utf8(number).ok().and_then(|it| it.parse::<usize>().ok());
            if let Some(began) = number.and_then(|it| sent.borrow().get(it).copied()) {
                let mut seen = seen.borrow_mut();
                seen.arrived += 1;
                seen.latencies.record(now - began);
            }
            from = digits + DIGITS;
        }
        let keep = rest.len().saturating_sub(MARK.len() + DIGITS).max(from);
        rest.drain(..keep);
    }
}
