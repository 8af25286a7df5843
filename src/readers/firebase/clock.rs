//! By how much the database's clock is ahead of ours, measured with each answer.
//!
//! The one idea: an answer says when it was made, to some resolution, and that was between our
//! asking and our hearing. So each answer bounds the offset from both sides, and what many of them
//! leave is far narrower than one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::answer::WriteError;
use super::client::Client;
use super::key::escape;
use crate::domain::Timestamp;

/// What a `Date` of HTTP tells: a second, and servers write the same one for up to a second more
/// rather than ask their clock each time.
const DATE: Duration = Duration::from_secs(2);

/// The offset as far as it is known. Shared; cheap.
#[derive(Debug, Default)]
pub struct Clock {
    bounds_ms: Mutex<Option<(i64, i64)>>,
}

impl Clock {
    /// Takes note of `said` by the database, cut off to `resolution`, in the answer to a request
    /// that was made at `asked` and answered at `heard`, by our clock.
    pub fn note(&self, said: Timestamp, resolution: Duration, asked: Timestamp, heard: Timestamp) {
        let width_ms = i64::try_from(resolution.as_millis()).unwrap_or(0);
        let least = said.as_millis() - heard.as_millis();
        let most = said.as_millis() + width_ms - asked.as_millis();
        if least > most {
            return; // Our clock was set back while we waited.
        }
        let mut bounds = self.bounds_ms.lock().unwrap_or_else(PoisonError::into_inner);
        *bounds = match *bounds {
            Some((low, high)) if low.max(least) <= high.min(most) => {
                Some((low.max(least), high.min(most)))
            }
            // The first, or a clock was set.
            _ => Some((least, most)),
        };
    }

    /// Takes note of an answer that has just come, `took` after it was asked for.
    pub fn note_answer(&self, date: Option<Timestamp>, took: Duration) {
        let heard = now();
        let took_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let asked = Timestamp::from_millis(heard.as_millis().saturating_sub(took_ms));
        if let Some(said) = date {
            self.note(said, DATE, asked, heard);
        }
    }

    /// Asks for the time itself, more exactly than the heads of answers tell: one that the server
    /// sets is written, and read back.
    ///
    /// # Errors
    /// If the database does not answer, or with something that is no time.
    pub async fn measure(&self, client: &mut Client, node: &str) -> Result<(), WriteError> {
        let path = format!("aurora/clock/{}", escape(node));
        let body = json!({ path.as_str(): { ".sv": "timestamp" } }).to_string();
        let asked = now();
        client.patch(body.into()).await?;
        let heard = now();
        let found = client.get(&path, &[]).await?;
        let said = found.value.as_i64().filter(|it| *it > 0).ok_or_else(|| {
            let reason = format!("what the database says at {path} is no time");
            WriteError::Unreadable { reason }
        })?;
        self.note(Timestamp::from_millis(said), Duration::from_millis(1), asked, heard);
        Ok(())
    }

    /// In the middle of what is possible; nothing as long as no answer came.
    pub fn offset_ms(&self) -> i64 {
        let bounds = *self.bounds_ms.lock().unwrap_or_else(PoisonError::into_inner);
        bounds.map_or(0, |(least, most)| least + (most - least) / 2)
    }

    /// Now, by the database's clock.
    pub fn server_now(&self) -> Timestamp {
        let now = now();
        Timestamp::from_millis(now.as_millis().saturating_add(self.offset_ms()))
    }
}

/// Now, by our clock.
fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_763_640_000_000 + ms)
    }

    #[test]
    fn many_coarse_answers_make_a_fine_offset() {
        let (clock, ahead) = (Clock::default(), 123_456);
        assert_eq!(clock.offset_ms(), 0);

        for n in 0..200 {
            let asked = n * 777;
            let said = (asked + 20 + ahead) / 1000 * 1000;
            clock.note(ms(said), Duration::from_secs(1), ms(asked), ms(asked + 40));
        }

        assert!((clock.offset_ms() - ahead).abs() <= 25, "{}", clock.offset_ms());
    }

    #[test]
    fn a_date_that_is_kept_for_a_while_spoils_no_exact_measurement() {
        let clock = Clock::default();
        clock.note(ms(5), Duration::from_millis(1), ms(0), ms(10));
        let exact = clock.offset_ms();

        // Of 11.9 s, told at 12.7 s.
        clock.note(ms(11_000), DATE, ms(12_700), ms(12_702));

        assert_eq!(clock.offset_ms(), exact);
    }

    #[test]
    fn a_clock_that_is_set_is_measured_anew() {
        let clock = Clock::default();
        clock.note(ms(1_000), Duration::ZERO, ms(1_000), ms(1_010));

        clock.note(ms(302_000), Duration::ZERO, ms(2_000), ms(2_010));
        clock.note(ms(303_000), Duration::ZERO, ms(3_010), ms(3_000));

        assert_eq!(clock.offset_ms(), 299_995);
    }
}
