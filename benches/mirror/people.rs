//! Callers who speak at odd moments, and when each of their words was answered.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::server::Server;

pub const CALLERS: usize = 100;
const AT_ONCE: usize = 16;

/// Nothing urgent: that would not wait for its turn.
const SPEECHES: [&str; 4] = [
    "The forklift in aisle nine does not start any more",
    "My number is on the list at the gate office",
    "I am in building four on the second floor",
    "Can you tell me when somebody will come and look at it",
];

/// Stands in the words of each turn.
pub fn mark(n: usize) -> String {
    format!("turn-{n:07}")
}

pub fn marked(content: &str) -> Option<usize> {
    content.rsplit_once("turn-")?.1.get(..7)?.parse().ok()
}

fn words(n: usize) -> String {
    format!("{} {}", SPEECHES[n % SPEECHES.len()], mark(n))
}

/// Speaks for that long, about so many turns a second. When each was answered.
pub async fn speak(server: &Rc<Server>, rate: f64, time: Duration) -> Vec<Instant> {
    let (began, mut due) = (Instant::now(), Duration::ZERO);
    let mut turns = JoinSet::new();
    for n in 0.. {
        // As people do who know nothing of each other.
        due += Duration::from_secs_f64(-(1.0 - rand::random::<f64>()).ln() / rate);
        if due >= time {
            break;
        }
        tokio::time::sleep_until((began + due).into()).await;
        let server = Rc::clone(server);
        turns.spawn_local(async move {
            server.say(n % CALLERS, &words(n)).await;
            (n, Instant::now())
        });
    }
    let mut answered = turns.join_all().await;
    answered.sort_unstable();
    answered.into_iter().map(|it| it.1).collect()
}

/// Speaks so many turns, as fast as they are answered.
pub async fn speak_all(server: &Rc<Server>, n_turns: usize) {
    let next = Rc::new(Cell::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (server, next) = (Rc::clone(server), Rc::clone(&next));
        callers.spawn_local(async move {
            loop {
                let n = next.replace(next.get() + 1);
                if n >= n_turns {
                    return;
                }
                server.say(n % CALLERS, &words(n)).await;
            }
        });
    }
    callers.join_all().await;
}
