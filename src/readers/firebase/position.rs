//! Where the database stands, by its own account: our position in it, compared with what we know.
//!
//! The one idea: each request carries our position, so a database that was wiped, restored from a
//! backup or changed for another one gives itself away by one small read. And only what begins to
//! send everything puts a mark beside it (`since`): where that is missing, what was sent before is
//! missing too, whatever was sent later.

use std::fmt;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tracing::{error, warn};

use super::client::WriteError;
use super::delivery::{Delivery, Flow};
use super::doubt::Doubt;
use super::patience::Waited;
use super::writes::Writes;

/// Why the position here can't be gone on from, or not as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The settings name another database.
    OtherDatabase,
    /// Our position is gone from it.
    Wiped,
    /// Its position is older than what it had acknowledged.
    Restored,
    /// Its position is of another journal: it was restored from before this one, or another Aurora
    /// writes there under the same name.
    OtherJournal,
}

/// What was found, and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Noticed {
    pub found: Found,
    pub at: Timestamp,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherDatabase => {
                "FIREBASE_DATABASE_URL names another database: the whole state is sent there"
            }
            Self::Wiped => "The database was wiped: the whole state is sent again",
            Self::Restored => {
                "The database was restored from a backup: what it lacks is sent again"
            }
            Self::OtherJournal => {
                "The database stands in another journal: the whole state is sent again"
            }
        })
    }
}

/// What is wrong with the position that stands `there`, and from where to go on; `None` for the
/// whole state. `sent_seq`: the last position of `journal_id` that it acknowledged; `is_marked`:
/// whether the mark has to be there.
pub fn compare(
    there: &Value,
    journal_id: &str,
    sent_seq: u64,
    is_marked: bool,
) -> Option<(Found, Option<u64>)> {
    let seq = there.get("seq").and_then(Value::as_u64);
    let journal = there.get("journal_id").and_then(Value::as_str);
    match (journal, seq) {
        (Some(journal), _) if journal != journal_id => Some((Found::OtherJournal, None)),
        _ if is_marked && there.get("since").is_none() => Some((Found::Wiped, None)),
        (Some(_), Some(seq)) if seq < sent_seq => Some((Found::Restored, Some(seq))),
        // Later than we know: the answer was lost, or our file is a second old.
        (Some(_), Some(_)) => None,
        // Somebody wrote over it: what is beside it can't be trusted either.
        _ => Some((Found::Wiped, None)),
    }
}

/// When to look.
#[derive(Debug)]
pub(super) struct Watch {
    /// At the latest so long after the last look.
    pub every: Duration,
    /// A silence of the database after which it may be another one.
    pub silence: Duration,
    looked: Option<Instant>,
    heard: Option<Instant>,
}

impl Watch {
    pub fn new(every: Duration, silence: Duration) -> Self {
        Self { every, silence, looked: None, heard: None }
    }

    /// It is time.
    pub fn look_now(&mut self) {
        self.looked = None;
    }

    /// How long until it is time.
    pub fn due_in(&self) -> Duration {
        self.looked.map_or(Duration::ZERO, |it| self.every.saturating_sub(it.elapsed()))
    }

    /// A request succeeded.
    pub fn heard(&mut self) {
        self.heard = Some(Instant::now());
    }

    /// A request failed. A database that only flaps was not replaced in between.
    pub fn lost(&mut self) {
        if self.heard.is_none_or(|it| it.elapsed() >= self.silence) {
            self.looked = None;
        }
    }

    fn looked(&mut self) {
        self.looked = Some(Instant::now());
    }
}

/// Two who write under one name would each take the other's position for a restored database.
const ONE_AT_A_TIME: Duration = Duration::from_secs(3600);

impl Delivery {
    /// Looks whether the database is as we left it, if it is time. [`Flow::Reread`]: it is not, and
    /// the position here is put right; or it can't be reached.
    pub fn check_position(&mut self) -> Flow {
        if self.watch.due_in() > Duration::ZERO || self.patience.is_stopping() {
            return Flow::Done;
        }
        if self.is_filling {
            return self.check_mark();
        }
        if self.progress.acked().is_none() {
            self.watch.looked();
            return Flow::Done;
        }
        let there = match self.look_at_position() {
            Ok(there) => there,
            Err(err) => return self.waited(&err),
        };
        let progress = &self.progress;
        let (sent_seq, is_marked) = (progress.cursor.sent_seq(), progress.cursor.is_marked());
        match compare(&there, &progress.journal_id, sent_seq, is_marked) {
            Some((found, seq)) if !self.is_rival(found) => {
                self.notice(found);
                self.doubt.stands_at(seq);
                self.progress.fall_back(seq);
                Flow::Reread
            }
            _ => {
                // Records that concern nobody have moved on what is known here.
                let seq = there.get("seq").and_then(Value::as_u64);
                self.doubt.stood_at(seq.max(self.progress.acked()));
                Flow::Done
            }
        }
    }

