//! The fields of one TOML table, taken by name and type, so that every refusal names its place.

use toml::{Table, Value};

use crate::conversation::cards::CardsError;

/// One table of the file. [`Fields::finish`] refuses the keys that nobody asked for: a misspelt
/// key would otherwise be a card that silently says less.
pub(super) struct Fields<'a> {
    place: String,
    table: &'a Table,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub fn new(place: impl Into<String>, table: &'a Table) -> Self {
        Self { place: place.into(), table, known: Vec::new() }
    }

    /// Names the place better, once its id is known.
    pub fn rename(&mut self, place: String) {
        self.place = place;
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    pub fn error(&self, field: &str, problem: impl Into<String>) -> CardsError {
        CardsError::Field {
            place: self.place.clone(),
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    /// A text without control characters, 1 to `max` characters after trimming.
    pub fn text(&mut self, key: &'static str, max: usize) -> Result<Option<&'a str>, CardsError> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => self.check_text(key, value, max).map(Some),
        }
    }

    pub fn required_text(&mut self, key: &'static str, max: usize) -> Result<&'a str, CardsError> {
        self.text(key, max)?
            .ok_or_else(|| self.error(key, "is missing; every card and entry needs it"))
    }

    pub fn bool(&mut self, key: &'static str) -> Result<Option<bool>, CardsError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Boolean(it)) => Ok(Some(*it)),
            Some(_) => Err(self.error(key, "is neither true nor false")),
        }
    }

    pub fn texts(
        &mut self,
        key: &'static str,
        max_entries: usize,
        max: usize,
    ) -> Result<Vec<&'a str>, CardsError> {
        let entries = self.list(key, max_entries, "a list of texts such as [\"…\", \"…\"]")?;
        entries.iter().map(|it| self.check_text(key, it, max)).collect()
    }

    pub fn tables(
        &mut self,
        key: &'static str,
        max_entries: usize,
    ) -> Result<Vec<&'a Table>, CardsError> {
        let entries = self.list(key, max_entries, "a list of tables such as [{ … }, { … }]")?;
        entries
            .iter()
            .map(|it| it.as_table())
            .collect::<Option<_>>()
            .ok_or_else(|| self.error(key, "has an entry that is not a table { … }"))
    }

    pub fn table(&mut self, key: &'static str) -> Result<Option<&'a Table>, CardsError> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Table(it)) => Ok(Some(it)),
            Some(_) => Err(self.error(key, format!("is not a table; write [{key}]"))),
        }
    }

    /// Refuses keys that are not known.
    pub fn finish(self) -> Result<(), CardsError> {
        let unknown = self.table.keys().find(|it| !self.known.contains(&it.as_str()));
        match unknown {
            None => Ok(()),
            Some(key) => {
                let known = self.known.join(", ");
                Err(self.error(key, format!("is not known; known here: {known}")))
            }
        }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.table.get(key)
    }

    fn list(
        &mut self,
        key: &'static str,
        max_entries: usize,
        shape: &str,
    ) -> Result<&'a [Value], CardsError> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Array(entries)) if entries.len() > max_entries => {
                let n = entries.len();
                Err(self.error(key, format!("has {n} entries, at most {max_entries} are allowed")))
            }
            Some(Value::Array(entries)) => Ok(entries),
            Some(_) => Err(self.error(key, format!("is not {shape}"))),
        }
    }

    fn check_text(&self, key: &str, value: &'a Value, max: usize) -> Result<&'a str, CardsError> {
        let Value::String(text) = value else {
            return Err(self.error(key, "is not a text; put it in quotation marks"));
        };
        let text = text.trim();
        let n_chars = text.chars().count();
        if n_chars == 0 {
            return Err(self.error(key, "is empty; fill it or leave it out"));
        }
        if n_chars > max {
            let problem = format!("has {n_chars} characters, at most {max} are allowed");
            return Err(self.error(key, problem));
        }
        if text.chars().any(|it| it.is_control() && !it.is_whitespace()) {
            return Err(self.error(key, "contains a control character; remove it"));
        }
        Ok(text)
    }
}
