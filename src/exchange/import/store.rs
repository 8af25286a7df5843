//! What was checked becomes events: whole calls, in batches, in the order in which they began.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ulid::Ulid;

use super::ImportError;
use super::fields::below;
use super::findings::Findings;
use super::spool::{Spool, Waiting};
use crate::domain::{
    Alert, AlertId, AlertKind, Call, CallId, CallStatus, Event, Label, MessageId, StoredCall,
    StoredMessage, Timestamp, Urgency,
};
use crate::exchange::progress::Progress;
use crate::exchange::{Books, Interrupt};
use crate::journal::{JournalError, Need, Pending};

/// Calls of one commit, and about how many bytes of messages. One sync stores them all.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// What came of it.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stored {
    pub n_calls: u64,
    pub n_messages: u64,
    /// Calls that were here already.
    pub n_here: u64,
}

impl Stored {
    fn add(&mut self, other: Self) {
        self.n_calls += other.n_calls;
        self.n_messages += other.n_messages;
        self.n_here += other.n_here;
    }
}

/// Whether this data folder can take the open calls of the file.
pub fn check_open(
    books: &Books,
    spool: &Spool,
    most_open: usize,
    findings: &mut Findings,
) -> Result<(), ImportError> {
    let state = books.journal.snapshot();
    let mut n_new = 0;
    spool.each_open(|key, id, name| {
        if is_here(books, id)? {
            return Ok(());
        }
        n_new += 1;
        let other = match name.split_once(' ') {
            Some(("sid", sid)) => state.open_by_sid(sid),
            Some((_, caller)) => state.open_by_caller(caller),
            None => None,
        };
        if let Some(other) = other {
            findings.error(
                format_args!("{}.status", below("active_calls", key)),
                format_args!(
                    "the same caller has an open call here, {}: end that one, or use --as-ended",
                    other.id
                ),
            );
        }
        Ok(())
    })?;
    let n_open = state.n_open() + n_new;
    if n_new > 0 && n_open > most_open {
        findings.error(
            "active_calls",
            format_args!(
                "{n_open} calls would be open, and AURORA_MAX_OPEN_CALLS allows {most_open}: \
                 raise it, or use --as-ended"
            ),
        );
    }
    Ok(())
}

/// Whether every call can be put together with its messages.
pub fn check_whole(spool: &Spool, findings: &mut Findings) -> Result<(), ImportError> {
    let mut place = (i64::MIN, 0);
    while let Some(waiting) = spool.next_with_links(place)? {
        place = waiting.place;
        let key = waiting.key.clone();
        if let Err(why) = put_together(waiting) {
            findings.error(below("active_calls", &key), why);
        }
    }
    Ok(())
}

/// Stores all that waits, or all up to where it is interrupted.
pub fn store(books: &Books, spool: &Spool, interrupt: &Interrupt) -> Result<Stored, ImportError> {
    let (n_all, _) = spool.count()?;
    let mut stored = Stored::default();
    let mut under_way: Option<Pending<Stored, JournalError>> = None;
    let mut progress = Progress::new();
    let mut place = (i64::MIN, 0);
    loop {
        if interrupt.is_set() {
            finish(under_way.take(), &mut stored, n_all)?;
            return Err(ImportError::Interrupted { stored, n_all });
        }
        let (batch, n_here) = next_batch(books, spool, &mut place)
            .map_err(|err| ImportError::Broken { stored, n_all, source: Box::new(err) })?;
        stored.n_here += n_here;
        let is_last = batch.is_empty();
        // While this batch was read, the one before was written.
        finish(under_way.take(), &mut stored, n_all)?;
        if is_last {
            return Ok(stored);
        }
        under_way = Some(books.journal.submit(Need::Durable, move |state, draft| {
            let mut done = Stored::default();
            for call in batch {
                if state.call(call.id).is_some() {
                    done.n_here += 1;
                    continue;
                }
                done.n_calls += 1;
                done.n_messages += call.messages.len() as u64;
                let is_alarming =
                    call.status == CallStatus::Active && call.urgency == Urgency::Critical;
                let id = call.id;
                draft.push(Event::CallImported(Arc::new(call)));
                if is_alarming {
                    draft.push(critical(id, draft.now));
                }
            }
            Ok(done)
        }));
        progress.tell(|| format!("Storing: {} of {n_all} calls", stored.n_calls + stored.n_here));
    }
}

