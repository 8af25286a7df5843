//! The front door: the real server, asked from outside.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../fakes/mod.rs"]
mod fakes;
#[path = "../harness/mod.rs"]
mod harness;

mod config;
mod invariants;
mod model;
mod speech;
mod store;
mod supervisors;
mod webhooks;
