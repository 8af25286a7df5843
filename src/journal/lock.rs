//! The lock of a data folder: one process at a time, and who it is.
//!
//! The one idea: the lock is the kernel's (`flock`) and goes with the process, however that ends.
//! What stands in the file is only believed while the lock is held, so what a crash leaves means
//! nothing.

use std::fs::{File, TryLockError};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use super::JournalError;

/// The whole file: one write that always covers what was there before.
const SIZE: usize = 256;
/// Longest wait for an Aurora that stops, which takes it 5 s.
const STOPPING: Duration = Duration::from_secs(10);
/// One that was asked to stop just now may not have said so yet, and a command that looks who is
/// there holds the lock for a moment.
const GRACE: Duration = Duration::from_secs(1);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Who has a data folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    /// Where it listens, as it was bound; none before it does, and none of a command.
    pub address: Option<SocketAddr>,
    pub state: HolderState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HolderState {
    /// It has the folder and takes no requests: a server that starts, or a command.
    Busy,
    /// A server that takes requests at its address.
    Serving,
    /// A server that finishes what it has begun, and will be gone in a few seconds.
    Stopping,
}

impl Holder {
    /// Where this machine reaches it: the loopback address if it listens everywhere.
    pub fn reachable_at(&self) -> Option<SocketAddr> {
        let mut address = self.address?;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        Some(address)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.pid)?;
        if let Some(address) = self.reachable_at() {
            write!(f, " on {address}")?;
        }
        if self.state == HolderState::Stopping {
            f.write_str(", which is stopping")
        } else {
            Ok(())
        }
    }
}

/// A data folder that is ours until this is dropped.
#[derive(Debug)]
pub struct DataLock {
    file: File,
    path: PathBuf,
}

impl Drop for DataLock {
    /// Lets go by itself, not by closing the file: a child process that is being started has a
    /// copy of every open file until it runs its program, and `flock` goes with the last copy.
    fn drop(&mut self) {
        if let Err(err) = self.file.unlock() {
            let path = self.path.display();
            warn!(error = %err, %path, "The data folder is locked until this process ends.");
        }
    }
}

