//! The whole file, read once from its first byte to its last, and checked on the way.
//!
//! The one idea: only one entry is in memory at a time. What is wrong with an entry is told with
//! its path, and the reading goes on; only what is no JSON ends it.

use std::cell::Cell;
use std::fmt::Display;
use std::io::{BufReader, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess};

use super::ImportError;
use super::conversation::Reading;
use super::entry;
use super::fields::{below, check_key};
use super::findings::Findings;
use super::guard::Guard;
use super::spool::Spool;
use super::tree::{Bounded, Members, Object, TWICE, Tree};
use crate::exchange::Interrupt;
use crate::exchange::progress::{Progress, megabytes};

const TOO_LARGE: &str = "is too large: a call or a message has a few short fields";

/// What gathers while a file is read.
pub struct Check<'s> {
    spool: &'s Spool,
    interrupt: &'s Interrupt,
    as_ended: bool,
    findings: Findings,
    /// Where the reading is.
    place: String,
    n_bytes: Rc<Cell<u64>>,
    size: Option<u64>,
    progress: Progress,
    /// What ended the reading, if it is not the file's fault.
    failed: Option<ImportError>,
}

impl<'s> Check<'s> {
    pub fn new(spool: &'s Spool, interrupt: &'s Interrupt, as_ended: bool) -> Self {
        Self {
            spool,
            interrupt,
            as_ended,
            findings: Findings::default(),
            place: String::new(),
            n_bytes: Rc::default(),
            size: None,
            progress: Progress::new(),
            failed: None,
        }
    }

    /// Reads all of `input`; what was found in it.
    ///
    /// # Errors
    /// Only what is not the file's fault: that is among the findings.
    pub fn read(mut self, input: impl Read, size: Option<u64>) -> Result<Findings, ImportError> {
        self.size = size;
        let guard = Guard::new(input, Rc::clone(&self.n_bytes));
        let buffered = BufReader::with_capacity(64 * 1024, guard);
        let mut from = serde_json::Deserializer::from_reader(buffered);
        let mut top = Top { check: &mut self, has: [false; 2] };
        let read = Object(&mut top).deserialize(&mut from).and_then(|()| from.end());
        let has_any = top.has.contains(&true);
        if let Some(err) = self.failed {
            return Err(err);
        }
        match read {
            Ok(()) if !has_any && self.findings.n_errors == 0 => self.findings.error(
                "the file",
                "has neither active_calls nor active_conversations: it is not in the published \
                 format",
            ),
            Ok(()) => self.spool.check_together(&mut self.findings)?,
            Err(err) => {
                let place = if self.place.is_empty() { "the file" } else { &self.place };
                self.findings.error(place, format_args!("is no valid JSON: {err}"));
            }
        }
        Ok(self.findings)
    }

    /// Before an entry: where it is, how far that is, and whether to go on.
    fn arrive<E: serde::de::Error>(&mut self, place: String) -> Result<(), E> {
        self.place = place;
        let (n_bytes, size) = (self.n_bytes.get(), self.size);
        self.progress.tell(|| match size {
            Some(size) => format!("Checking: {} of {}", megabytes(n_bytes), megabytes(size)),
            None => format!("Checking: {}", megabytes(n_bytes)),
        });
        if self.interrupt.is_set() { self.give_up(ImportError::InterruptedBefore) } else { Ok(()) }
    }

    /// Ends the reading.
    fn give_up<T, E: serde::de::Error>(&mut self, err: ImportError) -> Result<T, E> {
        self.failed = Some(err);
        Err(E::custom("the reading was given up"))
    }

    fn or_give_up<T, E: serde::de::Error>(&mut self, done: Result<T, ImportError>) -> Result<T, E> {
        done.or_else(|err| self.give_up(err))
    }

    fn tell_kind(&mut self, path: impl Display, kind: &str) {
        self.findings.error(path, format_args!("must be an object, not {kind}"));
    }

    /// Reads an entry at the place; `None` if it is larger than any should be, which is told.
    fn entry<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<Tree>, A::Error> {
        let tree = map.next_value_seed(Bounded)?;
        if tree.is_none() {
            self.findings.error(&self.place, TOO_LARGE);
        }
        Ok(tree)
    }
}

struct Top<'c, 's> {
    check: &'c mut Check<'s>,
    /// Whether it has calls, and conversations.
    has: [bool; 2],
}

impl Top<'_, '_> {
    fn meets(&mut self, part: usize, name: &str) {
        if std::mem::replace(&mut self.has[part], true) {
            self.check.findings.error(name, TWICE);
        }
    }
}

