//! One conversation of the file, message by message.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::ImportError;
use super::entry;
use super::fields::{below, check_key};
use super::findings::Findings;
use super::tree::{TWICE, Tree};
use crate::domain::{Message, MessageId, StoredMessages};

/// Messages of one call. A call is one record of the journal, and in memory at once.
pub const MOST_MESSAGES: usize = 100_000;
/// Bytes of one call's messages, as the journal has them.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// A conversation, ready to be put together with its call.
#[derive(Debug, Default)]
pub struct ConversationEntry {
    /// Key of the call that it says it belongs to.
    pub call: Option<String>,
    pub n_messages: u64,
    pub messages: Option<Vec<u8>>,
    /// New ids by old keys as JSON, if they differ.
    pub renumbered: Option<String>,
}

/// A conversation that is being read.
#[derive(Debug)]
pub struct Reading {
    /// `active_conversations.KEY`
    pub path: String,
    pub call: Option<String>,
    keys: HashSet<String>,
    messages: Vec<(String, Message)>,
    n_bytes: usize,
    is_too_large: bool,
}

impl Reading {
    pub fn new(key: &str) -> Self {
        Self {
            path: below("active_conversations", key),
            call: None,
            keys: HashSet::new(),
            messages: Vec::new(),
            n_bytes: 0,
            is_too_large: false,
        }
    }

    /// `active_conversations.KEY.messages.KEY`
    pub fn path_of(&self, message: &str) -> String {
        below(&format!("{}.messages", self.path), message)
    }

    pub fn add(&mut self, key: &str, tree: Tree, findings: &mut Findings) {
        let path = self.path_of(key);
        if let Err(why) = check_key(key) {
            return findings.error(path, why);
        }
        // Beyond the bounds nothing is remembered any more, and no key either.
        if !self.is_too_large && !self.keys.insert(key.to_owned()) {
            findings.error(&path, TWICE);
        }
        let Some(message) = entry::message(path, tree, findings) else { return };
        self.n_bytes += key.len() + message.content.len() + message.sources.len();
        if self.keys.len() > MOST_MESSAGES || self.n_bytes > MOST_BYTES {
            if !std::mem::replace(&mut self.is_too_large, true) {
                findings.error(
                    format_args!("{}.messages", self.path),
                    format_args!(
                        "holds more than {MOST_MESSAGES} messages or {} MiB: divide the call",
                        MOST_BYTES / 1024 / 1024
                    ),
                );
            }
            (self.keys, self.messages) = (HashSet::new(), Vec::new());
            return;
        }
        if !self.is_too_large {
            self.messages.push((key.to_owned(), message));
        }
    }

    /// Puts the messages in their order and numbers them.
    pub fn finish(mut self, findings: &mut Findings) -> Result<ConversationEntry, ImportError> {
        let number = |it: &(String, Message)| it.0.parse::<MessageId>().ok();
        if self.messages.iter().all(|it| number(it).is_some()) {
            self.messages.sort_by_key(number);
        } else {
            // Other systems' ids say nothing; those of one moment stay as they stand.
            self.messages.sort_by_key(|it| it.1.timestamp);
        }
        let (mut messages, mut keys) = (Vec::new(), Vec::new());
        for (n, (key, mut message)) in (1..).zip(self.messages) {
            message.id = MessageId(n);
            keys.push((key, message.id));
            messages.push(Arc::new(message));
        }
        let is_renumbered = keys.iter().any(|(key, id)| id.to_string() != *key);
        findings.n_renumbered += u64::from(is_renumbered);
        let n_messages = messages.len() as u64;
        let messages = serde_json::to_vec(&StoredMessages(&messages))?;
        if messages.len() > MOST_BYTES {
            findings.error(
                format_args!("{}.messages", self.path),
                format_args!(
                    "takes {} bytes; at most {MOST_BYTES} are accepted: divide the call",
                    messages.len()
                ),
            );
        }
        let renumbered = if is_renumbered {
            Some(serde_json::to_string(&keys.into_iter().collect::<BTreeMap<_, _>>())?)
        } else {
            None
        };
        Ok(ConversationEntry { call: self.call, n_messages, messages: Some(messages), renumbered })
    }
}
