//! The team in numbers, as published: by the API, by `aurora run team`, on the page.

use serde::{Deserialize, Serialize};

use crate::domain::Timestamp;
use crate::readers::archive::{Counts, Team, TeamMember, TeamQuestion};

const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// So many days, in UTC, today included.
    pub days: u32,
    /// First and last of them.
    pub from: String,
    pub to: String,
    pub at: Timestamp,
    pub total: Numbers,
    pub series: Vec<Day>,
    /// Who did something last comes first.
    pub people: Vec<Person>,
    pub elsewhere: Elsewhere,
}

/// What is known of runs that other machines recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// `off` (no database), `unknown` (not read yet), `fresh`, or `old`: the database cannot be read
    /// now, and this is what it last said.
    pub state: String,
    pub as_of: Option<Timestamp>,
    pub age_seconds: Option<u64>,
    pub runs: u64,
    /// Why it is old.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    pub runs: i64,
    pub success: i64,
    pub failed: i64,
    pub interrupted: i64,
    /// From 0 to 1; null without a run.
    pub success_rate: Option<f64>,
    pub hours_saved: f64,
    pub lines_migrated: i64,
    pub duration_seconds: f64,
    pub automation_seconds: f64,
    pub manual_estimate_seconds: f64,
    pub last_activity: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Day {
    pub date: String,
    pub runs: i64,
    pub success: i64,
    pub hours_saved: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Person {
    pub user_id: String,
    #[serde(flatten)]
    pub numbers: Numbers,
    /// One entry a day, as in `series` of all.
    pub series: Vec<Day>,
}

impl From<&Counts> for Numbers {
    fn from(it: &Counts) -> Self {
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let runs = it.n_runs();
        Self {
            runs,
            success: it.n_success,
            failed: it.n_failed,
            interrupted: it.n_interrupted,
            success_rate: (runs > 0).then(|| rounded(it.n_success as f64 / runs as f64, 4)),
            hours_saved: hours(it.saved_ms),
            lines_migrated: it.lines_migrated,
            duration_seconds: seconds(it.duration_ms),
            automation_seconds: seconds(it.automation_ms),
            manual_estimate_seconds: seconds(it.manual_estimate_ms),
            last_activity: it.last_at,
        }
    }
}

fn hours(ms: i64) -> f64 {
    rounded(ms as f64 / 3_600_000.0, 3)
}

fn rounded(value: f64, places: i32) -> f64 {
    let factor = 10_f64.powi(places);
    (value * factor).round() / factor
}

impl Stats {
    pub fn new(team: Team, asked: TeamQuestion, elsewhere: Elsewhere) -> Self {
        let (first, last) = asked.range();
        let total = Numbers::from(&team.total);
        let series = (first..=last).map(|day| {
            let none = Counts::default();
            of_day(day, team.days.get(&day).unwrap_or(&none))
        });
        let series = series.collect();
        let person = |(user_id, member): (String, TeamMember)| Person {
            numbers: Numbers::from(&member.total),
            series: series_of(&member, first, last),
            user_id,
        };
        Self {
            days: asked.days,
            from: date(first),
            to: date(last),
            at: asked.now,
            total,
            series,
            people: team.into_people().into_iter().map(person).collect(),
            elsewhere,
        }
    }
}

fn series_of(member: &TeamMember, first: i64, last: i64) -> Vec<Day> {
    let none = Counts::default();
    let counts = |day: i64| {
        let place = member.days.binary_search_by_key(&day, |it| it.day);
        place.map_or(&none, |it| &member.days[it].counts)
    };
    (first..=last).map(|day| of_day(day, counts(day))).collect()
}

fn of_day(day: i64, counts: &Counts) -> Day {
    let (runs, success) = (counts.n_runs(), counts.n_success);
    Day { date: date(day), runs, success, hours_saved: hours(counts.saved_ms) }
}

/// `2026-11-20`
fn date(day: i64) -> String {
    let mut text = Timestamp::from_millis(day * DAY_MS).to_string();
    text.truncate(10);
    text
}
