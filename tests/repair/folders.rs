//! Small words for the tests: data folders, looked at and repaired.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aurora::care::{CareError, repair, verify};
use aurora::domain::Record;
use aurora::journal::{DataLock, Journal, JournalError};
use aurora::readers::snapshot;

use crate::support::{records_after, settings};

pub fn verified(dir: &Path) -> verify::Report {
    verify::verify(dir).unwrap()
}

/// Everything is good; what it says otherwise.
pub fn assert_good(dir: &Path) {
    let report = verified(dir);
    assert!(report.good, "{report}");
}

/// Repairs without asking; what it printed.
pub fn repaired(dir: &Path) -> Result<String, CareError> {
    let mut out = Vec::new();
    let done = repair::run(repair::Options { yes: true }, dir, "test", &mut out);
    let said = String::from_utf8(out).unwrap();
    done.map(|()| said)
}

/// Opens it as a server does.
pub fn start(dir: &Path) -> Result<Arc<Journal>, JournalError> {
    let stored = snapshot::load(dir).unwrap();
    // A process that another test is just starting holds our files for a moment.
    let lock = Arc::new(DataLock::wait(dir)?);
    Journal::open_locked(lock, settings(dir), stored).map(|it| it.0)
}

/// All that is held.
pub fn held(journal: &Journal) -> Vec<Arc<Record>> {
    records_after(journal, journal.first_held() - 1, 100, 100_000)
}

/// What was put aside, without the texts beside.
pub fn quarantined(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(entries) = fs::read_dir(dir.join("quarantine")) else { return BTreeMap::new() };
    let paths = entries.map(|it| it.unwrap().path());
    let paths = paths.filter(|it| it.extension().is_none_or(|it| it != "txt"));
    paths.map(|it| (it.clone(), fs::read(it).unwrap())).collect()
}

/// Whether these bytes were put aside.
pub fn is_put_aside(dir: &Path, bytes: &[u8]) -> bool {
    let found = |kept: &Vec<u8>| kept.windows(bytes.len().max(1)).any(|it| it == bytes);
    bytes.is_empty() || quarantined(dir).values().any(found)
}
