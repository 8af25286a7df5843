//! What to answer: triage, offline cards, the model, and the desk that puts them in order.

pub mod cards;
pub mod desk;
pub mod keeping;
pub mod merging;
pub mod model;
pub mod triage;
