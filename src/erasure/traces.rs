//! Files of an erasure that can't be read or written, and those that lie about: what a repair set
//! aside.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use memchr::memmem;
use serde::de::IgnoredAny;

use crate::files;
use crate::journal::chain;
use crate::journal::line::{read_header, read_record};

/// What a repair set aside is looked through as a whole; files beyond this are left to a person.
const MOST_BYTES: u64 = 512 * 1024 * 1024;
/// Lines can't be taken out of a database, nor out of its log, wherever it is damaged.
const DATABASE: &str = "archive.db";
/// What a repair tells of a file, and hashes: neither holds words.
const WORDLESS: [&str; 2] = [".txt", chain::FILE];

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} cannot be read: {source}. It says which calls are being erased; restore it, or remove \
         it and ask for the erasure again",
        .path.display()
    )]
    Unreadable { path: PathBuf, source: serde_json::Error },
}

impl FileError {
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }
}

/// The whole file, if there is one.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(FileError::io("read", path)(err)),
    }
}

/// Removes a file that may be there, and what a crash left beside it.
pub fn remove(path: &Path) -> Result<(), FileError> {
    files::remove(path).map_err(FileError::io("remove", path))
}

/// The head of the hash chain as its last line has it.
pub fn chain_head(data_dir: &Path) -> Option<String> {
    let bytes = read(&data_dir.join("journal").join(chain::FILE)).ok()??;
    let line = bytes.strip_suffix(b"\n")?.rsplit(|it| *it == b'\n').next()?;
    let line: serde_json::Value = serde_json::from_slice(line).ok()?;
    Some(line["head"].as_str()?.to_owned())
}

/// Takes the lines that hold one of `names` out of what a repair set aside.
pub fn sweep(data_dir: &Path, names: &[String]) -> Result<(), FileError> {
    for path in quarantined(data_dir)? {
        let Some(bytes) = lines_of(&path)? else { continue };
        let finders: Vec<_> = names.iter().map(memmem::Finder::new).collect();
        let is_theirs = |line: &[u8]| finders.iter().any(|it| it.find(line).is_some());
        let lines = bytes.split_inclusive(|it| *it == b'\n').filter(|it| !is_theirs(it));
        let kept: Vec<u8> = lines.flatten().copied().collect();
        if kept.len() < bytes.len() {
            files::replace(&path, &kept).map_err(FileError::io("write", &path))?;
        }
    }
    Ok(())
}

/// What a repair set aside and may hold words that bear no name any more, below the data folder:
/// databases, and lines that do not read.
pub fn not_swept(data_dir: &Path) -> Result<Vec<String>, FileError> {
    let mut left = Vec::new();
    for path in quarantined(data_dir)? {
        let name = name_of(&path);
        let is_wordless = WORDLESS.iter().any(|it| name.ends_with(it));
        if !is_wordless && lines_of(&path)?.is_none_or(|it| !does_read(&it)) {
            left.push(path.strip_prefix(data_dir).unwrap_or(&path).display().to_string());
        }
    }
    left.sort();
    Ok(left)
}

/// Whether nothing in it has lost its names: whole records, or one whole text.
fn does_read(bytes: &[u8]) -> bool {
    let mut lines = bytes.split_inclusive(|it| *it == b'\n');
    let is_whole = |line: &[u8]| {
        line.strip_suffix(b"\n")
            .is_some_and(|it| read_record(it).is_ok() || read_header(it).is_ok())
    };
    lines.all(is_whole) || serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// The file's bytes, if it is made of lines.
fn lines_of(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let size = fs::metadata(path).map_err(FileError::io("measure", path))?.len();
    if size > MOST_BYTES || name_of(path).contains(DATABASE) {
        return Ok(None);
    }
    read(path)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn quarantined(data_dir: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut folders = vec![data_dir.join("quarantine")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(err) if err.kind() == ErrorKind::NotFound => continue,
            Err(err) => return Err(FileError::io("list", &folder)(err)),
        };
        for entry in entries {
            let entry = entry.map_err(FileError::io("list", &folder))?;
            let kind = entry.file_type().map_err(FileError::io("look at", &entry.path()))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}
