//! Test doubles that speak the real wire protocols.

pub mod rtdb;
