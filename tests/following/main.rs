//! Those who follow the journal, seen from outside: restarts, live streams, the mirror, the pages.

#[path = "../fakes/mod.rs"]
mod fakes;
#[path = "../harness/mod.rs"]
mod harness;

mod behind;
mod browser;
mod callers;
mod crash;
mod edits;
#[cfg(target_os = "linux")]
mod kill_points;
mod limits;
mod line;
mod listeners;
mod mirror;
mod mirroring;
mod outage;
mod restart;
mod resume;
mod rolling;
#[cfg(target_os = "linux")]
mod sick_disk;
mod streams;
mod subscribers;
#[cfg(target_os = "linux")]
mod trap;
mod unchanged;
