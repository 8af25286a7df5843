//! Ended calls that are deleted, restored, held and erased; and nothing of the erased is left.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../fakes/mod.rs"]
mod fakes;
#[path = "../harness/mod.rs"]
mod harness;

#[path = "../following/trap.rs"]
#[allow(dead_code, reason = "it serves the tests of those who follow, too")]
mod trap;

mod command;
mod crash;
mod everywhere;
mod keeping;
mod mirror;
mod policy;
mod sick_disk;
mod support;
