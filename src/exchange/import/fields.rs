//! The fields of one entry, taken one by one: what is wrong with each is told with its path.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::findings::{Findings, shown};
use super::tree::Tree;
use crate::domain::{Label, Note, PhoneNumber, Timestamp, Utterance, clean};

/// Longest of the short texts that have no type of their own.
const MOST_NAME_BYTES: usize = 128;

pub struct Fields<'f> {
    /// Where the entry stands in the file.
    path: String,
    members: Vec<(String, Tree)>,
    findings: &'f mut Findings,
    has_errors: bool,
}

impl<'f> Fields<'f> {
    /// `None`: it is no object, which is told.
    pub fn of(path: String, tree: Tree, findings: &'f mut Findings) -> Option<Self> {
        let n_before = findings.n_errors;
        tree.tell_duplicates(&path, findings);
        let has_errors = findings.n_errors > n_before;
        match tree {
            Tree::Object(members) => Some(Self { path, members, findings, has_errors }),
            other => {
                findings.error(path, format_args!("must be an object, not {}", other.kind()));
                None
            }
        }
    }

    pub fn error(&mut self, field: &str, why: impl std::fmt::Display) {
        self.has_errors = true;
        self.findings.error(format_args!("{}.{field}", self.path), why);
    }

    /// Takes a field that may be missing; `null` is missing.
    pub fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Tree, &mut Findings) -> Result<T, String>,
    ) -> Option<T> {
        let place = self.members.iter().position(|it| it.0 == name)?;
        let value = self.members.swap_remove(place).1;
        if value == Tree::Null {
            return None;
        }
        match read(value, self.findings) {
            Ok(value) => Some(value),
            Err(why) => {
                self.error(name, why);
                None
            }
        }
    }

    /// Takes a field that must be there. `None`: it is not, or is wrong, which is told.
    pub fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(Tree, &mut Findings) -> Result<T, String>,
    ) -> Option<T> {
        match self.members.iter().find(|it| it.0 == name).map(|it| &it.1) {
            None => self.error(name, "is missing"),
            Some(Tree::Null) => self.error(name, "must not be null"),
            Some(_) => return self.optional(name, read),
        }
        None
    }

    /// Leaves a field out that means nothing here.
    pub fn ignore(&mut self, name: &str) {
        self.members.retain(|it| it.0 != name);
    }

    /// Counts what is left as unknown; whether nothing was wrong.
    pub fn finish(self, place: &str) -> bool {
        for (name, _) in &self.members {
            self.findings.unknown(place, name);
        }
        !self.has_errors
    }
}

fn text(value: Tree) -> Result<String, String> {
    match value {
        Tree::Text(text) => Ok(text),
        other => Err(format!("must be a text, not {}", other.kind())),
    }
}

/// A word of a fixed list; `words` names them to a person.
pub fn word<T: for<'de> Deserialize<'de>>(
    words: &'static str,
) -> impl FnOnce(Tree, &mut Findings) -> Result<T, String> {
    move |value, _| {
        let text = text(value)?;
        let word: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
        T::deserialize(word).map_err(|_| format!("must be one of {words}"))
    }
}

pub fn truth(value: Tree, _: &mut Findings) -> Result<bool, String> {
    match value {
        Tree::Bool(it) => Ok(it),
        other => Err(format!("must be true or false, not {}", other.kind())),
    }
}

pub fn time(value: Tree, _: &mut Findings) -> Result<Timestamp, String> {
    let text = text(value)?;
    // What the library says repeats the text, which may be anything.
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        "must be a time with its offset, such as 2026-11-20T12:00:00.123Z or \
         2026-11-20T13:00:00+01:00"
            .to_owned()
    })?;
    let ms = time.as_millisecond();
    let timestamp = Timestamp::from_millis(ms);
    if timestamp.as_millis() == ms {
        Ok(timestamp)
    } else {
        Err("must lie in the years 1970 to 9999".to_owned())
    }
}

pub fn number(value: Tree, _: &mut Findings) -> Result<PhoneNumber, String> {
    PhoneNumber::parse(&text(value)?).map_err(|err| err.to_string())
}

pub fn label(value: Tree, _: &mut Findings) -> Result<Label, String> {
    Label::parse(&text(value)?).map_err(|err| err.to_string())
}

pub fn note(value: Tree, _: &mut Findings) -> Result<Note, String> {
    Note::parse(&text(value)?).map_err(|err| err.to_string())
}

/// A short text of one line, as it is.
pub fn name(value: Tree, _: &mut Findings) -> Result<String, String> {
    let text = text(value)?;
    match text.len() {
        0 => Err("must not be empty".to_owned()),
        it if it > MOST_NAME_BYTES => {
            Err(format!("is {it} bytes long; at most {MOST_NAME_BYTES} are accepted"))
        }
        _ if clean(&text) != text => Err("holds a character that is not allowed there".to_owned()),
        _ => Ok(text),
    }
}

/// What was said.
pub fn words(value: Tree, findings: &mut Findings) -> Result<Utterance, String> {
    let text = text(value)?;
    let words = Utterance::parse(&text).map_err(|err| err.to_string())?;
    findings.n_cleaned += u64::from(words.as_str() != text.trim());
    Ok(words)
}

/// What an answer rests on; may be empty.
pub fn sources(value: Tree, findings: &mut Findings) -> Result<String, String> {
    match value {
        Tree::Text(text) if text.trim().is_empty() => Ok(String::new()),
        other => words(other, findings).map(|it| it.as_str().to_owned()),
    }
}

/// The key of another entry of the file.
pub fn key(value: Tree, _: &mut Findings) -> Result<String, String> {
    let text = text(value)?;
    check_key(&text).map(|()| text)
}

/// Whether a key is one that can be kept.
pub fn check_key(key: &str) -> Result<(), String> {
    match key.len() {
        0 => Err("is an empty key".to_owned()),
        it if it > MOST_NAME_BYTES => {
            Err(format!("is a key of {it} bytes; at most {MOST_NAME_BYTES} are accepted"))
        }
        _ => Ok(()),
    }
}

/// Pairs of a request's token and a message's key.
pub fn requests(value: Tree, findings: &mut Findings) -> Result<Vec<(Label, String)>, String> {
    const EACH: &str = "must be a list of pairs of a token and a message's id";
    let Tree::List(pairs) = value else { return Err(EACH.to_owned()) };
    let mut requests = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let Tree::List(mut pair) = pair else { return Err(EACH.to_owned()) };
        let (Some(message), Some(token), None) = (pair.pop(), pair.pop(), pair.pop()) else {
            return Err(EACH.to_owned());
        };
        requests.push((label(token, findings)?, key(message, findings)?));
    }
    Ok(requests)
}

/// `path.key`
pub fn below(path: &str, key: &str) -> String {
    format!("{path}.{}", shown(key))
}
