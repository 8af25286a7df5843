//! The mirror against the fake database: order, outages, refusals, credentials, restarts.

mod fakes;
#[path = "firebase/site.rs"]
mod site;

#[path = "firebase/credentials.rs"]
mod credentials;
#[path = "firebase/order.rs"]
mod order;
#[path = "firebase/outage.rs"]
mod outage;
#[path = "firebase/refusal.rs"]
mod refusal;
#[path = "firebase/restart.rs"]
mod restart;
