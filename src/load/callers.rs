//! The callers: each with a call of their own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use super::connection::Connection;
use super::report::{Latencies, Report};
use super::viewers::Viewers;
use super::{LoadError, Options};

/// What callers say, in turn: urgent and not, short and long.
const SPEECHES: [&str; 8] = [
    "There is a fire in the warehouse near the loading dock",
    "I am in building four on the second floor",
    "No nobody is hurt but the smoke is getting thicker",
    "The forklift in aisle nine does not start any more",
    "My number is on the list at the gate office",
    "We are all outside now and waiting at the gate",
    "Can you tell me when somebody will come and look at it",
    "I think one of my colleagues cut his hand on the press",
];

#[derive(Debug, Default)]
struct Tally {
    turns: u64,
    durable: u64,
    refused: u64,
    latencies: Latencies,
}

/// Speaks for the given time and adds up what all callers saw.
pub async fn speak(options: &Arc<Options>, viewers: &Viewers) -> Result<Report, LoadError> {
    let tally = Rc::new(RefCell::new(Tally::default()));
    let mut connections = Vec::with_capacity(options.callers);
    for _ in 0..options.callers {
        connections.push(Connection::open(options).await?);
    }
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for (n, connection) in connections.into_iter().enumerate() {
        let (options, tally) = (Arc::clone(options), Rc::clone(&tally));
        let caller = Caller { n, connection, tally, sent: viewers.sent() };
        callers.spawn_local(caller.speak(options, started));
    }
    while let Some(caller) = callers.join_next().await {
        caller.map_err(|err| LoadError::Answer(err.to_string()))??;
    }
    let tally = Rc::try_unwrap(tally).map(RefCell::into_inner).unwrap_or_default();
    Ok(Report {
        callers: options.callers,
        seconds: started.elapsed().as_secs_f64(),
        turns: tally.turns,
        durable: tally.durable,
        refused: tally.refused,
        latencies: tally.latencies,
        viewers: 0,
        seen: Latencies::default(),
    })
}

struct Caller {
    n: usize,
    connection: Connection,
    tally: Rc<RefCell<Tally>>,
    /// When which turn began, for the viewers.
    sent: Rc<RefCell<Vec<Instant>>>,
}

impl Caller {
    async fn speak(mut self, options: Arc<Options>, started: Instant) -> Result<(), LoadError> {
        let pause = options.rate.map(|it| Duration::from_secs_f64(options.callers as f64 / it));
        // At a rate, callers take turns instead of speaking all at once.
        let mut due =
            started + pause.unwrap_or_default().mul_f64(self.n as f64 / options.callers as f64);
        let number = format!("+1999{:07}", self.n);
        for turn in 0.. {
            // Who had to wait for an answer until after the turn was due has waited since then. Else
            // the timer, which knows whole milliseconds only, is not the server's to answer for.
            let is_late = pause.is_some() && Instant::now() > due;
            if pause.is_some() {
                tokio::time::sleep_until(due.into()).await;
            }
            if started.elapsed() >= options.duration {
                break;
            }
            let began = if is_late { due } else { Instant::now() };
            let speech = SPEECHES[(self.n + turn) % SPEECHES.len()];
            let body = self.body(&number, speech, options.viewers > 0);
            let answer = self.connection.post(&options.path, body).await?;
            let took = began.elapsed();
            let mut tally = self.tally.borrow_mut();
            tally.turns += 1;
            tally.latencies.record(took);
            let is_ok = answer.status == 200;
            tally.refused += u64::from(!is_ok);
            let is_durable = is_ok && contains(&answer.body, b"\"durable\":true");
            tally.durable += u64::from(is_durable);
            due += pause.unwrap_or_default();
        }
        if options.hang_up {
            let body = format!(r#"{{"ph_no":"{number}"}}"#);
            self.connection.post("/api/hang-up", body.into()).await?;
        }
        Ok(())
    }

    /// Viewers find the turn's number in the words.
    fn body(&self, number: &str, speech: &str, is_seen: bool) -> Bytes {
        if !is_seen {
            return format!(r#"{{"speech":"{speech}","ph_no":"{number}"}}"#).into();
        }
        let mut sent = self.sent.borrow_mut();
        sent.push(Instant::now());
        format!(r#"{{"speech":"{speech} load-{:08}","ph_no":"{number}"}}"#, sent.len() - 1).into()
    }
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    body.windows(text.len()).any(|it| it == text)
}
