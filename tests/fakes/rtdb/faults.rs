//! What can be wrong with the database: the switches and which request they hit.

use std::time::Duration;

/// One thing that is wrong. Several kinds can be set at once.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Connections are refused and open ones are cut.
    Down,
    /// Connections are accepted and closed at once.
    AcceptAndClose,
    /// Requests are read and never answered; nothing is applied.
    Hang,
    /// The same, of requests whose path contains this text.
    HangAt(String),
    /// Every answer takes this long.
    Slow(Duration),
    /// Every request and every answer is on its way for half of this round trip.
    Far(Duration),
    /// This status for the next `times` requests; nothing is applied.
    Status { status: u16, times: usize },
    /// 429 with `Retry-After` (seconds) for the next `times` requests.
    TooManyRequests { retry_after_s: u64, times: usize },
    /// Every request is sent on to this base address with 307.
    Redirect(String),
    /// Every other request is answered with 503.
    Flapping,
    /// The next `times` writes are applied, and then the connection is cut instead of an answer.
    Lying { times: usize },
    /// Every token seen or issued so far is answered with 401; a newer one is accepted.
    ExpiredCredentials,
    /// A write whose path contains this text is answered with 400.
    Poison(String),
    /// A body of more bytes is answered with 413.
    MaxBody(usize),
    /// A PATCH of more paths is answered with 400.
    MaxPaths(usize),
    /// Streams tell of a PATCH value by value.
    SplitEvents,
    /// Streams send their bytes in small pieces.
    SplitBytes,
    /// Streams stay open and tell nothing any more; what happens meanwhile is lost on them.
    SilentStreams,
}

/// What a request meets before the database sees it.
pub enum Gate {
    Open,
    Hang,
    Slow(Duration),
    Far(Duration),
    Answer { status: u16, text: &'static str, retry_after_s: Option<u64> },
    Redirect(String),
}

#[derive(Default)]
pub struct Faults {
    set: Vec<Fault>,
    n_seen: usize,
}

impl Faults {
    pub fn set(&mut self, fault: Fault) {
        let kind = std::mem::discriminant(&fault);
        self.set.retain(|it| std::mem::discriminant(it) != kind);
        self.set.push(fault);
    }

    pub fn clear(&mut self) {
        self.set.clear();
    }

    pub fn is_set(&self, fault: &Fault) -> bool {
        self.set.contains(fault)
    }

    pub fn accept_and_close(&self) -> bool {
        self.set.contains(&Fault::AcceptAndClose)
    }

    /// The faults that hit any request, whatever it asks.
    pub fn gate(&mut self, path: &str) -> Gate {
        self.n_seen += 1;
        let n_seen = self.n_seen;
        for fault in &mut self.set {
            match fault {
                Fault::Hang => return Gate::Hang,
                Fault::HangAt(part) if path.contains(part.as_str()) => return Gate::Hang,
                Fault::Slow(wait) => return Gate::Slow(*wait),
                Fault::Far(trip) => return Gate::Far(*trip),
                Fault::Status { status, times } if *times > 0 => {
                    *times -= 1;
                    return answer(*status, "switched on by the test", None);
                }
                Fault::TooManyRequests { retry_after_s, times } if *times > 0 => {
                    *times -= 1;
                    return answer(429, "Too many requests", Some(*retry_after_s));
                }
                Fault::Redirect(base) => return Gate::Redirect(base.clone()),
                Fault::Flapping if n_seen.is_multiple_of(2) => {
                    return answer(503, "Service unavailable", None);
                }
                _ => {}
            }
        }
        Gate::Open
    }

    /// Why a write of these paths and this size is refused: status and text.
    pub fn refusal(&self, paths: &[String], size_bytes: usize) -> Option<(u16, String)> {
        self.set.iter().find_map(|fault| match fault {
            Fault::MaxBody(max) if size_bytes > *max => Some((413, "Payload too large".to_owned())),
            Fault::MaxPaths(max) if paths.len() > *max => Some((400, "Too many paths".to_owned())),
            Fault::Poison(part) if paths.iter().any(|it| it.contains(part)) => {
                Some((400, format!("Invalid data below '{part}'")))
            }
            _ => None,
        })
    }

    /// Whether the answer to this applied write is to be cut.
    pub fn take_lie(&mut self) -> bool {
        for fault in &mut self.set {
            if let Fault::Lying { times } = fault
                && *times > 0
            {
                *times -= 1;
                return true;
            }
        }
        false
    }
}

fn answer(status: u16, text: &'static str, retry_after_s: Option<u64>) -> Gate {
    Gate::Answer { status, text, retry_after_s }
}
