//! The guard: what is not in the site's data and was not said by the caller is never spoken.
//!
//! Caller and model are both untrusted: a caller can dictate a prompt, and a model invents a room
//! as calmly as it repeats one. The guard does not judge advice; it holds back an answer with
//!
//! - a number of three or more digits, however it is written ([`numbers`]),
//! - a designation such as "zone 4", "building B" or "the east gate" ([`places`]),
//! - a person ([`names`]),
//!
//! that is not known, and every web or e-mail address ([`links`]). When in doubt it holds back,
//! since the caller then hears an approved card.
//!
//! # Not here
//! One given name without title or cue ("Anna, stay calm"), and names of towns and companies: they
//! can't be told from other words in every language.

mod links;
mod names;
mod numbers;
mod places;
mod vocabulary;
mod words;

use numbers::Numbers;
use places::Places;
use words::Word;

/// What may be named.
#[derive(Debug, Default)]
pub struct Known {
    numbers: Numbers,
    places: Places,
    /// The words of each text, since a name does not go on from one text to the next.
    texts: Vec<Vec<Word>>,
}

impl Known {
    /// Takes the site's facts.
    pub fn add_site(&mut self, facts: &str) {
        // A line is a fact of its own: what ends one does not belong to the next. Only the items of
        // a list are what their heading says they are.
        let mut heading = "";
        for line in facts.lines().map(str::trim) {
            self.add(line);
            if let Some(item) = line.strip_prefix(['-', '*', '•']) {
                self.places.add(&words::split(&format!("{heading} {item}")));
            } else {
                let is_heading = line.ends_with(':') || line.starts_with('#');
                heading = if is_heading { line } else { "" };
            }
        }
    }

    /// Takes something that the caller said.
    pub fn add_caller(&mut self, speech: &str) {
        self.add(speech);
        if let Some(words) = self.texts.last() {
            self.places.add_short_reply(words);
        }
    }

    /// Checks an answer.
    ///
    /// # Errors
    /// What kind of thing in it is not known. It does not repeat it, so that it can be logged.
    pub fn check(&self, text: &str, language: Option<&str>) -> Result<(), &'static str> {
        let words = words::split(text);
        if links::any(text) {
            return Err("it names a web or e-mail address");
        }
        if !self.numbers.allow(text) {
            return Err("it names a number that is not known");
        }
        if !self.places.allow(&words) || !places::codes_known(&words, &self.texts) {
            return Err("it names a place that is not known");
        }
        if !names::allowed(&words, &self.texts, language) {
            return Err("it names a person who is not known");
        }
        Ok(())
    }

    fn add(&mut self, text: &str) {
        let words = words::split(text);
        self.numbers.add(text);
        self.places.add(&words);
        // "Assembly points: 1 (East Gate), 2 (car park)" is a list of two.
        self.places.add(&words::split(&without_brackets(text)));
        self.texts.push(words);
    }
}

fn without_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let mut outside = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            it if depth == 0 => outside.push(it),
            _ => {}
        }
    }
    outside
}

#[cfg(test)]
mod tests;
