//! What we sent lately, so that an echo of it is known as one, also while only half of it is here.
//!
//! The one idea: a value that others may change and our mark of it travel in one request, but the
//! database may tell of them in two events. Between the two our own value looks like somebody's
//! edit. So an entry that has one of the two as we sent it is left alone for a second.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::domain::{CallId, Field};
use crate::readers::firebase::writes::Writes;

/// For how long half an echo is left alone.
pub const HALF: Duration = Duration::from_secs(1);
/// When an echo of something that was acknowledged is overdue.
const OVERDUE: Duration = Duration::from_secs(2);
/// A request that was answered neither way is forgotten then.
const FORGOTTEN: Duration = Duration::from_secs(120);
/// Values that are remembered; beyond it the oldest go.
const MAX_KEPT: usize = 8_192;
/// And of one of them.
const MAX_OF_ONE: usize = 16;

/// Shared by who writes and who listens.
#[derive(Debug, Default)]
pub struct Sent {
    /// Held for memory work only.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last_ticket: u64,
    /// What was sent of each value, oldest first.
    values: BTreeMap<(CallId, Field), VecDeque<SentValue>>,
}

/// One value that others may change, as it was sent: by the names in the entry.
#[derive(Debug)]
struct SentValue {
    ticket: u64,
    parts: BTreeMap<String, Value>,
    at: Instant,
    acked_at: Option<Instant>,
    half_since: Option<Instant>,
}

/// How much of something sent is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Echo {
    None,
    Half,
    Whole,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

impl Sent {
    /// Takes note of a request that is about to be sent.
    pub fn note(&self, writes: &Writes, now: Instant) -> Ticket {
        let mut kept = self.kept();
        kept.last_ticket += 1;
        let ticket = kept.last_ticket;
        for (path, _, value) in writes.iter() {
            let Some(rest) = path.strip_prefix("active_calls/") else { continue };
            let (key, name) = rest.split_once('/').unwrap_or((rest, ""));
            let Ok(id) = key.parse::<CallId>() else { continue };
            if name.is_empty() {
                // A whole entry is told of in one event.
                kept.forget(id);
            } else if let Some(field) = field_of(name) {
                let all = kept.values.entry((id, field)).or_default();
                if all.back().is_none_or(|it| it.ticket != ticket) {
                    // More of one value are never on their way at once.
                    if all.len() >= MAX_OF_ONE {
                        all.pop_front();
                    }
                    all.push_back(SentValue::new(ticket, now));
                }
                if let Some(own) = all.back_mut() {
                    own.parts.insert(name.to_owned(), value.clone());
                }
            }
        }
        if kept.values.len() > MAX_KEPT {
            let last = |it: &VecDeque<SentValue>| it.back().map_or(0, |it| it.ticket);
            let mut tickets: Vec<u64> = kept.values.values().map(last).collect();
            tickets.sort_unstable();
            let oldest = tickets[tickets.len() - MAX_KEPT];
            kept.values.retain(|_, it| last(it) >= oldest);
        }
        Ticket(ticket)
    }

    /// The request is in the database.
    pub fn acked(&self, ticket: Ticket, now: Instant) {
        let mut kept = self.kept();
        for own in kept.values.values_mut().flatten().filter(|it| it.ticket == ticket.0) {
            own.acked_at = Some(now);
        }
    }

    /// Looks at an entry as it is told of; the values of which half an echo is here, and until when
    /// they are to be left alone.
    pub fn look(
        &self,
        id: CallId,
        entry: &Value,
        now: Instant,
    ) -> Option<(BTreeSet<Field>, Instant)> {
        let mut kept = self.kept();
        let (mut halves, mut until) = (BTreeSet::new(), now);
        for field in Field::ALL {
            let Some(all) = kept.values.get_mut(&(id, field)) else { continue };
            // What was sent before something that is here will not come any more.
            if let Some(whole) = all.iter().rposition(|it| it.echo(entry) == Echo::Whole) {
                all.drain(..=whole);
            }
            for own in all.iter_mut() {
                if own.echo(entry) == Echo::Half {
                    let since = *own.half_since.get_or_insert(now);
                    if now < since + HALF {
                        halves.insert(field);
                        until = until.max(since + HALF);
                    }
                }
            }
            if all.is_empty() {
                kept.values.remove(&(id, field));
            }
        }
        (!halves.is_empty()).then_some((halves, until))
    }

    /// Calls of which an echo is still to come.
    pub fn waiting(&self) -> BTreeSet<CallId> {
        self.kept().values.keys().map(|it| it.0).collect()
    }

    /// The entry is gone.
    pub fn forget(&self, id: CallId) {
        self.kept().forget(id);
    }

    /// Everything is told anew: of what was acknowledged before no event will come.
    pub fn begin(&self) {
        self.kept().retain(|it| it.acked_at.is_none());
    }

