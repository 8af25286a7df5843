//! `aurora import` and `aurora export`: the real binary, files in, files out.

#[path = "../fakes/mod.rs"]
mod fakes;
#[path = "../harness/mod.rs"]
mod harness;

mod bad_input;
mod export;
mod full_disk;
mod import;
mod interrupted;
mod large;
mod round_trip;
mod support;
