//! Where an export goes: standard output, or a file that appears when it is whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};

use super::ExportError;

pub struct Output {
    /// `None` once finished.
    to: Option<To>,
}

enum To {
    Standard(BufWriter<StdoutLock<'static>>),
    File(Part),
}

/// A file that is being written beside its place; it goes unless it gets there.
struct Part {
    out: BufWriter<File>,
    path: PathBuf,
    place: PathBuf,
    may_replace: bool,
}

impl Output {
    pub fn open(file: Option<&Path>, may_replace: bool) -> Result<Self, ExportError> {
        let to = match file {
            None => To::Standard(BufWriter::with_capacity(64 * 1024, io::stdout().lock())),
            Some(place) => To::File(Part::create(place, may_replace)?),
        };
        Ok(Self { to: Some(to) })
    }

    /// What a failed write means.
    pub fn failed(&self, source: io::Error) -> ExportError {
        match &self.to {
            Some(To::File(part)) => {
                ExportError::File { doing: "write", path: part.path.clone(), source }
            }
            _ => ExportError::Write(source),
        }
    }

    /// Hands the last of it on, and puts the file in its place.
    pub fn finish(&mut self) -> Result<(), ExportError> {
        self.flush().map_err(|err| self.failed(err))?;
        match self.to.take() {
            Some(To::File(part)) => part.finish(),
            _ => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            Some(To::Standard(out)) => out.write(bytes),
            Some(To::File(part)) => part.out.write(bytes),
            None => Ok(0),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.to {
            Some(To::Standard(out)) => out.flush(),
            Some(To::File(part)) => part.out.flush(),
            None => Ok(()),
        }
    }
}

impl Part {
    fn create(place: &Path, may_replace: bool) -> Result<Self, ExportError> {
        let exists = fs::symlink_metadata(place).is_ok();
        if exists && !may_replace {
            return Err(ExportError::Exists { path: place.to_owned() });
        }
        let mut name = place.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = place.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // What callers said is its owner's alone.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(|source| ExportError::File {
            doing: "create",
            path: path.clone(),
            source,
        })?;
        let out = BufWriter::with_capacity(64 * 1024, file);
        Ok(Self { out, path, place: place.to_owned(), may_replace })
    }

    fn finish(self) -> Result<(), ExportError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| ExportError::File { doing, path, source }
        };
        self.out.get_ref().sync_all().map_err(failed("sync", &self.path))?;
        if self.may_replace {
            return fs::rename(&self.path, &self.place).map_err(failed("make", &self.place));
        }
        // Unlike a rename, a link never replaces what came meanwhile.
        match fs::hard_link(&self.path, &self.place) {
            Ok(()) => Ok(()),
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {
                Err(ExportError::Exists { path: self.place.clone() })
            }
            // Some disks have no links.
            Err(_) => fs::rename(&self.path, &self.place).map_err(failed("make", &self.place)),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After a rename it is gone already.
        let _ = fs::remove_file(&self.path);
    }
}
