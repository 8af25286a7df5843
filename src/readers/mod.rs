//! Those who follow the journal. Each has its own position; none knows another.

pub mod live;
pub mod snapshot;
