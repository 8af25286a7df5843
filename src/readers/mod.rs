//! Those who follow the journal. Each has its own position; none knows another.

pub mod archive;
pub mod firebase;
pub mod live;
pub mod snapshot;
