//! Aurora: a self-hosted voice-call conversation server.
//!
//! A call's way: [`routes`] (HTTP in) → [`conversation`] (what to answer) → [`journal`] (one
//! append) → [`readers`] (who follows it). `docs/architecture.md` is the map.

pub mod app;
pub mod care;
pub mod config;
pub mod conversation;
pub mod domain;
pub mod erasure;
pub mod exchange;
pub mod files;
pub mod journal;
pub mod load;
pub mod readers;
pub mod routes;
pub mod runs;
pub mod telemetry;
pub mod telephony;
