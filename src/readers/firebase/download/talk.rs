//! What others said in one conversation: messages under keys that are not ours.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::shadow::{bounded, children, is_null, segments, shown};
use super::shared::Shared;
use super::stream::Change;
use crate::domain::{CallId, Label, MessageId, RemoteMessage, Role, Utterance};
use crate::readers::firebase::entry::Problem;
use crate::readers::firebase::here::NotTaken;

/// Words of others that are kept until they are dealt with.
const MAX_KEPT: usize = 64;
/// Longest text, with every character escaped; and longest word for who says it.
const MAX_TEXT_BYTES: usize = 6 * Utterance::MAX_BYTES;

/// A message as far as it was told.
#[derive(Debug, Default, Clone, PartialEq)]
struct Said {
    role: Option<Value>,
    content: Option<Value>,
}

pub struct Talk {
    shared: Rc<Shared>,
    call_id: CallId,
    said: BTreeMap<String, Said>,
    /// What could not be written down yet.
    again: BTreeSet<String>,
}

/// What to do with a message.
enum Judged {
    Take(RemoteMessage),
    /// A part of it is still to come.
    Wait,
    Leave(&'static str),
}

impl Talk {
    pub fn new(shared: Rc<Shared>, call_id: CallId) -> Self {
        Self { shared, call_id, said: BTreeMap::new(), again: BTreeSet::new() }
    }

    /// Whether something waits to be tried again.
    pub fn is_waiting(&self) -> bool {
        !self.again.is_empty()
    }

    /// Takes a change of the conversation's messages.
    pub async fn take(&mut self, change: &Change) {
        let path = segments(&change.path);
        let mut touched = BTreeSet::new();
        if change.is_patch {
            for (key, value) in children(&change.data).iter().flatten() {
                let path: Vec<&str> = path.iter().copied().chain(segments(key)).collect();
                self.put(&path, value, &mut touched);
            }
        } else {
            self.put(&path, &change.data, &mut touched);
        }
        for key in touched {
            self.look(&key).await;
        }
    }

    /// Takes one message as it was read.
    pub async fn take_one(&mut self, key: &str, value: &RawValue) {
        let mut touched = BTreeSet::new();
        self.put(&[key], value, &mut touched);
        for key in touched {
            self.look(&key).await;
        }
    }

    pub async fn try_again(&mut self) {
        for key in std::mem::take(&mut self.again) {
            self.look(&key).await;
        }
    }

    fn put(&mut self, path: &[&str], value: &RawValue, touched: &mut BTreeSet<String>) {
        let Some((key, rest)) = path.split_first() else {
            self.said.clear();
            self.shared.listening.settle(&self.path(""), &[]);
            match children(value) {
                Some(all) => all.iter().for_each(|(key, it)| self.put(&[key], it, touched)),
                None if is_null(value) => {}
                None => self.leave("", "must be a map of messages"),
            }
            return;
        };
        if is_ours(key) {
            return;
        }
        let said = match rest {
            [] if is_null(value) => {
                self.said.remove(*key);
                return self.shared.listening.settle(&self.path(key), &[]);
            }
            [] => match children(value) {
                Some(fields) => {
                    let field = |name| fields.get(name).map(|it| bounded(it, MAX_TEXT_BYTES));
                    Said { role: field("role"), content: field("content") }
                }
                None => Said { role: Some(Value::Null), content: None },
            },
            [name, deeper @ ..] => {
                let mut said = self.said.get(*key).cloned().unwrap_or_default();
                let field = match *name {
                    "role" => &mut said.role,
                    "content" => &mut said.content,
                    _ => return,
                };
                let plain = bounded(value, MAX_TEXT_BYTES);
                *field = Some(plain).filter(|it| deeper.is_empty() && !it.is_null());
                said
            }
        };
        if !self.said.contains_key(*key) && self.said.len() >= MAX_KEPT {
            return self.leave("", "has more words of others than can be dealt with at a time");
        }
        self.said.insert((*key).to_owned(), said);
        touched.insert((*key).to_owned());
    }

    async fn look(&mut self, key: &str) {
        let Some(said) = self.said.get(key) else { return };
        let message = match judge(self.call_id, key, said) {
            Judged::Take(message) => message,
            Judged::Wait => return,
            Judged::Leave(reason) => return self.leave(key, reason),
        };
        match (self.shared.here.take_in_words)(message).await {
            Ok(is_new) => {
                self.shared.listening.settle(&self.path(key), &[]);
                self.shared.listening.took(usize::from(is_new));
            }
            Err(NotTaken::Gone) => {}
            Err(NotTaken::Ended) => self.leave(key, "came after the call had ended"),
            Err(NotTaken::Later(_)) => drop(self.again.insert(key.to_owned())),
        }
    }

    fn leave(&self, key: &str, reason: &'static str) {
        self.shared.set_aside(&Problem { path: self.path(key), reason });
    }

    fn path(&self, key: &str) -> String {
        let path = format!("{}/{}", path_of(self.call_id), shown(key));
        path.trim_end_matches('/').to_owned()
    }
}

/// Where the messages of a call are.
pub fn path_of(call_id: CallId) -> String {
    format!("active_conversations/{}/messages", call_id.conversation())
}

/// Whether a message under that key was written by us.
pub fn is_ours(key: &str) -> bool {
    key.parse::<MessageId>().is_ok()
}

fn judge(call_id: CallId, key: &str, said: &Said) -> Judged {
    let Some(label) = Label::parse(key).ok().filter(|it| it.as_str() == key) else {
        return Judged::Leave("has a key that is none of 1 to 64 bytes on one line");
    };
    let Some(role) = &said.role else { return Judged::Wait };
    if role.as_str() != Some(Role::Admin.as_str()) {
        return Judged::Leave("is not said by `admin`; only a supervisor's words are taken");
    }
    match said.content.as_ref().map(|it| it.as_str().map(Utterance::parse)) {
        None => Judged::Wait,
        Some(Some(Ok(content))) => Judged::Take(RemoteMessage { call_id, key: label, content }),
        Some(_) => Judged::Leave("must have a text of 1 to 16,384 bytes as `content`"),
    }
}
