//! Doing what the plan says. Whatever interrupts it, running it again finishes the work.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{FilePlan, Piece, Plan};
use crate::domain::{Event, Record, Timestamp};
use crate::files::sync_folder;
use crate::journal::error::JournalError;
use crate::journal::line::{read_record, write_header, write_record};
use crate::journal::quarantine::Quarantine;

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mended {
    /// Where things were put aside.
    pub kept: Vec<PathBuf>,
}

/// Mends the journal in `dir`. The folder is locked by the caller, who surveyed it since.
///
/// New files are whole and synced before anything else happens. Lines that were carried into
/// another file get into theirs before they leave the one they are in.
///
/// # Errors
/// [`JournalError::Io`], [`JournalError::Corrupt`] if something has changed since the plan.
pub fn mend(
    dir: &Path,
    plan: &Plan,
    quarantine: &Quarantine,
    node: &str,
    mut progress: impl FnMut(u64, u64),
) -> Result<Mended, JournalError> {
    let mut mended = Mended::default();
    for (from, to) in &plan.renamed {
        fs::rename(from, to).map_err(JournalError::io("rename", from))?;
    }
    let node: Arc<str> = node.into();
    for (place, file) in plan.files.iter().enumerate() {
        write_beside(file, &node)?;
        progress(place as u64 + 1, plan.files.len() as u64);
    }
    for file in plan.files.iter().filter(|it| !it.spans.is_empty()) {
        mended.kept.push(quarantine.keep(&file.path, &file.spans)?);
    }
    // Those that only take in come first.
    let (givers, takers): (Vec<_>, Vec<_>) =
        plan.files.iter().filter(|it| !it.is_new).partition(|it| is_giver(plan, it));
    for file in takers.into_iter().chain(givers) {
        fs::rename(beside(&file.path), &file.path)
            .map_err(JournalError::io("rename", &file.path))?;
    }
    sync_folder(dir).map_err(JournalError::io("sync", dir))?;
    for (path, why) in &plan.away {
        mended.kept.extend(quarantine.take(path, why)?);
    }
    for file in plan.files.iter().filter(|it| it.is_new) {
        fs::rename(beside(&file.path), &file.path)
            .map_err(JournalError::io("rename", &file.path))?;
    }
    sync_folder(dir).map_err(JournalError::io("sync", dir))?;
    Ok(mended)
}

/// Whether another file takes lines out of this one.
fn is_giver(plan: &Plan, file: &FilePlan) -> bool {
    let others = plan.files.iter().filter(|it| it.path != file.path);
    others.flat_map(|it| &it.pieces).any(|it| match it {
        Piece::Lines { path, .. } => *path == file.path,
        Piece::Lost { .. } => false,
    })
}

/// A start removes what a crash leaves under this name.
fn beside(path: &Path) -> PathBuf {
    path.with_extension("rewrite")
}

fn write_beside(plan: &FilePlan, node: &Arc<str>) -> Result<(), JournalError> {
    let path = beside(&plan.path);
    let io = |doing| JournalError::io(doing, &path);
    let file = File::create(&path).map_err(io("create"))?;
    let mut out = BufWriter::with_capacity(256 * 1024, file);
    let mut line = Vec::new();
    write_header(&plan.header, &mut line);
    out.write_all(&line).map_err(io("write"))?;
    let mut last_at = Timestamp::default();
    for piece in &plan.pieces {
        match piece {
            Piece::Lines { path: from, offset, first, last } => {
                let mut lines = Lines::open(from, *offset)?;
                for seq in *first..=*last {
                    last_at = lines.copy(seq, &mut line)?;
                    out.write_all(&line).map_err(io("write"))?;
                }
            }
            Piece::Lost { first, last, at } => {
                last_at = last_at.max(*at);
                for seq in *first..=*last {
                    let (at, node) = (last_at, Arc::clone(node));
                    line.clear();
                    write_record(&Record { seq, at, node, event: Event::RecordLost }, &mut line);
                    out.write_all(&line).map_err(io("write"))?;
                }
            }
        }
    }
    out.flush().and_then(|()| out.get_ref().sync_all()).map_err(io("sync"))
}

struct Lines<'a> {
    path: &'a Path,
    lines: BufReader<File>,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path, offset: u64) -> Result<Self, JournalError> {
        let mut file = File::open(path).map_err(JournalError::io("open", path))?;
        file.seek(SeekFrom::Start(offset)).map_err(JournalError::io("read", path))?;
        Ok(Self { path, lines: BufReader::with_capacity(256 * 1024, file) })
    }

    /// Reads on to the record `seq`; its line is in `line` then. When it was written.
    fn copy(&mut self, seq: u64, line: &mut Vec<u8>) -> Result<Timestamp, JournalError> {
        loop {
            line.clear();
            self.lines.read_until(b'\n', line).map_err(JournalError::io("read", self.path))?;
            let record = read_record(line.strip_suffix(b"\n").unwrap_or_default());
            match record {
                Ok(record) if record.seq == seq => return Ok(record.at),
                Ok(record) if record.seq < seq => {}
                other => {
                    let why = match other {
                        Ok(record) => format!("record {seq} was here, and now {} is", record.seq),
                        Err(why) => format!("record {seq} was here: {why}"),
                    };
                    return Err(JournalError::Corrupt { file: self.path.to_owned(), line: 0, why });
                }
            }
        }
    }
}
