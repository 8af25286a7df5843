//! Those who follow the journal. Each has its own position; none knows another.

pub mod archive;
pub mod firebase;
pub mod keeper;
pub mod live;
pub mod snapshot;
