//! The chain after a repair: segments that were mended get a line that says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::error::JournalError;
use super::super::quarantine::Quarantine;
use super::super::segment::Sealed;
use super::link::hash_records;
use super::verify::held;
use super::walk::Walk;
use super::{Chain, FILE, Report, verify};
use crate::files::sync_folder;

/// What became of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Follow {
    /// It fits, with so many new lines.
    Kept(usize),
    /// It was moved there, and a new one begun.
    Anew(PathBuf),
}

/// Brings the chain in line with a journal that was mended: `mended` are the numbers of files that
/// were written anew. Where that is not enough, because it does not read itself or files have come
/// and gone, it is put aside and begun anew, with a mark. What somebody else changed stays told.
///
/// # Errors
/// [`JournalError::Io`]
pub fn follow_repair(
    dir: &Path,
    mended: &BTreeSet<u32>,
    has_moved: bool,
    quarantine: &Quarantine,
) -> Result<Follow, JournalError> {
    let path = dir.join(FILE);
    let mut chain = Chain::open(dir)?;
    let mut n_lines = 0;
    if chain.walk.problems.is_empty() {
        for it in sealed(dir)?.iter().filter(|it| mended.contains(&it.segment.ordinal)) {
            let Some(known) = chain.walk.known.get(&it.segment.ordinal).copied() else { continue };
            let first_seq = it.segment.first_seq;
            let (hash, _) = hash_records(&it.segment.path, first_seq, Some(it.limit), |_| ())
                .map_err(JournalError::io("read", &it.segment.path))?;
            if (known.first_seq, known.last_seq + 1) == (first_seq, it.limit)
                && hash != known.sha256
            {
                chain.rewritten(it, known.sha256, hash, "repair")?;
                n_lines += 1;
            }
        }
    }
    let does_read = chain.walk.problems.is_empty();
    let head = chain.walk.head;
    drop(chain);
    let is_touched = has_moved || !mended.is_empty();
    let report = verify(dir, |_, _| ())?;
    if does_read && (report.problems.is_empty() || !is_touched) {
        return Ok(Follow::Kept(n_lines));
    }
    let why = format!("it no longer fits: {}", reasons(&report));
    if !path.exists() {
        return Ok(Follow::Kept(n_lines));
    }
    let mut sealed = sealed(dir)?;
    sealed.retain(|it| !it.is_void());
    if sealed.is_empty() {
        let kept = quarantine.take(&path, &why)?;
        return Ok(kept.map_or(Follow::Kept(n_lines), Follow::Anew));
    }
    let kept = quarantine.link(&path, &why)?;
    // A start removes what a crash leaves under this name.
    let beside = path.with_extension("rewrite");
    fs::write(&beside, "").map_err(JournalError::io("create", &beside))?;
    let mut chain = Chain {
        path: beside.clone(),
        walk: Walk {
            mark: Some(format!("by a repair; the head before was {head}")),
            ..Walk::default()
        },
        unwritten: Vec::new(),
        is_waiting: false,
    };
    for it in &sealed {
        chain.add_sealed(it)?;
    }
    chain.flush().map_err(JournalError::io("write", &beside))?;
    fs::rename(&beside, &path).map_err(JournalError::io("rename", &beside))?;
    sync_folder(dir).map_err(JournalError::io("sync", dir))?;
    Ok(Follow::Anew(kept))
}

fn sealed(dir: &Path) -> Result<Vec<Sealed>, JournalError> {
    Ok(Sealed::all(&held(dir, &mut Report::default())?))
}

fn reasons(report: &Report) -> String {
    report.problems.join("; ")
}
