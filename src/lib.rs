//! Aurora: a self-hosted voice-call conversation server.

pub mod conversation;
pub mod domain;
pub mod readers;
pub mod telephony;