impl Members for Top<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        self.check.arrive(super::findings::shown(key).to_string())?;
        match key {
            "active_calls" => {
                self.meets(0, key);
                map.next_value_seed(Object(&mut Calls(self.check)))
            }
            "active_conversations" => {
                self.meets(1, key);
                map.next_value_seed(Object(&mut Conversations(self.check)))
            }
            // Of another journal, and of another server's board.
            "journal_id" | "journal_seq" | "alerts" | "conflicts" => {
                map.next_value::<IgnoredAny>().map(|_| ())
            }
            other => {
                self.check.findings.unknown("", other);
                map.next_value::<IgnoredAny>().map(|_| ())
            }
        }
    }

    fn is_no_object(&mut self, kind: &'static str) {
        self.check.tell_kind("the file", kind);
    }
}

struct Calls<'c, 's>(&'c mut Check<'s>);

impl Members for Calls<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let check = &mut *self.0;
        check.arrive(below("active_calls", key))?;
        let tree = check.entry(map)?;
        if let Err(why) = check_key(key) {
            check.findings.error(&check.place, why);
            return Ok(());
        }
        let call = tree.and_then(|it| entry::call(key, it, check.as_ended, &mut check.findings));
        let added = check.spool.add_call(key, call.as_ref());
        if !check.or_give_up(added)? {
            check.findings.error(&check.place, TWICE);
        }
        Ok(())
    }

    fn is_no_object(&mut self, kind: &'static str) {
        self.0.tell_kind("active_calls", kind);
    }
}

struct Conversations<'c, 's>(&'c mut Check<'s>);

impl Members for Conversations<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let check = &mut *self.0;
        check.arrive(below("active_conversations", key))?;
        let n_errors = check.findings.n_errors;
        let mut conversation = Conversation { check, reading: Reading::new(key), has: [false; 2] };
        map.next_value_seed(Object(&mut conversation))?;
        let Conversation { reading, has, .. } = conversation;
        let path = reading.path.clone();
        check.place.clone_from(&path);
        if check.findings.n_errors == n_errors {
            for (has, name) in has.into_iter().zip(["call_id", "messages"]) {
                // A database that knows no empty object leaves `messages` out.
                if !has && name == "call_id" {
                    check.findings.error(below(&path, name), "is missing");
                }
            }
        }
        if let Err(why) = check_key(key) {
            check.findings.error(&path, why);
            return Ok(());
        }
        let entry = reading.finish(&mut check.findings);
        let entry = check.or_give_up(entry)?;
        let added = check.spool.add_conversation(key, &entry);
        if !check.or_give_up(added)? {
            check.findings.error(&path, TWICE);
        }
        Ok(())
    }

    fn is_no_object(&mut self, kind: &'static str) {
        self.0.tell_kind("active_conversations", kind);
    }
}

struct Conversation<'c, 's> {
    check: &'c mut Check<'s>,
    reading: Reading,
    /// Whether it has `call_id`, and `messages`.
    has: [bool; 2],
}

impl Members for Conversation<'_, '_> {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let path = below(&self.reading.path, key);
        let part = ["call_id", "messages"].iter().position(|it| *it == key);
        if let Some(part) = part
            && std::mem::replace(&mut self.has[part], true)
        {
            self.check.findings.error(&path, TWICE);
        }
        self.check.place.clone_from(&path);
        match key {
            "call_id" => {
                match self.check.entry(map)? {
                    Some(Tree::Text(call)) => match check_key(&call) {
                        Ok(()) => self.reading.call = Some(call),
                        Err(why) => self.check.findings.error(path, why),
                    },
                    Some(other) => self
                        .check
                        .findings
                        .error(path, format_args!("must be a text, not {}", other.kind())),
                    None => {}
                }
                Ok(())
            }
            "messages" => map.next_value_seed(Object(&mut Messages(self))),
            // How far a mirror elsewhere was means nothing here.
            "sync_status" => map.next_value::<IgnoredAny>().map(|_| ()),
            other => {
                self.check.findings.unknown("active_conversations.*.", other);
                map.next_value::<IgnoredAny>().map(|_| ())
            }
        }
    }

    fn is_no_object(&mut self, kind: &'static str) {
        let path = self.reading.path.clone();
        self.check.tell_kind(path, kind);
    }
}

struct Messages<'m, 'c, 's>(&'m mut Conversation<'c, 's>);

impl Members for Messages<'_, '_, '_> {
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let Conversation { check, reading, .. } = &mut *self.0;
        check.arrive(reading.path_of(key))?;
        if let Some(tree) = check.entry(map)? {
            reading.add(key, tree, &mut check.findings);
        }
        Ok(())
    }

    fn is_no_object(&mut self, kind: &'static str) {
        let path = below(&self.0.reading.path, "messages");
        self.0.check.tell_kind(path, kind);
    }
}