    /// Whether the first that was sent of the whole state is there still. Asks until it is told: in
    /// a flapping database the whole state is not to begin anew for that.
    fn check_mark(&mut self) -> Flow {
        let there = loop {
            match self.look_at_position() {
                Ok(there) => break there,
                Err(err) if self.patience.wait_out(&err) == Waited::Stop => return Flow::Stop,
                Err(_) => self.attend(),
            }
        };
        let found = match there.get("journal_id").and_then(Value::as_str) {
            Some(journal) if journal != self.progress.journal_id => Found::OtherJournal,
            Some(_) if there.get("since").is_some() => return Flow::Done,
            _ => Found::Wiped,
        };
        if self.is_rival(found) {
            return Flow::Done;
        }
        self.notice(found);
        self.is_filling = false;
        Flow::Reread
    }

    fn look_at_position(&mut self) -> Result<Value, WriteError> {
        let path = self.position_path.clone();
        let there = match self.request(async |client| client.get(&path, &[]).await) {
            Ok(found) => {
                self.progress.status.clock().note_answer(found.server_time, found.took);
                found.value
            }
            // Nothing of ours is that large.
            Err(WriteError::Unreadable { .. }) => Value::Null,
            Err(WriteError::Refused { status, reason }) => {
                let reason = format!("its position can't be read: {status}: {reason}");
                return Err(WriteError::Misconfigured { reason });
            }
            Err(err) => return Err(err),
        };
        self.watch.looked();
        Ok(there)
    }

    /// Whether nothing was ever sent from here to this database, by its own account too.
    pub fn is_first_contact(&mut self) -> Result<bool, WriteError> {
        let is_untouched = self.progress.cursor.is_untouched();
        Ok(is_untouched && self.look_at_position()?.is_null())
    }

    /// Puts our mark in place of the position, before everything is sent. `seq`: where it stands by
    /// that; `None` while it gets the whole state.
    pub fn begin_anew(&mut self, seq: Option<u64>) -> Flow {
        let mut mark = json!({
            "journal_id": self.progress.journal_id,
            "since": {".sv": "timestamp"},
        });
        if let Some(seq) = seq {
            mark["seq"] = json!(seq);
        }
        let body = Writes::new().to_body(&[(self.position_path.clone(), mark)]);
        match self.persist(body) {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => {
                let reason = format!("everything is refused with {refused}");
                return self.waited(&WriteError::Misconfigured { reason });
            }
            Err(_) => return Flow::Stop,
        }
        self.patience.recovered();
        self.watch.looked();
        if seq.is_some() || self.progress.acked().is_some() {
            self.progress.fall_back(seq);
        }
        self.progress.cursor.set_marked();
        self.doubt = Doubt::none();
        self.is_filling = seq.is_none();
        Flow::Done
    }

    /// Tells of it, once.
    pub fn notice(&mut self, found: Found) {
        warn!(acked_seq = self.progress.acked(), "{found}.");
        self.progress.status.set_noticed(Noticed { found, at: Timestamp::now() });
    }

    fn is_rival(&self, found: Found) -> bool {
        let before = self.progress.status.noticed();
        let is_rival = found == Found::OtherJournal
            && before.is_some_and(|it| {
                it.found == found
                    && Timestamp::now().duration_since(it.at).unsigned_abs() < ONE_AT_A_TIME
            });
        if is_rival {
            error!(
                "Another Aurora mirrors to the same database under the same name: give each its \
                 own AURORA_NODE."
            );
        }
        is_rival
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_database_that_is_not_as_we_left_it_gives_itself_away() {
        let at = |journal: &str, seq: u64| json!({"journal_id": journal, "seq": seq});

        assert_eq!(compare(&at("j1", 7), "j1", 7, false), None);
        assert_eq!(compare(&at("j1", 9), "j1", 7, false), None);
        assert_eq!(compare(&at("j1", 3), "j1", 7, false), Some((Found::Restored, Some(3))));
        assert_eq!(compare(&at("j0", 9), "j1", 7, false), Some((Found::OtherJournal, None)));
        for odd in [json!(null), json!([1]), json!("x"), json!({"seq": "7", "journal_id": "j1"})] {
            assert_eq!(compare(&odd, "j1", 7, false), Some((Found::Wiped, None)));
        }
        let mut marked = at("j1", 7);
        assert_eq!(compare(&marked, "j1", 7, true), Some((Found::Wiped, None)));
        marked["since"] = json!(1);
        assert_eq!(compare(&marked, "j1", 7, true), None);
    }
}
