//! Supervisors: who they are, what they may do, and what two of them do at once.

mod actions;
mod conflicts;
mod notes;
mod privacy;
mod sessions;
