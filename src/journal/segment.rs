//! Segment files: `journal/00000001.jsonl`, `00000002.jsonl`, … in the order in which they were
//! begun. Each starts with a header that names the journal and the segment's first sequence.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::line::{FORMAT, Header, write_header};
use crate::domain::{JournalId, Seq};
use crate::files::sync_folder;

/// A segment that is being made.
const NEXT: &str = "next.part";

/// A file of the journal that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub ordinal: u32,
    pub path: PathBuf,
    pub first_seq: Seq,
    /// Version of its format.
    pub format: u32,
    /// Goes up when another file takes its place, so that readers open that one.
    pub revision: u32,
}

impl Segment {
    pub fn new(ordinal: u32, path: PathBuf, first_seq: Seq, format: u32) -> Self {
        Self { ordinal, path, first_seq, format, revision: 0 }
    }
}

/// Where the segment at `place` ends: what it holds from there on does not count, since a later
/// one begins there. `None` for the last one, which is written to; all others are sealed.
pub fn limit(segments: &[Segment], place: usize) -> Option<Seq> {
    segments[place + 1..].iter().map(|it| it.first_seq).min()
}

/// A segment that is no longer written to, and where it ends to count.
#[derive(Debug)]
pub struct Sealed {
    pub segment: Segment,
    pub limit: Seq,
}

impl Sealed {
    pub fn all(segments: &[Segment]) -> Vec<Self> {
        let sealed = segments.iter().enumerate().filter_map(|(place, segment)| {
            Some(Self { segment: segment.clone(), limit: limit(segments, place)? })
        });
        sealed.collect()
    }

    /// Nothing in it counts.
    pub fn is_void(&self) -> bool {
        self.limit <= self.segment.first_seq
    }
}

pub fn path(dir: &Path, ordinal: u32) -> PathBuf {
    dir.join(format!("{ordinal:08}.jsonl"))
}

/// The segment files of a folder with their ordinals, in order.
pub fn list(dir: &Path) -> Result<Vec<(u32, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(JournalError::io("list", dir))? {
        let path = entry.map_err(JournalError::io("list", dir))?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        if let Some(ordinal) = name.strip_suffix(".jsonl").filter(|it| it.len() == 8)
            && let Ok(ordinal) = ordinal.parse()
        {
            found.push((ordinal, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what a crash left of files that were being made. None of it was ever part of the
/// journal, but it holds words.
pub fn remove_leftovers(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let is_rewrite = path.extension().is_some_and(|it| it == "rewrite");
        if is_rewrite || path.file_name().is_some_and(|it| it == NEXT) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes a file of the folder, durably; it may be gone already.
pub fn remove(dir: &Path, path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => {
            return Err(JournalError::io("remove", path)(err));
        }
        _ => {}
    }
    sync_folder(dir).map_err(JournalError::io("sync", dir))
}

/// The segment that is written to.
#[derive(Debug)]
pub struct OpenSegment {
    file: File,
    first_seq: Seq,
    size_bytes: u64,
}

impl OpenSegment {
    /// Begins a segment with its header and `first` lines, all durable when this returns, the
    /// folder's entry included.
    pub fn create(
        dir: &Path,
        ordinal: u32,
        id: JournalId,
        first_seq: Seq,
        first: &[u8],
    ) -> io::Result<(Segment, Self)> {
        let path = path(dir, ordinal);
        let mut bytes = Vec::with_capacity(128 + first.len());
        write_header(&Header::new(id, first_seq), &mut bytes);
        bytes.extend_from_slice(first);
        // Written beside, then renamed: a try that failed half-way never leaves a file that looks
        // like a segment, even if the disk does not let us remove it.
        let part = dir.join(NEXT);
        let mut file = File::create(&part)?;
        let written = file
            .write_all(&bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| sync_folder(dir));
        if let Err(err) = written {
            let _ = fs::remove_file(&part);
            let _ = fs::remove_file(&path);
            return Err(err);
        }
        let size_bytes = bytes.len() as u64;
        let segment = Segment::new(ordinal, path, first_seq, FORMAT);
        Ok((segment, Self { file, first_seq, size_bytes }))
    }

    /// Goes on writing at the end of a recovered segment. It is synced first: a process that was
    /// killed may have written lines that are not on disk yet, and they are about to be shown.
    pub fn reopen(dir: &Path, segment: &Segment, size_bytes: u64) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(&segment.path)?;
        file.sync_all()?;
        sync_folder(dir)?;
        Ok(Self { file, first_seq: segment.first_seq, size_bytes })
    }

    /// Whether `next_seq` belongs into another segment. One without a record is never full.
    pub fn is_full(&self, next_seq: Seq, most_bytes: u64) -> bool {
        self.size_bytes >= most_bytes && self.first_seq < next_seq
    }

    /// Puts whole lines on disk: written in one go, then synced.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.file.sync_data()?;
        self.size_bytes += lines.len() as u64;
        Ok(())
    }
}
