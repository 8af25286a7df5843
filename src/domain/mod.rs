//! The words that everything else shares: no I/O, no clock, no HTTP.

mod card_step;
mod topic;
mod urgency;

pub use card_step::CardStep;
pub use topic::Topic;
pub use urgency::Urgency;
