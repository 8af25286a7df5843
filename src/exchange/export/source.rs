//! The archive, with every record that the journal has.

use std::time::{Duration, Instant};

use super::ExportError;
use crate::exchange::open::is_in_use;
use crate::exchange::tail::head_on_disk;
use crate::exchange::{Books, Interrupt, OpenError, Place};
use crate::readers::archive::{self, WholeCalls};

/// A running server's archive follows its journal by less than a second.
const PATIENCE: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(20);

/// Opens it. While no server runs, it is brought up to the journal first.
pub fn open(place: &Place, interrupt: &Interrupt) -> Result<WholeCalls, ExportError> {
    let dir = &place.data_dir;
    // Where nothing is, nothing is made.
    if !dir.join("journal").is_dir() && !archive::path(dir).exists() {
        return Err(ExportError::NoFolder { path: dir.clone() });
    }
    if !is_in_use(dir)? {
        // The folder is let go before anything is written out: a server may start meanwhile.
        return Ok(Books::open(place, interrupt)?.archived);
    }
    let io = |source| OpenError::Io { doing: "read", path: dir.join("journal"), source };
    let head = head_on_disk(dir).map_err(io)?.unwrap_or(0);
    let path = archive::path(dir);
    let until = Instant::now() + PATIENCE;
    loop {
        // A server that starts for the first time is about to make it.
        let archive = if path.exists() { Some(WholeCalls::open(&path)?) } else { None };
        let archived = match &archive {
            Some(archive) => archive.position()?.map(|it| it.seq),
            None => None,
        };
        match archive {
            Some(archive) if archived.unwrap_or(0) >= head => return Ok(archive),
            _ if interrupt.is_set() => return Err(ExportError::Interrupted),
            _ if Instant::now() > until => return Err(ExportError::Behind { archived, head }),
            _ => std::thread::sleep(PAUSE),
        }
    }
}
