//! The journal's promises, from outside: one order, durable before shown, and whatever a crash, a
//! failing disk or a careless hand leaves behind either reads back or is refused by name.

#![allow(clippy::unwrap_used)]

mod archive;
mod chain;
mod damage;
mod failing_disk;
#[cfg(target_os = "linux")]
mod full_disk;
mod golden;
mod keeper;
mod model;
mod order;
mod reading;
mod release;
mod restore;
mod rewrite;
mod seal;
mod support;
