//! Finished work: told of by any command line, with a server, without one, and offline.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../fakes/mod.rs"]
mod fakes;
#[path = "../harness/mod.rs"]
mod harness;

mod calls;
mod command_line;
mod elsewhere;
mod exec;
mod killed;
mod server;
mod straight;
mod support;
