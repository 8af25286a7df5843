//! `aurora verify`, `aurora repair` and `aurora backup`: looking after a data folder.
//!
//! The one idea: all three rest on one examination, which reads everything, compares the journal,
//! `total.json`, the archive and the mirror's position with each other, and changes nothing. To
//! verify is to tell what it found, to repair is to act on it, and a backup is examined before
//! anybody relies on it.

pub mod backup;
pub mod repair;
pub mod verify;

mod error;
mod examine;
mod folder;
mod progress;
mod under_way;

pub use self::error::CareError;
