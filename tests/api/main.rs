//! The front door: the real server, asked from outside.

#[path = "../fakes/mod.rs"]
mod fakes;
#[path = "../harness/mod.rs"]
mod harness;

mod speech;
