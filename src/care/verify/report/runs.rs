//! Finished work that no server has taken in yet.

use super::Part;
use crate::care::examine::Examined;
use crate::runs::Place;

/// Only where some waits: a server takes all of it in.
pub fn runs(found: &Examined) -> Option<Part> {
    let counted = |(place, runs): &(Place, Vec<_>)| {
        let state = match place {
            Place::Waiting => "wait",
            Place::Refused => "were refused by the database",
            Place::Sent => "are in the database and wait for a server",
        };
        (!runs.is_empty()).then(|| format!("{} {state}", runs.len()))
    };
    let counts: Vec<_> = found.runs.iter().filter_map(counted).collect();
    if counts.is_empty() {
        return None;
    }
    let mut part = Part::new("runs/", counts.join(", "));
    for it in found.runs.iter().flat_map(|it| &it.1) {
        if let Some(problem) = &it.problem {
            let todo = "run `aurora run list`, which sets it aside, or restore it from a backup";
            part.add(&it.path, None, problem.clone(), todo);
        }
    }
    Some(part)
}
