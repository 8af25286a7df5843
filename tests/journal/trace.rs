//! File operations as `strace -f -y -xx` tells them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One operation below the watched folder; paths are relative to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A new, empty file.
    Create {
        path: PathBuf,
    },
    MakeFolder {
        path: PathBuf,
    },
    /// At the end: nothing of ours writes anywhere else.
    Write {
        path: PathBuf,
        bytes: Vec<u8>,
    },
    SetLen {
        path: PathBuf,
        len: u64,
    },
    SyncFile {
        path: PathBuf,
    },
    SyncFolder {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
    },
    /// Said on standard output: everything up to that record is durable.
    Acked {
        seq: u64,
    },
}

/// The operations below `dir`, in the order in which they ended.
pub fn read_trace(text: &str, dir: &Path) -> Vec<Op> {
    let dir = dir.canonicalize().expect("the folder is there");
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut ops = Vec::new();
    for line in text.lines() {
        let (pid, rest) = line.split_once(' ').expect("a line begins with the thread");
        let rest = rest.trim_start();
        let whole = if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, start);
            continue;
        } else if rest.starts_with("<... ") {
            let end = rest.split_once(" resumed>").expect("it is resumed").1;
            format!("{}{end}", begun.remove(pid).expect("it was begun"))
        } else {
            rest.to_owned()
        };
        ops.extend(op(&whole, &dir));
    }
    ops
}

fn op(call: &str, dir: &Path) -> Option<Op> {
    let (name, rest) = call.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(") ")?;
    let result = result.trim_start().strip_prefix("= ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let strings: Vec<Vec<u8>> = arguments.split('"').skip(1).step_by(2).map(unescape).collect();
    let fd_path = || {
        let path = arguments.split_once('<')?.1.split_once('>')?.0;
        relative(path_of(&unescape(path)), dir)
    };
    let path = |n: usize| relative(path_of(strings.get(n)?), dir);
    match name {
        "write" if arguments.starts_with("1<") => {
            let text = String::from_utf8(strings.first()?.clone()).ok()?;
            let seq = text.split_once("acked ")?.1.trim().parse().ok()?;
            Some(Op::Acked { seq })
        }
        "write" => Some(Op::Write { path: fd_path()?, bytes: strings.first()?.clone() }),
        "openat" if arguments.contains("O_CREAT") => Some(Op::Create { path: path(0)? }),
        "openat" => None,
        "mkdir" => Some(Op::MakeFolder { path: path(0)? }),
        "fsync" | "fdatasync" => {
            let path = fd_path()?;
            let is_folder = dir.join(&path).is_dir();
            Some(if is_folder { Op::SyncFolder { path } } else { Op::SyncFile { path } })
        }
        "rename" => Some(Op::Rename { from: path(0)?, to: path(1)? }),
        "unlink" => Some(Op::Remove { path: path(0)? }),
        "ftruncate" => {
            let len = arguments.rsplit_once(", ")?.1.parse().ok()?;
            Some(Op::SetLen { path: fd_path()?, len })
        }
        // A model that passes over what it does not know would prove nothing.
        _ => relative(path_of(strings.first()?), dir).map(|it| panic!("{name} of {it:?}")),
    }
}

fn relative(path: PathBuf, dir: &Path) -> Option<PathBuf> {
    let path = path.strip_prefix(dir).ok()?.to_owned();
    // It holds nothing.
    (path != Path::new("lock")).then_some(path)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes.to_vec()).expect("our paths are UTF-8"))
}

/// `\x2f…`; a path behind a descriptor may be plain.
fn unescape(text: &str) -> Vec<u8> {
    if !text.starts_with("\\x") {
        return text.as_bytes().to_vec();
    }
    let digits = text.split("\\x").skip(1);
    digits.map(|it| u8::from_str_radix(it, 16).expect("two hex digits")).collect()
}
