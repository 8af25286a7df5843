//! A value of the file as it stands there, whatever it is: nothing is refused while it is read, so
//! that all that is wrong with it can be told at once.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::findings::{Findings, shown};

/// Values in one entry, and bytes of text. A call or a message has a dozen short ones.
const MOST_VALUES: usize = 4_096;
const MOST_BYTES: usize = 1024 * 1024;

#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Integer(u64),
    /// Any other number.
    Number,
    Text(String),
    List(Vec<Tree>),
    /// Members in the order of the file, those that stand there twice included.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Number => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Tells every key that stands twice in one object, at every level below `path`.
    pub fn tell_duplicates(&self, path: &str, findings: &mut Findings) {
        match self {
            Self::List(items) => {
                for (place, item) in items.iter().enumerate() {
                    item.tell_duplicates(&format!("{path}[{place}]"), findings);
                }
            }
            Self::Object(members) => {
                let mut keys = HashSet::with_capacity(members.len());
                for (key, value) in members {
                    if !keys.insert(key) {
                        findings.error(format_args!("{path}.{}", shown(key)), TWICE);
                    }
                    if matches!(value, Self::List(_) | Self::Object(_)) {
                        value.tell_duplicates(&format!("{path}.{}", shown(key)), findings);
                    }
                }
            }
            _ => {}
        }
    }
}

pub const TWICE: &str = "stands there twice";

/// Reads a value of bounded size; `None` if it is larger. It is read to its end all the same.
#[derive(Debug)]
pub struct Bounded;

impl<'de> DeserializeSeed<'de> for Bounded {
    type Value = Option<Tree>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Option<Tree>, D::Error> {
        let mut room = Room { values: MOST_VALUES, bytes: MOST_BYTES, is_exceeded: false };
        let tree = Within(&mut room).deserialize(from)?;
        Ok(Some(tree).filter(|_| !room.is_exceeded))
    }
}

struct Room {
    values: usize,
    bytes: usize,
    is_exceeded: bool,
}

impl Room {
    fn takes(&mut self, bytes: usize) -> bool {
        self.is_exceeded |= self.values == 0 || self.bytes < bytes;
        self.values = self.values.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        !self.is_exceeded
    }
}

struct Within<'r>(&'r mut Room);

impl<'de> DeserializeSeed<'de> for Within<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Tree, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Within<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        self.0.takes(0);
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Tree, E> {
        self.0.takes(0);
        Ok(Tree::Bool(it))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Tree, E> {
        self.0.takes(0);
        Ok(Tree::Integer(it))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        self.0.takes(0);
        Ok(Tree::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        self.0.takes(0);
        Ok(Tree::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        let text = if self.0.takes(text.len()) { text.to_owned() } else { String::new() };
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while self.0.takes(0) {
            let Some(item) = seq.next_element_seed(Within(self.0))? else {
                return Ok(Tree::List(items));
            };
            items.push(item);
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Tree::Null)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while self.0.takes(0) {
            let Some(key) = map.next_key::<String>()? else { return Ok(Tree::Object(members)) };
            self.0.takes(key.len());
            members.push((key, map.next_value_seed(Within(self.0))?));
        }
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Tree::Null)
    }
}

/// Takes an object's members one by one, so that a large one is never in memory.
pub trait Members {
    /// Reads the value of `key` from `map`.
    fn member<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>;

    /// The value is no object but this.
    fn is_no_object(&mut self, kind: &'static str);
}

/// Reads a value that should be an object.
pub struct Object<'m, M>(pub &'m mut M);

impl<'de, M: Members> DeserializeSeed<'de> for Object<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<M: Members> Object<'_, M> {
    fn other<E>(self, kind: &'static str) -> Result<(), E> {
        self.0.is_no_object(kind);
        Ok(())
    }
}

impl<'de, M: Members> Visitor<'de> for Object<'_, M> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.0.member(&key, &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        self.other("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.other("null")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        self.other("true or false")
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        self.other("a number")
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        self.other("a number")
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        self.other("a number")
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        self.other("a text")
    }
}
