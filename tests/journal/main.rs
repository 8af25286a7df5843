//! The journal's promises, from outside: one order, durable before shown, and whatever a crash, a
//! failing disk or a careless hand leaves behind either reads back or is refused by name.

#![allow(clippy::unwrap_used)]

mod archive;
mod chain;
mod damage;
#[cfg(target_os = "linux")]
mod disk;
mod failing_disk;
#[cfg(target_os = "linux")]
mod full_disk;
mod golden;
mod holes;
mod keeper;
mod model;
mod order;
#[cfg(target_os = "linux")]
mod power_cut;
mod reading;
mod release;
mod restore;
mod rewrite;
mod seal;
mod shuffled;
mod support;
#[cfg(target_os = "linux")]
mod trace;
