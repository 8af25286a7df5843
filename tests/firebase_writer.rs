//! The mirror against the fake database: order, outages, refusals, credentials, restarts; and both sides come to the same end.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod fakes;
#[path = "firebase/house.rs"]
mod house;
#[path = "firebase/site.rs"]
mod site;

#[path = "firebase/client.rs"]
mod client;
#[path = "firebase/contested.rs"]
mod contested;
#[path = "firebase/convergence.rs"]
mod convergence;
#[path = "firebase/credentials.rs"]
mod credentials;
#[path = "firebase/hour.rs"]
mod hour;
#[path = "firebase/listening.rs"]
mod listening;
#[path = "firebase/order.rs"]
mod order;
#[path = "firebase/outage.rs"]
mod outage;
#[path = "firebase/position.rs"]
mod position;
#[path = "firebase/refusal.rs"]
mod refusal;
#[path = "firebase/restart.rs"]
mod restart;
