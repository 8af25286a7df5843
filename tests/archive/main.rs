//! The archive, seen from outside: every call is in it once, whatever happens to the server.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../harness/past.rs"]
mod past;

mod asking;
mod beginnings;
mod crash;
mod cut;
mod deleted;
mod disk;
mod files;
mod finds;
#[cfg(target_os = "linux")]
mod growth;
mod history;
mod leaving;
mod made_up;
mod oracle;
mod search;
mod support;
