//! One try at a copy.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::runs::copy_runs;
use super::{make, sync};
use crate::care::error::CareError;
use crate::care::folder;
use crate::care::progress::Progress;
use crate::domain::{JournalId, Position, Seq, SyncStatus};
use crate::erasure::marker_path;
use crate::journal::JournalError;
use crate::journal::chain;
use crate::journal::line::{FORMAT, Header, read_header, write_header};
use crate::journal::survey::listed;
use crate::readers::{archive, snapshot};
use crate::runs::Spool;

/// Written before progress is told again.
const TELL_EVERY: u64 = 4 * 1024 * 1024;

/// Copies everything into `to`, which is there and empty, under the name `id`. A copy of what is
/// being erased says so itself: who starts with it finishes that.
pub fn copy(
    data_dir: &Path,
    to: &Path,
    id: JournalId,
    progress: &mut Progress,
) -> Result<(), CareError> {
    let marker = marker_path(data_dir);
    let erasing = read(&marker)?;
    // Before the journal: what a server takes in meanwhile is there.
    copy_runs(&Spool::of(data_dir), &Spool::of(to))?;
    // Then those who follow the journal, which then holds all that they need.
    let total = snapshot::load(data_dir)?;
    if let Some((state, position)) = total {
        let position = Position { journal: id, seq: position.seq };
        snapshot::save(to, &state, position, &|_| SyncStatus::PendingSync)?;
    }
    let db = archive::path(data_dir);
    if let Some(look) = archive::Look::open(&db)? {
        let own = journal_id(data_dir)?;
        // What it read of another journal stays what it is.
        let name = look.position.filter(|it| Some(it.journal) == own).map(|_| id);
        let tell = |done, total| progress.tell("copying the archive", done, total);
        look.copy_to(&archive::path(to), name, tell)?;
        let file = File::open(archive::path(to)).and_then(|it| it.sync_all());
        file.map_err(CareError::io("sync", archive::path(to)))?;
    }
    copy_folder(&data_dir.join("readers"), &to.join("readers"))?;
    copy_journal(&folder::journal(data_dir), &folder::journal(to), id, progress)?;
    for name in ["erasures.jsonl", "admin.token"] {
        copy_file(&data_dir.join(name), &to.join(name))?;
    }
    if read(&marker)? != erasing {
        let why = "an erasure began or ended meanwhile".to_owned();
        return Err(CareError::NotCoherent { n_tries: 1, why });
    }
    if let Some(bytes) = erasing {
        let path = marker_path(to);
        let written =
            create(&path).map(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()));
        written?.map_err(CareError::io("write", &path))?;
    }
    sync(to)
}

/// A small file, if it is there.
fn read(path: &Path) -> Result<Option<Vec<u8>>, CareError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(CareError::io("read", path)(err)),
    }
}

fn journal_id(data_dir: &Path) -> Result<Option<JournalId>, CareError> {
    let Some((_, path)) = segments(&folder::journal(data_dir))?.pop() else { return Ok(None) };
    Ok(open(&path)?.and_then(|(header, _)| header.journal_id.parse().ok()))
}

fn segments(dir: &Path) -> Result<Vec<(u32, std::path::PathBuf)>, CareError> {
    if dir.is_dir() { Ok(listed(dir)?) } else { Ok(Vec::new()) }
}

fn copy_journal(
    from: &Path,
    to: &Path,
    id: JournalId,
    progress: &mut Progress,
) -> Result<(), CareError> {
    make(to)?;
    // Before the segments: then it tells of none that is not here.
    copy_file(&from.join(chain::FILE), &to.join(chain::FILE))?;
    let files = segments(from)?;
    let size = |it: &(u32, std::path::PathBuf)| it.1.metadata().map_or(0, |it| it.len());
    let total = files.iter().map(size).sum();
    let (mut done, mut has_some) = (0, false);
    let last = files.last().map(|it| it.0);
    for (ordinal, path) in files {
        let copied = to.join(path.file_name().unwrap_or_default());
        let Some((header, lines)) = open(&path)? else {
            // The oldest may go meanwhile. What then is missing is seen when the copy is verified.
            if has_some && Some(ordinal) != last {
                return Err(gone(&path));
            }
            continue;
        };
        has_some = true;
        let tell = |n_bytes| {
            done += n_bytes;
            progress.tell("copying the journal", done, total);
        };
        copy_segment(&path, &header, lines, &copied, id, None, tell)?;
        if Some(ordinal) == last {
            cut_after_next(from, &path, ordinal, &copied, id)?;
        }
    }
    sync(to)
}

