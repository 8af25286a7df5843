//! Asks the database for its time, more exactly than the heads of its answers tell.
//!
//! A time that the server sets is written and read back; it lies between the sending of the request
//! and its answer, so half of that is the most by which the difference can be wrong.

use std::time::{Duration, SystemTime};

use serde_json::json;

use super::shared::Trouble;
use super::stream::Ended;
use crate::domain::Timestamp;
use crate::readers::firebase::client::Client;
use crate::readers::firebase::clock::Clock;
use crate::readers::firebase::key::escape;

/// # Errors
/// If the database does not answer, or with something that is no time.
pub async fn measure(client: &mut Client, node: &str, clock: &Clock) -> Result<(), Trouble> {
    let path = format!("aurora/clock/{}", escape(node));
    let body = json!({ path.as_str(): { ".sv": "timestamp" } }).to_string();
    let asked = now();
    client.patch(body.into()).await?;
    let heard = now();
    let found = client.get(&path, &[]).await?;
    let said = found.value.as_i64().filter(|it| *it > 0).ok_or(Ended::NotRead)?;
    clock.note(Timestamp::from_millis(said), Duration::from_millis(1), asked, heard);
    Ok(())
}

fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
