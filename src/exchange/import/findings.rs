//! What was found in the file: what is wrong, and what was changed or left out on the way in.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};

/// Errors that are told; the rest is counted.
const TOLD: usize = 20;
/// Names of unknown fields that are told.
const NAMES_TOLD: usize = 20;
/// Characters of one part of a path that are shown.
const SHOWN: usize = 80;

#[derive(Debug, Default)]
pub struct Findings {
    told: Vec<String>,
    pub n_errors: u64,
    /// Fields that Aurora doesn't know, and how often they were there.
    unknown: BTreeMap<String, u64>,
    n_unknown: u64,
    pub n_new_ids: u64,
    pub n_renumbered: u64,
    pub n_cleaned: u64,
    pub n_without_conversation: u64,
    pub n_without_holder: u64,
    pub n_ended_here: u64,
}

impl Findings {
    /// Something is wrong at `path`. Says nothing of the value: it may be what a caller said.
    pub fn error(&mut self, path: impl Display, why: impl Display) {
        self.n_errors += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("{path}: {why}"));
        }
    }

    /// A field that Aurora doesn't know, and leaves out.
    pub fn unknown(&mut self, place: &str, name: &str) {
        self.n_unknown += 1;
        let name = format!("{place}{}", shown(name));
        if let Some(n) = self.unknown.get_mut(&name) {
            *n += 1;
        } else if self.unknown.len() < NAMES_TOLD {
            self.unknown.insert(name, 1);
        }
    }

    /// All that is wrong, a line each.
    pub fn errors(&self) -> String {
        let mut lines = String::new();
        for line in &self.told {
            let _ = write!(lines, "\n  {line}");
        }
        let more = self.n_errors - self.told.len() as u64;
        if more > 0 {
            let _ = write!(lines, "\n  and {more} more");
        }
        lines
    }

    /// What is not as it was in the file, a line each.
    pub fn notes(&self) -> Vec<String> {
        let counts = [
            (self.n_new_ids, "calls had an id that is not Aurora's and got one made from it"),
            (self.n_renumbered, "conversations had messages numbered otherwise and count from 1"),
            (self.n_cleaned, "texts held control characters, which became blanks"),
            (self.n_without_conversation, "calls had no conversation"),
            (self.n_without_holder, "calls named a supervisor who did not hold them"),
            (self.n_ended_here, "open calls were stored as ended"),
        ];
        let mut notes: Vec<String> = counts
            .into_iter()
            .filter(|it| it.0 > 0)
            .map(|(n, what)| format!("{n} {what}"))
            .collect();
        if self.n_unknown > 0 {
            let mut names: Vec<String> =
                self.unknown.iter().map(|(name, n)| format!("{name} ({n})")).collect();
            if self.unknown.values().sum::<u64>() < self.n_unknown {
                names.push("…".to_owned());
            }
            notes.push(format!(
                "{} fields were left out, which Aurora does not know: {}",
                self.n_unknown,
                names.join(", ")
            ));
        }
        notes
    }
}

/// A part of a path that comes from the file: bounded, and without what would upset a terminal.
pub fn shown(key: &str) -> impl Display + '_ {
    struct Shown<'k>(&'k str);
    impl Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mut rest = self.0.chars();
            for c in rest.by_ref().take(SHOWN) {
                write!(f, "{}", c.escape_debug())?;
            }
            if rest.next().is_some() { f.write_str("…") } else { Ok(()) }
        }
    }
    Shown(key)
}