fn gone(path: &Path) -> CareError {
    CareError::io("open", path)(ErrorKind::NotFound.into())
}

/// If the last one was given up meanwhile, its end does not count where the next one begins.
fn cut_after_next(
    from: &Path,
    path: &Path,
    ordinal: u32,
    copied: &Path,
    id: JournalId,
) -> Result<(), CareError> {
    let Some((_, next)) = segments(from)?.into_iter().find(|it| it.0 > ordinal) else {
        return Ok(());
    };
    let Some((next, _)) = open(&next)? else { return Ok(()) };
    let Some((header, lines)) = open(path)? else { return Ok(()) };
    let limit = Some(next.first_seq);
    copy_segment(path, &header, lines, copied, id, limit, |_| ())
}

/// A segment with a whole header; `None` if it has gone, or is being made.
fn open(path: &Path) -> Result<Option<(Header, BufReader<File>)>, CareError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(CareError::io("open", path)(err)),
    };
    let mut lines = BufReader::with_capacity(256 * 1024, file);
    let mut line = Vec::new();
    lines.read_until(b'\n', &mut line).map_err(CareError::io("read", path))?;
    let Some(line) = line.strip_suffix(b"\n") else { return Ok(None) };
    let header = read_header(line).map_err(|why| CareError::NotCoherent {
        n_tries: 1,
        why: format!("{} line 1: {why}", path.display()),
    })?;
    if header.format > FORMAT {
        let (file, found) = (path.to_owned(), header.format);
        return Err(JournalError::NewerFormat { file, found, known: FORMAT }.into());
    }
    Ok(Some((header, lines)))
}

/// Copies whole lines, below another header; up to the record before `limit`.
fn copy_segment(
    from: &Path,
    header: &Header,
    mut lines: BufReader<File>,
    to: &Path,
    id: JournalId,
    limit: Option<Seq>,
    mut tell: impl FnMut(u64),
) -> Result<(), CareError> {
    let mut out = BufWriter::with_capacity(256 * 1024, create(to)?);
    let mut line = Vec::new();
    write_header(&Header { journal_id: id.to_string(), ..header.clone() }, &mut line);
    let (mut seq, mut waiting) = (header.first_seq, 0);
    loop {
        out.write_all(&line).map_err(CareError::io("write", to))?;
        line.clear();
        if limit.is_some_and(|it| seq >= it) {
            break;
        }
        let size = lines.read_until(b'\n', &mut line).map_err(CareError::io("read", from))?;
        if line.last() != Some(&b'\n') {
            break;
        }
        seq += 1;
        waiting += size as u64;
        if waiting >= TELL_EVERY {
            tell(waiting);
            waiting = 0;
        }
    }
    tell(waiting);
    let synced = out.flush().and_then(|()| out.get_ref().sync_all());
    synced.map_err(CareError::io("sync", to))
}

pub(super) fn create(path: &Path) -> Result<File, CareError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path).map_err(CareError::io("create", path))
}

/// Copies a file that is replaced whole, if it is there.
pub(super) fn copy_file(from: &Path, to: &Path) -> Result<(), CareError> {
    let mut source = match File::open(from) {
        Ok(file) => file,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(CareError::io("open", from)(err)),
    };
    let mut file = create(to)?;
    let copied = io::copy(&mut source, &mut file).and_then(|_| file.sync_all());
    copied.map_err(CareError::io("copy", from))
}

/// What those who follow keep. A file that is being written beside another has no place in a copy.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<(), CareError> {
    let entries = match fs::read_dir(from) {
        Ok(entries) => entries,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(CareError::io("list", from)(err)),
    };
    make(to)?;
    for entry in entries {
        let path = entry.map_err(CareError::io("list", from))?.path();
        let is_new = path.extension().is_some_and(|it| it == "new");
        if let Some(name) = path.file_name().filter(|_| path.is_file() && !is_new) {
            copy_file(&path, &to.join(name))?;
        }
    }
    sync(to)
}
