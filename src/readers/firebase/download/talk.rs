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
/// Why something is left where it is.
pub const TOO_MANY: &str = "has more words of others than can be dealt with at a time";
const BAD_KEY: &str = "has a key that is none of 1 to 64 bytes on one line";

/// A message as far as it was told.
#[derive(Debug, Default, Clone, PartialEq)]
struct Said {
    role: Option<Value>,
    content: Option<Value>,
    admin_id: Option<Value>,
    /// It was taken, or can't be: kept only as long as there is room.
    is_settled: bool,
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
            return self.put_all(value, touched);
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
                    // All of it is here: what is missing will not come.
                    let field = |name| {
                        Some(fields.get(name).map_or(Value::Null, |it| bounded(it, MAX_TEXT_BYTES)))
                    };
                    let (role, content) = (field("role"), field("content"));
                    Said { role, content, admin_id: field("admin_id"), is_settled: false }
                }
                None => Said { role: Some(Value::Null), ..Said::default() },
            },
            [name, deeper @ ..] => {
                let mut said = self.said.get(*key).cloned().unwrap_or_default();
                let field = match *name {
                    "role" => &mut said.role,
                    "content" => &mut said.content,
                    "admin_id" => &mut said.admin_id,
                    _ => return,
                };
                let plain = bounded(value, MAX_TEXT_BYTES);
                *field = Some(plain).filter(|it| deeper.is_empty() && !it.is_null());
                said.is_settled = false;
                said
            }
        };
        if !self.said.contains_key(*key) && self.said.len() >= MAX_KEPT && !self.make_room() {
            return self.leave("", TOO_MANY);
        }
        self.said.insert((*key).to_owned(), said);
        touched.insert((*key).to_owned());
    }

    /// Everything is told anew.
    fn put_all(&mut self, value: &RawValue, touched: &mut BTreeSet<String>) {
        self.said.clear();
        let all = children(value);
        // What is still there and wrong is told of once.
        let (path, own) = (self.path(""), all.as_ref());
        self.shared.listening.settle_but(&path, |it| {
            let key = it.rsplit('/').next().filter(|_| it.len() > path.len());
            key.is_some_and(|key| own.is_some_and(|it| it.keys().any(|own| shown(own) == key)))
        });
        match all {
            Some(all) => all.iter().for_each(|(key, it)| self.put(&[key], it, touched)),
            None if is_null(value) => {}
            None => self.leave("", "must be a map of messages"),
        }
    }

    /// Lets go of what was dealt with; whether there was anything.
    fn make_room(&mut self) -> bool {
        let settled = self.said.iter().find(|it| it.1.is_settled).map(|it| it.0.clone());
        settled.is_some_and(|key| self.said.remove(&key).is_some())
    }

    async fn look(&mut self, key: &str) {
        let Some(said) = self.said.get(key) else { return };
        let message = match judge(self.call_id, key, said) {
            Judged::Take(message) => message,
            Judged::Wait => return,
            Judged::Leave(reason) => {
                self.leave(key, reason);
                return self.is_settled(key);
            }
        };
        match (self.shared.here.take_in_words)(message).await {
            Ok(is_new) => {
                self.shared.listening.settle(&self.path(key), &[]);
                self.shared.listening.took(usize::from(is_new));
            }
            Err(NotTaken::Gone) => {}
            Err(NotTaken::Ended) => self.leave(key, "came after the call had ended"),
            Err(NotTaken::Later(_)) => {
                self.again.insert(key.to_owned());
                return;
            }
        }
        self.is_settled(key);
    }

    fn is_settled(&mut self, key: &str) {
        if let Some(said) = self.said.get_mut(key) {
            said.is_settled = true;
        }
    }

    /// Whether what is under that key may be words at all; what may not is told of.
    pub fn may_be_words(&self, key: &str) -> bool {
        let may_be = label(key).is_some();
        if !may_be {
            self.leave(key, BAD_KEY);
        }
        may_be
    }

    pub fn leave(&self, key: &str, reason: &'static str) {
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

fn label(key: &str) -> Option<Label> {
    Label::parse(key).ok().filter(|it| it.as_str() == key)
}

fn judge(call_id: CallId, key: &str, said: &Said) -> Judged {
    let Some(label) = label(key) else { return Judged::Leave(BAD_KEY) };
    let Some(role) = &said.role else { return Judged::Wait };
    if role.as_str() != Some(Role::Admin.as_str()) {
        return Judged::Leave("is not said by `admin`; only a supervisor's words are taken");
    }
    let by = said.admin_id.as_ref().and_then(|it| Label::parse(it.as_str()?).ok());
    match said.content.as_ref().map(|it| it.as_str().map(Utterance::parse)) {
        None => Judged::Wait,
        Some(Some(Ok(content))) => Judged::Take(RemoteMessage { call_id, key: label, content, by }),
        Some(_) => Judged::Leave("must have a text of 1 to 16,384 bytes as `content`"),
    }
}