/// Whoever saw the call's alert, if anybody did, saw it elsewhere.
fn critical(id: CallId, now: Timestamp) -> Event {
    let ms = u64::try_from(now.as_millis()).unwrap_or(0);
    Event::AlertRaised(Alert {
        alert_id: AlertId(Ulid::from_parts(ms, rand::random())),
        kind: AlertKind::CriticalCall,
        call_id: Some(id),
        detail: "A critical call was imported.".into(),
        at: now,
    })
}

fn finish(
    under_way: Option<Pending<Stored, JournalError>>,
    stored: &mut Stored,
    n_all: u64,
) -> Result<(), ImportError> {
    let Some(under_way) = under_way else { return Ok(()) };
    match under_way.wait() {
        Ok(done) => {
            stored.add(done.value);
            Ok(())
        }
        Err(err) => {
            let source = Box::new(ImportError::from(err));
            Err(ImportError::Broken { stored: *stored, n_all, source })
        }
    }
}

/// The next calls that are not here, and how many of those passed are. Empty: that was all.
fn next_batch(
    books: &Books,
    spool: &Spool,
    place: &mut (i64, i64),
) -> Result<(Vec<Call>, u64), ImportError> {
    let (mut batch, mut n_bytes, mut n_here) = (Vec::new(), 0, 0);
    while batch.len() < BATCH && n_bytes < BATCH_BYTES {
        let Some(waiting) = spool.next_after(*place)? else { break };
        *place = waiting.place;
        if is_here(books, waiting.id)? {
            n_here += 1;
            continue;
        }
        n_bytes += waiting.call.len() + waiting.messages.as_ref().map_or(0, Vec::len);
        batch.push(put_together(waiting).map_err(ImportError::Spool)?);
    }
    Ok((batch, n_here))
}

/// The archive has every record of the journal, also of calls that left the state.
fn is_here(books: &Books, id: CallId) -> Result<bool, ImportError> {
    Ok(books.journal.view(|state| state.call(id).is_some()) || books.archived.has(id)?)
}

/// A call with its messages, and with what points at them.
fn put_together(waiting: Waiting) -> Result<Call, String> {
    let spoilt = |err: serde_json::Error| err.to_string();
    let call: StoredCall = serde_json::from_slice(&waiting.call).map_err(spoilt)?;
    let messages: BTreeMap<MessageId, StoredMessage> = match &waiting.messages {
        Some(messages) => serde_json::from_slice(messages).map_err(spoilt)?,
        None => BTreeMap::new(),
    };
    let renumbered: Option<BTreeMap<String, MessageId>> = match &waiting.renumbered {
        Some(ids) => Some(serde_json::from_str(ids).map_err(spoilt)?),
        None => None,
    };
    let requests: Vec<(Label, String)> = serde_json::from_str(&waiting.requests).map_err(spoilt)?;
    let find = |field: &str, key: &str| {
        let id = match &renumbered {
            Some(ids) => ids.get(key).copied(),
            None => key.parse().ok().filter(|it| messages.contains_key(it)),
        };
        id.ok_or_else(|| format!("its `{field}` names no message of its conversation"))
    };
    let heard = waiting.heard.map(|it| find("heard", &it)).transpose()?;
    let requests = requests
        .into_iter()
        .map(|(token, key)| find("requests", &key).map(|id| (token, id)))
        .collect::<Result<VecDeque<_>, _>>()?;
    let mut call = call.into_call(waiting.id, messages)?;
    (call.heard, call.requests) = (heard, requests);
    Ok(call)
}
