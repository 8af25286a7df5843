//! The journal, and the hash chain over it.

use super::{Part, REPAIR};
use crate::care::examine::Examined;
use crate::care::folder;
use crate::journal::chain;

pub fn journal(found: &Examined) -> Part {
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

pub fn chain(found: &Examined) -> Part {
    let chain = &found.chain;
    let compared = chain.n_compared;
    let mut part = Part::new(
        "hash chain",
        format!("{compared} sealed segments compared; head {}", chain.head),
    );
    let path = folder::journal(&found.data_dir).join(chain::FILE);
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
