//! From what was found to what is told: a line for each part, and what is wrong with it.

mod begun;
mod followers;
mod journal;
mod runs;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::Serialize;

use self::begun::{erasing, repairing};
use self::followers::{archive, mirror, total};
use self::journal::{chain, journal};
use self::runs::runs;
use crate::care::examine::Examined;

const REPAIR: &str = "stop the server and run `aurora repair`, or restore a backup";

#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub good: bool,
    /// Over everything that is written: note it where nobody who can write here can reach it.
    pub chain_head: String,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Part {
    pub part: &'static str,
    /// What it holds.
    pub summary: String,
    pub problems: Vec<Problem>,
    /// What is to be known, and is nothing wrong.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub file: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub what: String,
    pub todo: String,
}

impl Report {
    pub fn n_problems(&self) -> usize {
        self.parts.iter().map(|it| it.problems.len()).sum()
    }

    /// All problems, of whatever part.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.parts.iter().flat_map(|it| &it.problems)
    }
}

impl Part {
    fn new(part: &'static str, summary: impl Into<String>) -> Self {
        Self { part, summary: summary.into(), problems: Vec::new(), notes: Vec::new() }
    }

    fn problem(&mut self, file: &Path, what: impl Display) {
        self.add(file, None, what.to_string(), REPAIR);
    }

    fn add(&mut self, file: &Path, line: Option<u64>, what: String, todo: &str) {
        self.problems.push(Problem { file: file.to_owned(), line, what, todo: todo.to_owned() });
    }
}

pub fn report(found: &Examined) -> Report {
    let mut parts = vec![journal(found), chain(found), total(found), archive(found), mirror(found)];
    parts.extend(runs(found));
    parts.extend(erasing(found));
    parts.extend(repairing(found));
    Report {
        good: parts.iter().all(|it| it.problems.is_empty()),
        chain_head: found.chain.head.to_string(),
        parts,
    }
}
