//! The archive, seen from outside: every call is in it once, whatever happens to the server.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../harness/past.rs"]
mod past;

mod asking;
mod crash;
mod cut;
mod disk;
mod files;
#[cfg(target_os = "linux")]
mod growth;
mod history;
mod leaving;
mod search;
mod support;
