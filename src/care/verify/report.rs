//! From what was found to what is told: a line for each part, and what is wrong with it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::care::examine::{Compared, Examined};
use crate::care::folder;
use crate::care::under_way;
use crate::erasure::marker_path;
use crate::readers::{archive, snapshot};

const REPAIR: &str = "stop the server and run `aurora repair`, or restore a backup";
/// Calls that are named for one problem.
const NAMED: usize = 5;

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
    parts.extend(erasing(found));
    parts.extend(repairing(found));
    Report {
        good: parts.iter().all(|it| it.problems.is_empty()),
        chain_head: found.chain.head.to_string(),
        parts,
    }
}

fn journal(found: &Examined) -> Part {
    let n_files = found.survey.files.len();
    let summary = match found.range() {
        Some((first, last)) if last >= first => {
            format!("records {first} to {last} in {n_files} segments")
        }
        Some((first, _)) => format!("no records before {first}, {n_files} segments"),
        None if n_files == 0 => "no segments yet".to_owned(),
        None => format!("{n_files} segments"),
    };
    let mut part = Part::new("journal", summary);
    for it in &found.findings {
        let is_newer = it.what.contains("format version");
        let todo = if is_newer { "start the newer Aurora" } else { REPAIR };
        part.add(&it.file, (it.line > 0).then_some(it.line), it.what.clone(), todo);
    }
    let last = found.survey.files.iter().rev().find(|it| !it.is_leftover());
    if let Some(last) = last.filter(|it| it.torn_bytes > 0) {
        let name = last.name();
        part.notes.push(if last.has_holes {
            format!(
                "{name} ends in a write with holes, which a power cut interrupted; nothing in it \
                 was acknowledged: a start cuts it and keeps it in quarantine/"
            )
        } else {
            format!(
                "{name} ends in a line that is being written, or was when the server died: a \
                 start cuts it"
            )
        });
    }
    if found.has_lost {
        part.notes.push("some records were lost, and a repair put placeholders there".to_owned());
    }
    part
}

fn chain(found: &Examined) -> Part {
    let chain = &found.chain;
    let compared = chain.n_compared;
    let mut part = Part::new(
        "hash chain",
        format!("{compared} sealed segments compared; head {}", chain.head),
    );
    let path = folder::journal(&found.data_dir).join(crate::journal::chain::FILE);
    for it in &chain.problems {
        // The journal's own words say the same of what does not read there.
        let todo = if chain.does_read {
            "compare with a backup: this is what an accident does not do, or a repair explains"
        } else {
            REPAIR
        };
        part.add(&path, None, it.clone(), todo);
    }
    part.notes.clone_from(&chain.notes);
    let is_erasing = matches!(found.erasing, Ok(Some(_)));
    for it in &chain.unfinished {
        if is_erasing {
            part.notes.push(format!("{it}: the erasure that is under way does it again"));
        } else {
            part.add(&path, None, it.clone(), "restore a backup, or erase once more");
        }
    }
    part
}

fn repairing(found: &Examined) -> Option<Part> {
    found.repairing.as_ref()?;
    let path = under_way::path(&found.data_dir);
    let mut part = Part::new("repairing.json", "a repair was interrupted");
    let todo = "stop the server and run `aurora repair` again: it goes on";
    part.add(&path, None, "a repair has begun and not ended".to_owned(), todo);
    Some(part)
}

/// Only while there is one: most folders never see it.
fn erasing(found: &Examined) -> Option<Part> {
    let path = marker_path(&found.data_dir);
    let name = "erasing.json";
    match &found.erasing {
        Ok(None) => None,
        Ok(Some(marker)) => {
            let (n_calls, at) = (marker.call_ids.len(), marker.at);
            let mut part = Part::new(name, format!("{n_calls} calls are being erased, since {at}"));
            part.notes.push(
                "it is not finished, and words may still be there: a running server goes on with \
                 it; without one, start it, which finishes the erasure"
                    .to_owned(),
            );
            Some(part)
        }
        Err(err) => {
            let mut part = Part::new(name, "does not read");
            let todo = "restore it; or remove it, start the server, and erase the caller once more";
            part.add(&path, None, err.to_string(), todo);
            Some(part)
        }
    }
}

