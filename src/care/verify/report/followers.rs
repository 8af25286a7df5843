//! Those who follow the journal, compared with it: `total.json`, the archive, the mirror.

use std::path::Path;

use super::Part;
use crate::care::examine::{Compared, Examined};
use crate::care::folder;
use crate::readers::{archive, snapshot};

/// Calls that are named for one problem.
const NAMED: usize = 5;

pub fn total(found: &Examined) -> Part {
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

pub fn archive(found: &Examined) -> Part {
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

pub fn mirror(found: &Examined) -> Part {
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
