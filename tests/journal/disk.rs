//! A disk that has lost its power: what was synced is there, the rest is its own choice.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::trace::Op;

/// The smallest piece that a disk writes whole.
const BLOCK: usize = 512;

/// What the disk keeps of what was not synced.
#[derive(Debug)]
pub enum Choices {
    Nothing,
    Everything,
    Any(Box<StdRng>),
}

impl Choices {
    pub fn any(seed: u64) -> Self {
        Self::Any(Box::new(StdRng::seed_from_u64(seed)))
    }

    fn flip(&mut self) -> bool {
        self.up_to(1) == 1
    }

    fn up_to(&mut self, most: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Everything => most,
            Self::Any(random) => random.random_range(0..=most),
        }
    }

    /// Whether a block of a write that is there otherwise is missing: rarely, or none would be
    /// left between two holes.
    fn is_hole(&mut self) -> bool {
        match self {
            Self::Nothing | Self::Everything => false,
            Self::Any(random) => random.random_range(0..4) == 0,
        }
    }
}

#[derive(Debug, Clone, Default)]
struct File {
    synced: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(Vec<u8>),
    SetLen(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(more) => bytes.extend_from_slice(more),
            Self::SetLen(len) => bytes.resize(*len, 0),
        }
    }
}

/// A change of a folder's entries; a rename is one, not two.
#[derive(Debug, Clone)]
enum Entry {
    Is(PathBuf, usize),
    Gone(PathBuf),
    Moved(PathBuf, PathBuf, usize),
    Folder(PathBuf),
}

impl Entry {
    fn folder(&self) -> &Path {
        let (Self::Is(path, _) | Self::Gone(path) | Self::Moved(path, ..) | Self::Folder(path)) =
            self;
        path.parent().unwrap_or(Path::new(""))
    }

    fn apply(&self, tree: &mut Tree) {
        match self {
            Self::Is(path, file) => drop(tree.files.insert(path.clone(), *file)),
            Self::Gone(path) => drop(tree.files.remove(path)),
            Self::Moved(from, to, file) => {
                tree.files.remove(from);
                tree.files.insert(to.clone(), *file);
            }
            Self::Folder(path) => tree.folders.push(path.clone()),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Tree {
    files: BTreeMap<PathBuf, usize>,
    folders: Vec<PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: Vec<File>,
    /// As processes see it.
    now: Tree,
    synced: Tree,
    unsynced: Vec<Entry>,
    /// The last record that somebody was told to be durable.
    pub acked: u64,
}

impl Disk {
    /// With what is in `dir`, all of it synced.
    pub fn of(dir: &Path, acked: u64) -> Self {
        let mut disk = Self { acked, ..Self::default() };
        disk.add_folder(dir, Path::new(""));
        disk.synced = disk.now.clone();
        disk
    }

    fn add_folder(&mut self, dir: &Path, below: &Path) {
        for entry in fs::read_dir(dir.join(below)).unwrap() {
            let path = below.join(entry.unwrap().file_name());
            if dir.join(&path).is_dir() {
                self.add_folder(dir, &path);
                self.now.folders.push(path);
            } else if path != Path::new("lock") {
                let synced = fs::read(dir.join(&path)).unwrap();
                self.files.push(File { synced, unsynced: Vec::new() });
                self.now.files.insert(path, self.files.len() - 1);
            }
        }
    }

    pub fn does(&mut self, op: &Op) {
        match op {
            Op::Create { path } => match self.now.files.get(path) {
                Some(file) => self.files[*file].unsynced.push(Change::SetLen(0)),
                None => {
                    self.files.push(File::default());
                    self.enter(Entry::Is(path.clone(), self.files.len() - 1));
                }
            },
            Op::MakeFolder { path } => self.enter(Entry::Folder(path.clone())),
            Op::Write { path, bytes } => self.change(path, Change::Write(bytes.clone())),
            Op::SetLen { path, len } => self.change(path, Change::SetLen(*len as usize)),
            Op::SyncFile { path } => {
                let file = self.now.files[path];
                let File { synced, unsynced } = &mut self.files[file];
                unsynced.drain(..).for_each(|it| it.apply(synced));
            }
            Op::SyncFolder { path } => {
                let synced = &mut self.synced;
                self.unsynced.retain(|it| {
                    let is_here = it.folder() == path;
                    if is_here {
                        it.apply(synced);
                    }
                    !is_here
                });
            }
            Op::Rename { from, to } => {
                let file = self.now.files[from];
                self.enter(Entry::Moved(from.clone(), to.clone(), file));
            }
            Op::Remove { path } => self.enter(Entry::Gone(path.clone())),
            Op::Acked { seq } => self.acked = self.acked.max(*seq),
        }
    }

    fn change(&mut self, path: &Path, change: Change) {
        let file = self.now.files[path];
        self.files[file].unsynced.push(change);
    }

    fn enter(&mut self, entry: Entry) {
        entry.apply(&mut self.now);
        self.unsynced.push(entry);
    }

    /// Puts into `dir` what a start after the power cut may find.
    pub fn write_image(&self, dir: &Path, choices: &mut Choices) {
        let mut tree = self.synced.clone();
        self.unsynced.iter().filter(|_| choices.flip()).for_each(|it| it.apply(&mut tree));
        for folder in &tree.folders {
            // A folder may be there without the one around it; then it is nowhere.
            let _ = fs::create_dir(dir.join(folder));
        }
        for (path, file) in &tree.files {
            let bytes = self.files[*file].after_the_cut(choices);
            let path = dir.join(path);
            if path.parent().is_some_and(Path::is_dir) {
                fs::write(path, bytes).unwrap();
            }
        }
    }
}

impl File {
    /// Some of the changes, in order; the last write of them in part and with holes.
    fn after_the_cut(&self, choices: &mut Choices) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        let n_whole = choices.up_to(self.unsynced.len());
        self.unsynced[..n_whole].iter().for_each(|it| it.apply(&mut bytes));
        if let Some(Change::Write(more)) = self.unsynced.get(n_whole) {
            bytes.extend_from_slice(&more[..choices.up_to(more.len())]);
        }
        let is_longer = bytes.len() > self.synced.len();
        let grows = self.unsynced.iter().all(|it| matches!(it, Change::Write(_)));
        if is_longer && grows && choices.flip() {
            let mut at = self.synced.len();
            while at < bytes.len() {
                let end = ((at / BLOCK + 1) * BLOCK).min(bytes.len());
                if choices.is_hole() {
                    bytes[at..end].fill(0);
                }
                at = end;
            }
        }
        bytes
    }
}
