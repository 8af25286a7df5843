//! The outside world for tests: servers that speak the real protocols on a port of their own.

pub mod chat;
pub mod rtdb;
