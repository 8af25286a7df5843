//! Those who follow the journal, each with its own position.

pub mod firebase;