fn total(found: &Examined) -> Part {
    let path = snapshot::path(&found.data_dir);
    let mut part = match &found.total {
        Ok(Some((state, position))) => {
            let n_calls = state.calls().len();
            Part::new("total.json", format!("stands at record {}, {n_calls} calls", position.seq))
        }
        Ok(None) => Part::new("total.json", "not there"),
        Err(_) => Part::new("total.json", "does not read"),
    };
    match &found.total {
        Ok(Some((_, position))) => {
            if found.id().is_some_and(|it| it != position.journal) {
                let id = found.id().map_or_else(String::new, |it| it.to_string());
                let what =
                    format!("it belongs to journal {}, the segments to {id}", position.journal);
                part.problem(&path, what);
            } else if found.findings.is_empty() {
                let (first, last) = found.range().unwrap_or((1, 0));
                if position.seq > last {
                    let seq = position.seq;
                    part.problem(
                        &path,
                        format!("it stands at record {seq}, but the journal ends at {last}"),
                    );
                } else if position.seq + 1 < first {
                    let seq = position.seq;
                    part.problem(
                        &path,
                        format!("it stands at record {seq}, but the journal begins at {first}"),
                    );
                }
            }
        }
        Ok(None) => match found.range() {
            Some((first, _)) if first > 1 => {
                part.problem(
                    &path,
                    format!("it is missing, and the journal begins at record {first}"),
                );
            }
            _ => {}
        },
        Err(err) => part.problem(&path, err),
    }
    match &found.replayed {
        Compared::Equal => part.summary.push_str(", as the journal tells"),
        Compared::Not(why) if matches!(found.total, Ok(Some(_))) => {
            part.notes.push(format!("it was not compared with the journal: {why}"));
        }
        Compared::Not(_) => {}
        Compared::Calls(calls) => {
            let named: Vec<_> = calls.iter().take(NAMED).map(ToString::to_string).collect();
            let what = format!(
                "{} calls are not as the journal tells them: {}",
                calls.len(),
                named.join(", ")
            );
            part.problem(&path, what);
        }
        Compared::Alerts => part.problem(&path, "its alerts are not as the journal tells them"),
    }
    part
}

fn archive(found: &Examined) -> Part {
    let path = archive::path(&found.data_dir);
    let mut part = match &found.archive {
        Ok(Some(look)) => {
            let (calls, messages) = (look.n_calls, look.n_messages);
            let seq = look.position.map_or(0, |it| it.seq);
            Part::new(
                "archive.db",
                format!("stands at record {seq}, {calls} calls, {messages} messages"),
            )
        }
        Ok(None) => Part::new("archive.db", "not there"),
        Err(_) => Part::new("archive.db", "does not read"),
    };
    match &found.archive {
        Err(err @ archive::ArchiveError::Newer { .. }) => {
            part.add(&path, None, err.to_string(), "start the newer Aurora");
        }
        Err(err) if err.is_passing() => {
            let todo = "make the folder writable and verify again: it may be good";
            part.add(&path, None, err.to_string(), todo);
        }
        Err(err) => part.problem(&path, err),
        Ok(None) => {}
        Ok(Some(look)) => {
            for it in &found.archive_problems {
                part.problem(&path, it);
            }
            archive_position(found, look, &path, &mut part);
        }
    }
    part
}

fn archive_position(found: &Examined, look: &archive::Look, path: &Path, part: &mut Part) {
    let differing = &found.differing;
    match (differing.not, look.position) {
        (Some(why), _) => part.notes.push(format!("no calls were compared: {why}")),
        (None, _) => {
            part.summary
                .push_str(&format!(", {} calls compared with the journal", differing.n_compared));
        }
    }
    for (id, why) in differing.calls.iter().take(NAMED) {
        part.problem(path, format!("{id} is not as the journal tells it: {why}"));
    }
    if differing.n_differing > NAMED as u64 {
        let more = differing.n_differing - NAMED as u64;
        part.problem(path, format!("{more} more calls are not as the journal tells them"));
    }
    let (Some(position), Some((first, last))) = (look.position, found.range()) else { return };
    if found.id() != Some(position.journal) {
        return;
    }
    if position.seq > last {
        let seq = position.seq;
        part.problem(path, format!("it stands at record {seq}, but the journal ends at {last}"));
    } else if position.seq + 1 < first {
        part.notes.push(format!(
            "records {} to {} are gone and were never read into it",
            position.seq + 1,
            first - 1
        ));
    }
    if look.complete_from > 1 {
        part.notes
            .push(format!("what was said before record {} may be missing", look.complete_from));
    }
}

fn mirror(found: &Examined) -> Part {
    let path = folder::cursor(&found.data_dir);
    let name = "readers/firebase.json";
    match &found.cursor {
        Err(err) => {
            let mut part = Part::new(name, "does not read");
            part.problem(&path, err);
            part
        }
        Ok(None) => Part::new(name, "nothing was sent yet"),
        Ok(Some(position)) => {
            let mut part = Part::new(name, format!("stands at record {}", position.seq));
            if found.id() != Some(position.journal) {
                let note = "it is of another journal: the whole state is sent again";
                part.notes.push(note.to_owned());
            } else if let Some((_, last)) = found.range().filter(|it| position.seq > it.1) {
                let seq = position.seq;
                part.problem(
                    &path,
                    format!("it stands at record {seq}, but the journal ends at {last}"),
                );
            }
            part
        }
    }
}
