//! What everybody did, day by day: few rows, whatever the number of runs.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params};

use crate::domain::{Run, RunStatus, Timestamp};
use crate::readers::archive::error::ArchiveError;

/// Longest time that is looked at.
pub const MAX_DAYS: u32 = 366;
/// People who are listed; the total counts all.
const MAX_PEOPLE: usize = 200;
const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Clone, Copy)]
pub struct TeamQuestion {
    pub now: Timestamp,
    /// So many days, today included.
    pub days: u32,
}

impl TeamQuestion {
    /// Days since the Unix epoch: the first that is looked at, and today.
    pub fn range(&self) -> (i64, i64) {
        let today = self.now.as_millis().div_euclid(DAY_MS);
        (today - i64::from(self.days.clamp(1, MAX_DAYS)) + 1, today)
    }
}

/// Some runs, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub n_success: i64,
    pub n_failed: i64,
    pub n_interrupted: i64,
    pub duration_ms: i64,
    pub automation_ms: i64,
    pub manual_estimate_ms: i64,
    /// Manual estimate less automation, of successes that have an estimate.
    pub saved_ms: i64,
    pub lines_migrated: i64,
    pub last_at: Option<Timestamp>,
}

impl Counts {
    pub fn n_runs(&self) -> i64 {
        self.n_success + self.n_failed + self.n_interrupted
    }

    pub fn add(&mut self, other: &Self) {
        self.n_success += other.n_success;
        self.n_failed += other.n_failed;
        self.n_interrupted += other.n_interrupted;
        self.duration_ms += other.duration_ms;
        self.automation_ms += other.automation_ms;
        self.manual_estimate_ms += other.manual_estimate_ms;
        self.saved_ms += other.saved_ms;
        self.lines_migrated += other.lines_migrated;
        self.last_at = self.last_at.max(other.last_at);
    }
}

impl From<&Run> for Counts {
    fn from(run: &Run) -> Self {
        let is = |status| i64::from(run.status == status);
        let automation_ms = run.automation_seconds.as_millis();
        let manual_estimate_ms = run.manual_estimate_seconds.as_millis();
        let counts = run.status == RunStatus::Success && manual_estimate_ms > 0;
        Self {
            n_success: is(RunStatus::Success),
            n_failed: is(RunStatus::Failed),
            n_interrupted: is(RunStatus::Interrupted),
            duration_ms: run.duration_seconds.as_millis(),
            automation_ms,
            manual_estimate_ms,
            saved_ms: if counts { manual_estimate_ms - automation_ms } else { 0 },
            lines_migrated: run.lines_migrated.into(),
            last_at: Some(run.timestamp),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayOfWork {
    /// Since the Unix epoch, in UTC.
    pub day: i64,
    pub counts: Counts,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TeamMember {
    pub total: Counts,
    /// Days on which something was done, in order.
    pub days: Vec<DayOfWork>,
}

/// The team in a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Team {
    pub total: Counts,
    pub days: BTreeMap<i64, Counts>,
    pub people: BTreeMap<String, TeamMember>,
}

impl Team {
    /// Counts what a person did on a day.
    pub fn add(&mut self, user_id: &str, day: i64, counts: &Counts) {
        self.total.add(counts);
        self.days.entry(day).or_default().add(counts);
        let person = match self.people.get_mut(user_id) {
            Some(person) => person,
            None => self.people.entry(user_id.to_owned()).or_default(),
        };
        person.total.add(counts);
        match person.days.binary_search_by_key(&day, |it| it.day) {
            Ok(place) => person.days[place].counts.add(counts),
            Err(place) => person.days.insert(place, DayOfWork { day, counts: *counts }),
        }
    }

    /// Counts a run that is not in the archive, if it falls into the time.
    pub fn add_run(&mut self, run: &Run, asked: TeamQuestion) {
        let day = run.timestamp.as_millis().div_euclid(DAY_MS);
        let (first, last) = asked.range();
        if (first..=last).contains(&day) {
            self.add(run.user_id.as_str(), day, &Counts::from(run));
        }
    }

    /// Those who did something last come first; so many at most.
    pub fn into_people(self) -> Vec<(String, TeamMember)> {
        let mut people: Vec<_> = self.people.into_iter().collect();
        people.sort_by(|one, other| {
            other.1.total.last_at.cmp(&one.1.total.last_at).then_with(|| one.0.cmp(&other.0))
        });
        people.truncate(MAX_PEOPLE);
        people
    }
}

/// # Errors
/// The archive's.
pub fn team(db: &Connection, asked: TeamQuestion) -> Result<Team, ArchiveError> {
    let (first, last) = asked.range();
    let mut found = db.prepare_cached(
        "SELECT user_id, day, n_success, n_failed, n_interrupted, duration_ms, automation_ms,
           manual_estimate_ms, saved_ms, lines_migrated, last_at
         FROM team_days WHERE day BETWEEN ?1 AND ?2",
    )?;
    let mut rows = found.query(params![first, last])?;
    let mut team = Team::default();
    while let Some(row) = rows.next()? {
        team.add(row.get_ref(0)?.as_str().unwrap_or_default(), row.get(1)?, &counts(row)?);
    }
    Ok(team)
}

fn counts(row: &Row<'_>) -> rusqlite::Result<Counts> {
    Ok(Counts {
        n_success: row.get(2)?,
        n_failed: row.get(3)?,
        n_interrupted: row.get(4)?,
        duration_ms: row.get(5)?,
        automation_ms: row.get(6)?,
        manual_estimate_ms: row.get(7)?,
        saved_ms: row.get(8)?,
        lines_migrated: row.get(9)?,
        last_at: Some(Timestamp::from_millis(row.get(10)?)),
    })
}
