//! `data/quarantine/`: what could not be read, and what did not fit, byte for byte.
//!
//! The one idea: nothing is ever deleted by a repair. What has to leave its place comes here under
//! a name with the time and where it came from, with a text of the same name beside it that says
//! so. The text comes first: whoever was interrupted finds it again and goes on under its name, so
//! that nothing is kept twice. Both hold callers' words and are for their owner alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::JournalError;
use crate::domain::Timestamp;
use crate::files::sync_folder;

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
        let kept = self.begin(path, &was(path, why), |kept| Ok(!kept.exists()))?;
        fs::rename(path, &kept).map_err(JournalError::io("move to quarantine/", path))?;
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o600))
            .map_err(JournalError::io("protect", &kept))?;
        let from = path.parent().unwrap_or(Path::new("."));
        for dir in [&self.dir, from] {
            sync_folder(dir).map_err(JournalError::io("sync", dir))?;
        }
        Ok(Some(kept))
    }

    /// Keeps a whole file there that another is about to be renamed over: at no moment is there
    /// none under its name. Costs no room where the file system has links.
    ///
    /// # Errors
    /// [`JournalError::Io`]
    pub fn link(&self, path: &Path, why: &str) -> Result<PathBuf, JournalError> {
        let io = |doing| JournalError::io(doing, path);
        let own = fs::metadata(path).map_err(io("look at"))?;
        let is_same = |kept: &Path| match fs::metadata(kept) {
            Ok(it) => Ok((it.dev(), it.ino()) == (own.dev(), own.ino())),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(true),
            Err(err) => Err(err),
        };
        let kept = self.begin(path, &was(path, why), is_same)?;
        if !kept.exists() && fs::hard_link(path, &kept).is_err() {
            let beside = with_ending(&kept, ".part");
            let copied = || {
                let mut to = create(&beside)?;
                io::copy(&mut File::open(path)?, &mut to)?;
                to.sync_all()?;
                fs::rename(&beside, &kept)
            };
            copied().map_err(JournalError::io("write", &kept))?;
        }
        sync_folder(&self.dir).map_err(JournalError::io("sync", &self.dir))?;
        Ok(kept)
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
        let kept = self.begin(path, &told, |kept| match File::open(kept) {
            Ok(kept) => is_same(&mut Stretches::open(path, spans)?, &mut BufReader::new(kept)),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(true),
            Err(err) => Err(err),
        })?;
        if kept.exists() {
            return Ok(kept);
        }
        let beside = with_ending(&kept, ".part");
        let copied = || {
            let mut to = create(&beside)?;
            io::copy(&mut Stretches::open(path, spans)?, &mut to)?;
            to.sync_all()?;
            fs::rename(&beside, &kept)?;
            sync_folder(&self.dir)
        };
        copied().map_err(JournalError::io("write", &kept))?;
        Ok(kept)
    }

    /// Finds a name for what is called like `path`, with its text beside, durably: one that was
    /// begun with the same text and may be gone on with, or a new one.
    fn begin(
        &self,
        path: &Path,
        text: &str,
        goes_on: impl Fn(&Path) -> io::Result<bool>,
    ) -> Result<PathBuf, JournalError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(JournalError::io("create", &self.dir))?;
        if let Some(data_dir) = self.dir.parent() {
            sync_folder(data_dir).map_err(JournalError::io("sync", data_dir))?;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for kept in self.begun(&name, text).map_err(JournalError::io("list", &self.dir))? {
            if goes_on(&kept).map_err(JournalError::io("read", &kept))? {
                return Ok(kept);
            }
        }
        let mut kept = self.dir.join(format!("{}-{name}", self.time));
        let mut n = 2;
        while kept.exists() || note_of(&kept).exists() {
            kept = self.dir.join(format!("{}-{n}-{name}", self.time));
            n += 1;
        }
        let note = note_of(&kept);
        let written = || {
            let mut file = create(&with_ending(&note, ".part"))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(with_ending(&note, ".part"), &note)?;
            sync_folder(&self.dir)
        };
        written().map_err(JournalError::io("write", &note))?;
        Ok(kept)
    }

    /// Names of which the text beside says just this. What is half written goes.
    fn begun(&self, name: &str, text: &str) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            // Only one at a time writes here: an interruption left it.
            if path.extension().is_some_and(|it| it == "part") {
                fs::remove_file(&path)?;
                continue;
            }
            let note = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_own = note.strip_suffix(NOTE).is_some_and(|it| it.ends_with(name));
            if is_own && fs::read(&path).is_ok_and(|it| it == text.as_bytes()) {
                found.push(path.with_extension(""));
            }
        }
        found.sort();
        Ok(found)
    }
}

fn was(path: &Path, why: &str) -> String {
    format!("Was {}: {why}.\n", path.display())
}

/// The stretches of a file, one behind the other.
struct Stretches<'a> {
    file: File,
    spans: std::slice::Iter<'a, Span>,
    n_left: u64,
}

impl<'a> Stretches<'a> {
    fn open(path: &Path, spans: &'a [Span]) -> io::Result<BufReader<Self>> {
        let file = File::open(path)?;
        Ok(BufReader::new(Self { file, spans: spans.iter(), n_left: 0 }))
    }
}

impl Read for Stretches<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.n_left == 0 {
                let Some(it) = self.spans.next() else { return Ok(0) };
                self.file.seek(SeekFrom::Start(it.offset))?;
                self.n_left = it.n_bytes;
            }
            let n = Read::by_ref(&mut self.file).take(self.n_left).read(to)?;
            if n > 0 || to.is_empty() {
                self.n_left -= n as u64;
                return Ok(n);
            }
            self.n_left = 0;
        }
    }
}

fn is_same(one: &mut impl BufRead, other: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let (here, there) = (one.fill_buf()?, other.fill_buf()?);
        let n = here.len().min(there.len());
        if n == 0 {
            return Ok(here.len() == there.len());
        }
        if here[..n] != there[..n] {
            return Ok(false);
        }
        one.consume(n);
        other.consume(n);
    }
}

const NOTE: &str = ".txt";

fn note_of(kept: &Path) -> PathBuf {
    with_ending(kept, NOTE)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// For its owner alone; what an interruption left under that name goes.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
