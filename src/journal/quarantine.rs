//! `data/quarantine/`: what could not be read, and what did not fit, byte for byte.
//!
//! The one idea: nothing is ever deleted by a repair. What has to leave its place comes here under
//! a name with the time and where it came from, with a text of the same name beside it that says
//! so. Both hold callers' words and are for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use super::segment::sync_folder;
use crate::domain::Timestamp;

/// Bytes of a file, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub line: u64,
    pub offset: u64,
    pub n_bytes: u64,
    pub why: String,
}

/// The folder, at one moment: everything that is put there by one repair bears the same time.
#[derive(Debug)]
pub struct Quarantine {
    dir: PathBuf,
    time: String,
}

impl Quarantine {
    pub fn of(data_dir: &Path, now: Timestamp) -> Self {
        let time = now.to_string().replace(':', "-");
        Self { dir: data_dir.join("quarantine"), time }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Moves a whole file there; where it is then. One that is not there is no error.
    ///
    /// # Errors
    /// [`JournalError::Io`]; then it is where it was.
    pub fn take(&self, path: &Path, why: &str) -> Result<Option<PathBuf>, JournalError> {
        if !path.exists() {
            return Ok(None);
        }
        let kept = self.free_name(path)?;
        self.note(&kept, &format!("Was {}: {why}.\n", path.display()))?;
        fs::rename(path, &kept).map_err(JournalError::io("move to quarantine/", path))?;
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o600))
            .map_err(JournalError::io("protect", &kept))?;
        let from = path.parent().unwrap_or(Path::new("."));
        for dir in [&self.dir, from] {
            sync_folder(dir).map_err(JournalError::io("sync", dir))?;
        }
        Ok(Some(kept))
    }

    /// Copies a whole file there, which is about to be replaced.
    ///
    /// # Errors
    /// [`JournalError::Io`]
    pub fn copy(&self, path: &Path, why: &str) -> Result<PathBuf, JournalError> {
        let n_bytes = fs::metadata(path).map_err(JournalError::io("measure", path))?.len();
        let why = why.to_owned();
        self.keep(path, &[Span { line: 1, offset: 0, n_bytes, why }])
    }

    /// Copies stretches of a file there, one behind the other, durably; where they are.
    ///
    /// # Errors
    /// [`JournalError::Io`]
    pub fn keep(&self, path: &Path, spans: &[Span]) -> Result<PathBuf, JournalError> {
        let kept = self.free_name(path)?;
        let mut told = format!("Stood in {}:\n", path.display());
        let mut at = 0;
        for it in spans {
            let Span { line, offset, n_bytes, why } = it;
            told.push_str(&format!(
                "bytes {at} to {}: there from byte {offset}, line {line}: {why}\n",
                at + n_bytes
            ));
            at += n_bytes;
        }
        let copied = || {
            let mut from = File::open(path)?;
            let mut to = create(&kept)?;
            for it in spans {
                from.seek(SeekFrom::Start(it.offset))?;
                io::copy(&mut Read::by_ref(&mut from).take(it.n_bytes), &mut to)?;
            }
            to.sync_all()
        };
        copied().map_err(JournalError::io("write", &kept))?;
        self.note(&kept, &told)?;
        sync_folder(&self.dir).map_err(JournalError::io("sync", &self.dir))?;
        Ok(kept)
    }

    /// The text beside.
    fn note(&self, kept: &Path, text: &str) -> Result<(), JournalError> {
        let path = note_of(kept);
        let written = || {
            let mut file = create(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        written().map_err(JournalError::io("write", &path))
    }

    fn free_name(&self, path: &Path) -> Result<PathBuf, JournalError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(JournalError::io("create", &self.dir))?;
        if let Some(data_dir) = self.dir.parent() {
            sync_folder(data_dir).map_err(JournalError::io("sync", data_dir))?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut kept = self.dir.join(format!("{}-{name}", self.time));
        let mut n = 2;
        while kept.exists() || note_of(&kept).exists() {
            kept = self.dir.join(format!("{}-{n}-{name}", self.time));
            n += 1;
        }
        Ok(kept)
    }
}

fn note_of(kept: &Path) -> PathBuf {
    let mut name = kept.as_os_str().to_owned();
    name.push(".txt");
    name.into()
}

fn create(path: &Path) -> io::Result<File> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(err) if err.kind() == ErrorKind::AlreadyExists => {
            Err(io::Error::other("somebody else has just made it"))
        }
        made => made,
    }
}