impl DataLock {
    /// Takes the folder, which must be there.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if another process has it, with who that is;
    /// [`JournalError::Io`] otherwise.
    pub fn take(data_dir: &Path) -> Result<Self, JournalError> {
        let path = path(data_dir);
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(JournalError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {
                let lock = Self { file, path };
                lock.announce(HolderState::Busy, None);
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => {
                Err(JournalError::Locked { dir: data_dir.to_owned(), holder: read(&file) })
            }
            Err(TryLockError::Error(err)) => Err(JournalError::io("lock", path)(err)),
        }
    }

    /// As [`DataLock::take`], but waits for an Aurora that is stopping. One that runs is an error
    /// after a second.
    ///
    /// # Errors
    /// As [`DataLock::take`].
    pub fn wait(data_dir: &Path) -> Result<Self, JournalError> {
        let begun = Instant::now();
        let mut is_told = false;
        loop {
            let err = match Self::take(data_dir) {
                Err(err @ JournalError::Locked { .. }) => err,
                other => return other,
            };
            let JournalError::Locked { holder, .. } = &err else { return Err(err) };
            let stopping = holder.as_ref().filter(|it| it.state == HolderState::Stopping);
            if begun.elapsed() >= stopping.map_or(GRACE, |_| STOPPING) {
                return Err(err);
            }
            if let Some(holder) = stopping.filter(|_| !is_told) {
                info!(pid = holder.pid, "Waits for the Aurora that is stopping.");
                is_told = true;
            }
            sleep(PAUSE);
        }
    }

    /// Tells others what this process does. The lock holds without it, so an error is only logged.
    pub fn announce(&self, state: HolderState, address: Option<SocketAddr>) {
        let holder = Holder { pid: std::process::id(), address, state };
        let mut text = serde_json::to_vec(&holder).expect("numbers and names serialize");
        text.resize(SIZE - 1, b' ');
        text.push(b'\n');
        // In place and in one write: a file renamed over this one would not be the locked one.
        if let Err(err) = self.file.write_all_at(&text, 0) {
            let path = self.path.display();
            warn!(error = %err, %path, "Other programs are not told who has the data folder.");
        }
    }
}

/// Who has the folder; `None` if nobody does, whatever an earlier process left in the file.
///
/// # Errors
/// [`JournalError::Locked`] if somebody has it and does not tell who, such as an older Aurora;
/// [`JournalError::Io`] if the file cannot be looked at.
pub fn holder(data_dir: &Path) -> Result<Option<Holder>, JournalError> {
    let path = path(data_dir);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(JournalError::io("open", path)(err)),
    };
    // Shared, so that two who look do not see each other.
    match file.try_lock_shared() {
        // At once, for the same reason as in `drop` above.
        Ok(()) => file.unlock().map(|()| None).map_err(JournalError::io("unlock", path)),
        Err(TryLockError::WouldBlock) => match read(&file) {
            Some(holder) => Ok(Some(holder)),
            None => Err(JournalError::Locked { dir: data_dir.to_owned(), holder: None }),
        },
        Err(TryLockError::Error(err)) => Err(JournalError::io("lock", path)(err)),
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("lock")
}

fn read(file: &File) -> Option<Holder> {
    let mut text = [0; SIZE];
    let mut n_read = 0;
    while let Ok(n @ 1..) = file.read_at(&mut text[n_read..], n_read as u64) {
        n_read += n;
    }
    serde_json::from_slice(&text[..n_read]).ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn address() -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 5000))
    }

    #[test]
    fn who_has_the_folder_says_so() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()).unwrap(), None);

        let lock = DataLock::take(dir.path()).unwrap();
        let found = holder(dir.path()).unwrap().unwrap();
        let expected = Holder { pid: std::process::id(), address: None, state: HolderState::Busy };
        assert_eq!(found, expected);

        for state in [HolderState::Serving, HolderState::Stopping, HolderState::Serving] {
            lock.announce(state, Some(address()));
            let found = holder(dir.path()).unwrap().unwrap();
            assert_eq!((found.state, found.address), (state, Some(address())));
            assert_eq!(found.reachable_at(), Some(SocketAddr::from(([127, 0, 0, 1], 5000))));
        }
    }

    #[test]
    fn a_child_process_that_is_being_started_does_not_keep_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DataLock::take(dir.path()).unwrap();
        // What a child has of us before it runs its program.
        let _inherited = lock.file.try_clone().unwrap();
        drop(lock);
        let _next = DataLock::take(dir.path()).unwrap();
    }

    #[test]
    fn what_an_earlier_process_left_means_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DataLock::take(dir.path()).unwrap();
        lock.announce(HolderState::Serving, Some(address()));
        drop(lock);

        assert!(fs::read_to_string(path(dir.path())).unwrap().contains("serving"));
        assert_eq!(holder(dir.path()).unwrap(), None);

        fs::write(path(dir.path()), "x".repeat(10_000)).unwrap();
        assert_eq!(holder(dir.path()).unwrap(), None);
        let _lock = DataLock::take(dir.path()).unwrap();
        assert_eq!(holder(dir.path()).unwrap().unwrap().state, HolderState::Busy);
    }

    #[test]
    fn one_who_does_not_tell_has_it_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let old = File::create(path(dir.path())).unwrap();
        old.lock().unwrap();

        for found in [holder(dir.path()).map(drop), DataLock::take(dir.path()).map(drop)] {
            assert!(matches!(found, Err(JournalError::Locked { holder: None, .. })), "{found:?}");
        }
    }

    #[test]
    fn one_who_looks_does_not_keep_a_start_away() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(path(dir.path()), "").unwrap();
        let looking = File::open(path(dir.path())).unwrap();
        looking.lock_shared().unwrap();
        assert!(DataLock::take(dir.path()).is_err());

        std::thread::scope(|scope| {
            let started = scope.spawn(|| DataLock::wait(dir.path()).map(drop));
            drop(looking);
            started.join().unwrap().unwrap();
        });
    }

    #[test]
    fn one_that_stops_is_waited_for_and_one_that_runs_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let old = DataLock::take(dir.path()).unwrap();
        old.announce(HolderState::Serving, Some(address()));

        let err = DataLock::wait(dir.path()).unwrap_err();
        let (said, pid) = (err.to_string(), std::process::id());
        assert!(said.contains(&format!("(process {pid} on 127.0.0.1:5000)")), "{said}");

        std::thread::scope(|scope| {
            let next = scope.spawn(|| DataLock::wait(dir.path()));
            old.announce(HolderState::Stopping, Some(address()));
            // Longer than one that runs is borne.
            let begun = Instant::now();
            while begun.elapsed() < GRACE + PAUSE * 5 {
                assert!(!next.is_finished());
                sleep(PAUSE);
            }
            drop(old);
            next.join().unwrap().unwrap();
        });
    }
}
