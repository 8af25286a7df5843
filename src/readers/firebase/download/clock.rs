//! By how much the database's clock is ahead of ours.
//!
//! A time that the server sets is written and read back; it lies between the sending of the request
//! and its answer, so half of that is the most by which the difference can be wrong.

use std::time::SystemTime;

use serde_json::json;

use super::shared::Trouble;
use super::stream::Ended;
use crate::domain::Timestamp;
use crate::readers::firebase::client::Client;
use crate::readers::firebase::key::escape;

/// # Errors
/// If the database does not answer, or with something that is no time.
pub async fn measure(client: &mut Client, node: &str) -> Result<i64, Trouble> {
    let path = format!("aurora/clock/{}", escape(node));
    let body = json!({ path.as_str(): { ".sv": "timestamp" } }).to_string();
    let sent = now_ms();
    client.patch(body.into()).await?;
    let answered = now_ms();
    let found = client.get(&path, &[]).await?;
    let there = found.value.as_i64().filter(|it| *it > 0).ok_or(Ended::NotRead)?;
    Ok(there - sent.midpoint(answered))
}

fn now_ms() -> i64 {
    Timestamp::from(SystemTime::now()).as_millis()
}
