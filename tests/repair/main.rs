//! Verify, repair and backup: whatever happens to a data folder is named, what reads is kept, what
//! does not is put aside, and a copy is as good as what it was made of.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

#[path = "../harness/mod.rs"]
mod harness;
#[path = "../journal/support.rs"]
#[allow(dead_code, reason = "it serves the tests of the journal, too")]
mod support;

mod anything;
mod backup;
mod bad_input;
mod busy;
mod commands;
mod damage;
mod folders;
mod followers;
mod holes;
mod killed;
mod question;
mod read_only;
