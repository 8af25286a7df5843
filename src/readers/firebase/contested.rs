//! Values that others may have changed meanwhile: looked at before they are written, and written
//! only in place of what was seen.
//!
//! The one idea: what somebody set there goes through the journal first, which rules on it; then the
//! batch is read again, as the ruling may have changed what is to be written. So nobody's value is
//! overwritten unseen, and the order of the journal stays the only one.
//!
//! While a stream over the calls is known to be good, none of this is needed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::Value;
use tracing::warn;

use super::client::{Etag, Found, Put, WriteError};
use super::delivery::{Delivery, Flow};
use super::entry;
use super::patience::Waited;
use super::writes::{Writes, json_size, merge};
use crate::domain::{CallId, RemoteCall};

/// Puts in the journal what was changed of a call there, if it knows the call; given the offset of
/// the database's clock. An error is waited out.
pub type TakeIn = Box<dyn FnMut(RemoteCall, i64) -> Result<(), String> + Send>;

/// After so many changes by others in a row, somebody writes without end: wait a little.
const MAX_MISMATCHES: usize = 25;

/// A larger entry is not kept in mind; ours are at most half of it.
const MAX_ENTRY_BYTES: usize = 128 * 1024;

/// The entries that were seen, and taken in, and not yet written over.
#[derive(Default)]
pub(super) struct Seen {
    /// `None`: what can't be named, or not kept, is written blindly, value by value.
    entries: BTreeMap<CallId, Option<(Etag, Value)>>,
    n_mismatches: usize,
}

impl Delivery {
    /// Writes what in `writes` is contested, and leaves the rest. [`Flow::Reread`]: the journal has
    /// something new, or nothing could be written.
    pub fn deliver_contested(&mut self, writes: &mut Writes) -> Flow {
        loop {
            match self.look_and_replace(writes) {
                // Of the whole state: what was taken in is a later record, and follows.
                Flow::Reread if self.is_filling => {}
                flow => return flow,
            }
        }
    }

    fn look_and_replace(&mut self, writes: &mut Writes) -> Flow {
        self.attend();
        writes.forget(|path| self.is_forgotten(path));
        if self.progress.status.is_stream_good() {
            self.seen.entries.clear();
            return Flow::Done;
        }
        writes.contest_beginnings(self.doubt.up_to());
        let calls: Vec<CallId> = writes.contested().collect();
        self.seen.entries.retain(|id, _| calls.contains(id));
        let mut is_new = false;
        for id in &calls {
            if self.seen.entries.contains_key(id) {
                continue;
            }
            loop {
                match self.see(*id) {
                    Ok(is_changed) => break is_new |= is_changed,
                    Err(err) => match self.again(&err) {
                        Flow::Done => {}
                        flow => return flow,
                    },
                }
            }
        }
        if is_new {
            return Flow::Reread;
        }
        for id in calls {
            let Some(Some((etag, present))) = self.seen.entries.remove(&id) else { continue };
            loop {
                match self.replace(id, &etag, &present, writes) {
                    Ok(Flow::Done) => break self.seen.n_mismatches = 0,
                    Ok(flow) => return flow,
                    // If it was written all the same, the tag does not fit any more.
                    Err(err) => match self.again(&err) {
                        Flow::Done => {}
                        flow => return flow,
                    },
                }
            }
        }
        Flow::Done
    }

    /// Writes a part of the whole state. `there`: the calls of which the database has something.
    pub fn deliver_whole(&mut self, mut part: Writes, there: &BTreeSet<CallId>) -> Flow {
        part.begin_but(there);
        match self.deliver_contested(&mut part) {
            Flow::Done => self.deliver(part, None),
            flow => flow,
        }
    }

    /// The calls of which the database has an entry.
    pub fn calls_there(&mut self) -> Result<BTreeSet<CallId>, WriteError> {
        let shallow = [("shallow", "true")];
        match self.request(async |client| client.get("active_calls", &shallow).await) {
            Ok(found) => {
                let keys = found.value.as_object().into_iter().flat_map(|it| it.keys());
                Ok(keys.filter_map(|it| it.parse().ok()).collect())
            }
            // What can't be seen is written blindly.
            Err(WriteError::Unreadable { reason } | WriteError::Refused { reason, .. }) => {
                warn!(reason, "The calls in the database can't be listed.");
                Ok(BTreeSet::new())
            }
            Err(err) => Err(err),
        }
    }