    /// How long the oldest echo is overdue.
    pub fn overdue(&self, now: Instant) -> Option<Duration> {
        let mut kept = self.kept();
        kept.retain(|it| it.acked_at.is_some() || it.at + FORGOTTEN > now);
        let oldest = kept.values.values().flatten().filter_map(|it| it.acked_at).min()?;
        now.checked_duration_since(oldest + OVERDUE)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every change leaves it whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn retain(&mut self, stays: impl Fn(&SentValue) -> bool) {
        self.values.retain(|_, all| {
            all.retain(&stays);
            !all.is_empty()
        });
    }

    fn forget(&mut self, id: CallId) {
        for field in Field::ALL {
            self.values.remove(&(id, field));
        }
    }
}

impl SentValue {
    fn new(ticket: u64, at: Instant) -> Self {
        Self { ticket, parts: BTreeMap::new(), at, acked_at: None, half_since: None }
    }

    /// How much of it an entry has: of each part, and of its mark.
    fn echo(&self, entry: &Value) -> Echo {
        let (mut is_whole, mut is_half) = (true, false);
        for name in self.parts.keys().filter(|it| !it.starts_with("mirrored/")) {
            let mark = format!("mirrored/{name}");
            let (value, mark) = (self.is_there(entry, name), self.is_there(entry, &mark));
            is_whole &= value && mark;
            is_half |= value != mark;
        }
        match (is_whole, is_half) {
            (true, _) => Echo::Whole,
            (false, true) => Echo::Half,
            (false, false) => Echo::None,
        }
    }

    /// Whether the entry has this part as it was sent; a part that was not sent is no doubt.
    fn is_there(&self, entry: &Value, name: &str) -> bool {
        let Some(sent) = self.parts.get(name) else { return true };
        let there = name.split('/').try_fold(entry, |it, key| it.get(key));
        there.unwrap_or(&Value::Null) == sent
    }
}

/// The value that a part of an entry belongs to: who holds a call and its status are one.
fn field_of(name: &str) -> Option<Field> {
    let name = name.strip_prefix("mirrored/").unwrap_or(name);
    if name == "status" {
        return Some(Field::AdminId);
    }
    Field::ALL.into_iter().find(|it| it.as_str() == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use ulid::Ulid;

    use super::*;

    fn id() -> CallId {
        CallId(Ulid::from_parts(1_763_640_000_000, 1))
    }

    fn takeover() -> (Writes, Value) {
        let mut writes = Writes::new();
        let parts = [("admin_id", "Kim"), ("mirrored/admin_id", "7:Kim"), ("status", "TAKEOVER")];
        for (name, value) in parts.into_iter().chain([("mirrored/status", "TAKEOVER")]) {
            writes.set(&format!("active_calls/{}/{name}", id()), value);
        }
        let before = json!({ "status": "ACTIVE",
            "mirrored": { "status": "ACTIVE", "admin_id": "5:" } });
        (writes, before)
    }

    #[test]
    fn half_an_echo_is_left_alone_for_a_second_in_whatever_order_it_comes() {
        let parts = [
            ("/admin_id", "Kim"),
            ("/mirrored/admin_id", "7:Kim"),
            ("/mirrored/status", "TAKEOVER"),
            ("/status", "TAKEOVER"),
        ];
        for turn in 0..parts.len() {
            let (sent, now) = (Sent::default(), Instant::now());
            let (writes, mut entry) = takeover();
            let ticket = sent.note(&writes, now);
            assert_eq!(sent.look(id(), &entry, now), None, "nothing of it is here");
            sent.acked(ticket, now);
            assert!(sent.overdue(now + Duration::from_secs(3)).is_some());

            for (i, (path, value)) in parts.iter().cycle().skip(turn).take(4).enumerate() {
                match entry.pointer_mut(path) {
                    Some(own) => *own = json!(value),
                    None => entry["admin_id"] = json!(value),
                }
                // A name and its mark, or a status and its: as long as one of a pair is missing.
                let is_half = sent.look(id(), &entry, now).is_some();
                assert_eq!(is_half, i == 0 || i == 2 || (turn % 2 == 1 && i == 1), "{turn} {i}");
            }
            assert_eq!(sent.overdue(now + Duration::from_secs(3)), None, "all of it is here");
        }
    }

    #[test]
    fn what_stays_half_for_a_second_is_looked_at() {
        let (sent, now) = (Sent::default(), Instant::now());
        let (writes, mut entry) = takeover();
        sent.note(&writes, now);
        entry["admin_id"] = json!("Kim");

        let (halves, until) = sent.look(id(), &entry, now).expect("half");
        assert_eq!((halves, until), (BTreeSet::from([Field::AdminId]), now + HALF));
        assert!(sent.look(id(), &entry, now + HALF / 2).is_some());
        assert_eq!(sent.look(id(), &entry, now + HALF), None);
        entry["admin_id"] = json!("Lee");
        assert_eq!(sent.look(id(), &entry, now), None, "that is nothing of ours");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (sent, now) = (Sent::default(), Instant::now());
        for n in 0..10_000 {
            let mut writes = Writes::new();
            let call = CallId(Ulid::from_parts(1_763_640_000_000, n));
            writes.set(&format!("active_calls/{call}/urgency"), "URGENT");
            sent.note(&writes, now);
        }
        assert_eq!(sent.kept().values.len(), MAX_KEPT);
        assert_eq!(sent.overdue(now + FORGOTTEN), None, "nothing was acknowledged");
        assert_eq!(sent.kept().values.len(), 0);
    }
}
