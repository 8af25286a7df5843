//! Small files that are there whole or not at all.
//!
//! The one idea: a new file is written beside the old one, put on disk, and takes its name; the
//! folder is put on disk last. Whatever ends the process, or the power, the old or the new one is
//! there. All of it is for its owner alone: what callers say is nobody else's business.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Puts `bytes` in place of what is at `path`; on disk when this returns.
///
/// # Errors
/// The old file stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(folder_of(path))
}

/// What a crash may leave beside the file at `path`.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Removes a file that may be there, and what a crash left beside it.
///
/// # Errors
/// One of them is there and stays.
pub fn remove(path: &Path) -> io::Result<()> {
    let mut is_gone = false;
    for it in [&beside(path), path] {
        match fs::remove_file(it) {
            Ok(()) => is_gone = true,
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            Err(err) => return Err(err),
        }
    }
    if is_gone { sync_folder(folder_of(path)) } else { Ok(()) }
}

/// Makes a folder, and those above it. One that is there stays as it is.
pub fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Puts the names in a folder on disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_cannot_be_replaced_stays_and_is_nobody_elses() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        replace(&path, b"old").expect("a writable folder");
        fs::create_dir(beside(&path)).expect("a writable folder");

        replace(&path, b"new").expect_err("something is in the way");

        assert_eq!(fs::read(&path).expect("it is there"), b"old");
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        fs::remove_dir(beside(&path)).expect("it is empty");
        replace(&path, b"new").expect("nothing is in the way");
        assert_eq!(fs::read(&path).expect("it is there"), b"new");
        assert!(!beside(&path).exists());
    }

    #[test]
    fn what_is_removed_leaves_nothing_beside() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        fs::write(&path, "a").expect("a writable folder");
        fs::write(beside(&path), "half").expect("a writable folder");

        remove(&path).expect("a writable folder");
        remove(&path).expect("gone is gone");

        assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 0);
    }
}
