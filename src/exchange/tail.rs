//! Where a journal ends that a running server writes, read from its files alone.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::domain::Seq;
use crate::journal::line::{read_header, read_record};

const STEP: u64 = 64 * 1024;
/// More than the longest record.
const MOST: u64 = 64 * 1024 * 1024;

/// Sequence of the last whole record on disk; `None` if there is none that can be read.
///
/// # Errors
/// The disk's.
pub fn head_on_disk(data_dir: &Path) -> io::Result<Option<Seq>> {
    let dir = data_dir.join("journal");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    let mut last: Option<PathBuf> = None;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let number = name.strip_suffix(".jsonl").unwrap_or_default();
        if number.len() == 8 && number.bytes().all(|it| it.is_ascii_digit()) {
            last = last.max(Some(path));
        }
    }
    last.map_or(Ok(None), |it| last_record(&it))
}

fn last_record(segment: &Path) -> io::Result<Option<Seq>> {
    let mut file = File::open(segment)?;
    let size = file.metadata()?.len();
    let mut length = STEP.min(size);
    loop {
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(size - length))?;
        file.by_ref().take(length).read_to_end(&mut end)?;
        // What follows the last newline is being written.
        let whole = end.iter().rposition(|it| *it == b'\n').map_or(&[][..], |it| &end[..it]);
        let begin = whole.iter().rposition(|it| *it == b'\n').map(|it| it + 1);
        if let Some(line) = begin.map(|it| &whole[it..]) {
            return Ok(read_record(line).ok().map(|it| it.seq));
        }
        if length == size {
            // Its header alone, which is written with the first records.
            return Ok(read_header(whole).ok().map(|it| it.first_seq.saturating_sub(1)));
        }
        if length == MOST {
            return Ok(None);
        }
        length = (length * 4).min(size).min(MOST);
    }
}