    /// Waits, and whether the same request is to be made again. By itself: in a flapping database
    /// several requests may never succeed in a row.
    fn again(&mut self, err: &WriteError) -> Flow {
        if self.patience.wait_out(err) == Waited::Stop {
            return Flow::Stop;
        }
        self.attend();
        self.check_position()
    }

    /// Looks at the entry of a call; whether somebody changed something in it.
    fn see(&mut self, id: CallId) -> Result<bool, WriteError> {
        match self.request(async |client| client.get(&path(id), &[]).await) {
            Ok(found) => self.take(id, found),
            Err(WriteError::Unreadable { reason } | WriteError::Refused { reason, .. }) => {
                self.seen.entries.insert(id, None);
                warn!(call.id = %id, reason, "The entry of `{id}` in the database can't be read.");
                Ok(false)
            }
            Err(err) => Err(err),
        }
    }

    fn take(&mut self, id: CallId, found: Found) -> Result<bool, WriteError> {
        let clock = self.progress.status.clock();
        clock.note_answer(found.server_time, found.took);
        let mut is_changed = false;
        if let Some((remote, _)) = entry::look(id, &found.value, clock.server_now())
            && (!remote.edits.is_empty() || remote.ended.is_some())
        {
            is_changed = true;
            (self.take_in)(remote, clock.offset_ms())
                .map_err(|reason| WriteError::Misconfigured { reason })?;
        }
        // Without a tag there is no condition: like an entry that can't be read.
        let is_small = json_size(&found.value) <= MAX_ENTRY_BYTES;
        let seen = found.etag.filter(|_| is_small).map(|etag| (etag, found.value));
        self.seen.entries.insert(id, seen);
        Ok(is_changed)
    }

    /// Writes the entry of a call, if it is still what was seen.
    fn replace(
        &mut self,
        id: CallId,
        etag: &Etag,
        present: &Value,
        writes: &mut Writes,
    ) -> Result<Flow, WriteError> {
        let prefix = format!("{}/", path(id));
        // Somebody may have been forgotten while we waited.
        writes.forget(|path| self.is_forgotten(path));
        let mut wanted = present.clone();
        for (at, _, value) in writes.iter() {
            if let Some(rest) = at.strip_prefix(&prefix) {
                merge(&mut wanted, rest, value.clone());
            }
        }
        // As after a write of ours whose answer was lost.
        if is_same(present, &wanted) {
            let own = writes.take_below(&prefix);
            self.accepted(&own);
            return Ok(Flow::Done);
        }
        let body = Bytes::from(wanted.to_string());
        match self.request(async |client| client.put_if(&path(id), etag, body).await) {
            Ok(Put::Done(_)) => {
                // It is told of in one event.
                self.progress.status.sent().forget(id);
                let own = writes.take_below(&prefix);
                self.accepted(&own);
            }
            Ok(Put::Changed(found)) => {
                self.seen.n_mismatches += 1;
                if self.seen.n_mismatches >= MAX_MISMATCHES {
                    self.seen.n_mismatches = 0;
                    let reason = "somebody changes a call without end".to_owned();
                    let retry_after = None;
                    return Err(WriteError::Temporary { reason, retry_after, may_be_done: false });
                }
                self.take(id, found)?;
                return Ok(Flow::Reread);
            }
            // One of its values is refused, or something of others in it is: value by value it
            // turns out which.
            Err(WriteError::Refused { .. } | WriteError::Unreadable { .. }) => {}
            Err(err) => return Err(err),
        }
        Ok(Flow::Done)
    }
}

fn path(id: CallId) -> String {
    format!("active_calls/{id}")
}

/// Whether the two are the same but for when that was written.
fn is_same(present: &Value, wanted: &Value) -> bool {
    let (Value::Object(present), Value::Object(wanted)) = (present, wanted) else { return false };
    let is_other = |name: &str| name != "updated_at";
    let names = present.keys().chain(wanted.keys()).filter(|it| is_other(it));
    names.into_iter().all(|name| present.get(name) == wanted.get(name))
}
