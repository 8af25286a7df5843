//! The words that everything else shares: no I/O, no clock, no HTTP.

mod topic;
mod urgency;

pub use topic::Topic;
pub use urgency::Urgency;
