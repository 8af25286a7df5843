//! Where somebody may have said something: calls whose conversations have to be read.
//!
//! The one idea: whoever says something moves `last_message_at`, and so do we. A time that is none
//! of our messages' is somebody's, whatever their clock says. Ours may have covered theirs before it
//! was heard of; so what we wrote in while nobody listened is read once more when somebody does.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::domain::{Call, CallId, Seq, Timestamp};

pub struct Moves {
    /// For those who read conversations.
    to: mpsc::Sender<CallId>,
    /// What did not fit there yet.
    unread: BTreeSet<CallId>,
    /// The times that were seen to since everything was told last.
    followed: FxHashMap<CallId, Value>,
    /// What we wrote up to here was told of in order with what others did.
    heard_seq: Seq,
}

impl Moves {
    pub fn new(to: mpsc::Sender<CallId>) -> Self {
        let (unread, followed) = (BTreeSet::new(), FxHashMap::default());
        Self { to, unread, followed, heard_seq: 0 }
    }

    /// Looks at the time that stands there.
    pub fn look(&mut self, call: &Call, there: Option<&Value>) {
        let Some(there) = there.filter(|it| call.is_open() && !is_ours(call, it)) else { return };
        if self.followed.get(&call.id) != Some(there) {
            self.followed.insert(call.id, there.clone());
            self.unread.insert(call.id);
        }
    }

    /// Everything is told anew. A reading may have broken off, so each time counts again.
    pub fn begin(&mut self) {
        self.followed.clear();
    }

    /// Everything was told. `acked_seq`: up to where the database had what we wrote before that.
    pub fn catch_up<'a>(&mut self, calls: impl Iterator<Item = &'a Call>, acked_seq: Seq) {
        let covered = calls.filter(|it| it.is_open() && it.last_seq > self.heard_seq);
        self.unread.extend(covered.map(|it| it.id));
        self.heard_seq = acked_seq;
    }

    /// Passes on as many as fit.
    pub fn pass_on(&mut self) {
        while let Some(id) = self.unread.first().copied()
            && self.to.try_send(id).is_ok()
        {
            self.unread.pop_first();
        }
    }
}

/// Whether that is a time that we wrote, or none.
fn is_ours(call: &Call, there: &Value) -> bool {
    let at = match there {
        Value::String(text) => text.parse().ok(),
        Value::Number(ms) => return !ms.is_i64(),
        _ => None,
    };
    let is_known = |at: Timestamp| {
        at == call.last_message_at
            || at == call.started_at
            || call.messages.iter().rev().any(|it| it.timestamp == at)
    };
    at.is_none_or(is_known)
}
