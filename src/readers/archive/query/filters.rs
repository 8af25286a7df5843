//! Which calls a question is about.
//!
//! The one idea: no plan of the database's is trusted to guess which filter leaves the fewest
//! calls. Each filter that an index knows is asked for its calls, up to a bound; the smallest whole
//! set leads, the others are conditions. Where every set is too large, newest first finds enough,
//! and sooner than a large set would be gathered.

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use rustc_hash::FxHashSet;

use super::AskError;
use super::beginnings::spelled;
use super::syntax::Query;
use crate::domain::{CallStatus, Label, PhoneNumber, Timestamp, Urgency};
use crate::readers::archive::codes;
use crate::readers::archive::error::ArchiveError;
use crate::readers::archive::schema::MESSAGE_BITS;

/// A filter leads if it leaves at most so many calls.
const LEADING: usize = 10_000;
/// A set this small needs no smaller one.
const SMALL: usize = 200;
/// Finds of words that are looked through for the calls that they are in. A call that fits is
/// found among every few hundred then, newest first, if words are said more often.
const FINDS: usize = 5_000;
/// Of the rows, newest first, this part tells whether words are said more often.
const SAMPLE: i64 = 16;
/// Looking up a word in one call takes as long as looking through all of its finds in so many.
const CALLS_A_WORD: usize = 16;
/// Words may still come after a call's end, if not for long.
const AFTER_END_MS: i64 = 60 * 60 * 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    Only(CallStatus),
    /// Active or held.
    Open,
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerFilter {
    Is(PhoneNumber),
    StartsWith(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    Without,
    With,
    Only,
}

/// What a question may ask for; what is absent asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filters {
    /// Of the times that the question is about, this one and later ones.
    pub from: Option<Timestamp>,
    /// Earlier ones only.
    pub to: Option<Timestamp>,
    /// Empty: all.
    pub urgencies: Vec<Urgency>,
    pub status: StatusFilter,
    pub caller: Option<CallerFilter>,
    pub worker: Option<String>,
    /// Took part in it.
    pub supervisor: Option<Label>,
    /// Somebody named it in the call.
    pub zone: Option<Query>,
    /// Some message of the call is like this.
    pub text: Option<Query>,
    pub deleted: Deleted,
}

/// Calls that alone come into question.
#[derive(Debug)]
pub struct Leading {
    pub ids: Vec<i64>,
    /// Which filter they are from, if it is one of words: they need not be looked at again.
    pub said: Said,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Zone,
    Text,
    Nothing,
}

impl Filters {
    pub fn new(status: StatusFilter) -> Self {
        Self {
            from: None,
            to: None,
            urgencies: Vec::new(),
            status,
            caller: None,
            worker: None,
            supervisor: None,
            zone: None,
            text: None,
            deleted: Deleted::Without,
        }
    }

    /// Conditions on a row of `calls` that need no look at its words: SQL whose parameters begin
    /// at `first`.
    pub fn conditions(&self, first: usize) -> (String, Vec<Value>) {
        let mut sql = vec!["1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut takes = |value: Value| {
            values.push(value);
            first + values.len() - 1
        };
        if !self.urgencies.is_empty() {
            sql.push(format!("urgency IN ({})", self.urgency_codes()));
        }
        match self.status {
            StatusFilter::Any => {}
            StatusFilter::Open => sql.push("ended_at IS NULL".to_owned()),
            StatusFilter::Only(it) => sql.push(format!("status = {}", codes::of_status(it))),
        }
        match &self.caller {
            None => {}
            Some(CallerFilter::Is(it)) => {
                sql.push(format!("mobile_no = ?{}", takes(it.as_str().to_owned().into())));
            }
            Some(CallerFilter::StartsWith(it)) => {
                let from = takes(it.clone().into());
                let to = takes(after_all_with(it).into());
                sql.push(format!("mobile_no >= ?{from} AND mobile_no < ?{to}"));
            }
        }
        if let Some(it) = &self.worker {
            sql.push(format!("worker_id = ?{}", takes(it.clone().into())));
        }
        if let Some(it) = &self.supervisor {
            let name = takes(it.as_str().to_owned().into());
            sql.push(format!(
                "EXISTS (SELECT 1 FROM supervisors WHERE name = ?{name} AND call = calls.id)"
            ));
        }
        match self.deleted {
            Deleted::With => {}
            Deleted::Without => sql.push("deleted_at IS NULL".to_owned()),
            Deleted::Only => sql.push("deleted_at IS NOT NULL".to_owned()),
        }
        (sql.join(" AND "), values)
    }

    fn urgency_codes(&self) -> String {
        let codes = self.urgencies.iter().map(|it| codes::of_urgency(*it).to_string());
        codes.collect::<Vec<_>>().join(", ")
    }

    /// Beginnings of words as they are best put to the index.
    ///
    /// # Errors
    /// [`AskError::TooManyWords`], the archive's.
    pub fn spelled(&self, db: &Connection) -> Result<Self, AskError> {
        let spell = |query: &Option<Query>| query.as_ref().map(|it| spelled(db, it)).transpose();
        let (zone, text) = (spell(&self.zone)?, spell(&self.text)?);
        Ok(Self { zone, text, ..self.clone() })
    }

    /// The one urgency that is asked for.
    pub fn only_urgency(&self) -> Option<Urgency> {
        if let [only] = *self.urgencies { Some(only) } else { None }
    }

    /// The smallest set of calls that one of the filters leaves, if it is small enough to lead.
    /// `with_urgency`: the urgency may be that filter.
    pub fn leading(
        &self,
        db: &Connection,
        with_urgency: bool,
    ) -> Result<Option<Leading>, ArchiveError> {
        let mut best: Option<Leading> = None;
        for (sql, values) in self.sets(with_urgency) {
            let sql = format!("{sql} LIMIT {}", LEADING + 1);
            let mut set = db.prepare_cached(&sql)?;
            let ids = set.query_map(params_from_iter(&values), |row| row.get(0))?;
            let ids = ids.collect::<Result<_, _>>()?;
            keep_smaller(&mut best, Leading { ids, said: Said::Nothing });
        }
        for (words, said) in [(&self.zone, Said::Zone), (&self.text, Said::Text)] {
            let Some(words) = words else { continue };
            if best.as_ref().is_some_and(|it| it.ids.len() <= SMALL) {
                break;
            }
            if let Some(ids) = self.calls_that_say(db, words)? {
                keep_smaller(&mut best, Leading { ids, said });
            }
        }
        Ok(best)
    }

    /// What an index answers.
    fn sets(&self, with_urgency: bool) -> Vec<(String, Vec<Value>)> {
        let mut sets = Vec::new();
        match &self.caller {
            None => {}
            Some(CallerFilter::Is(it)) => sets.push((
                "SELECT id FROM calls WHERE mobile_no = ?1".to_owned(),
                vec![it.as_str().to_owned().into()],
            )),
            Some(CallerFilter::StartsWith(it)) => sets.push((
                "SELECT id FROM calls WHERE mobile_no >= ?1 AND mobile_no < ?2".to_owned(),
                vec![it.clone().into(), after_all_with(it).into()],
            )),
        }
        if let Some(it) = &self.worker {
            let sql = "SELECT id FROM calls WHERE worker_id = ?1";
            sets.push((sql.to_owned(), vec![it.clone().into()]));
        }
        if let Some(it) = &self.supervisor {
            let sql = "SELECT call FROM supervisors WHERE name = ?1";
            sets.push((sql.to_owned(), vec![it.as_str().to_owned().into()]));
        }
        if with_urgency && !self.urgencies.is_empty() {
            let sql = format!("SELECT id FROM calls WHERE urgency IN ({})", self.urgency_codes());
            sets.push((sql, vec![]));
        }
        if !matches!(self.status, StatusFilter::Any | StatusFilter::Only(CallStatus::Ended)) {
            sets.push(("SELECT id FROM calls WHERE ended_at IS NULL".to_owned(), vec![]));
        }
        if self.deleted == Deleted::Only {
            sets.push(("SELECT id FROM calls WHERE deleted_at IS NOT NULL".to_owned(), vec![]));
        }
        sets
    }

    /// The calls in which something like that was said, unless that is said too often.
    fn calls_that_say(
        &self,
        db: &Connection,
        words: &Query,
    ) -> Result<Option<Vec<i64>>, ArchiveError> {
        let fts = words.to_fts();
        let (first, end) = self.rows(db)?;
        let mut finds = db.prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3 LIMIT ?4",
        )?;
        let mut calls_from = |first: i64, most: usize| -> Result<Option<Vec<i64>>, ArchiveError> {
            let mut rows = finds.query(params![fts, first, end - 1, most as i64 + 1])?;
            let (mut ids, mut n_finds) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let id = row.get::<_, i64>(0)? >> MESSAGE_BITS;
                n_finds += 1;
                if ids.last() != Some(&id) {
                    ids.push(id);
                }
            }
            Ok((n_finds <= most).then_some(ids))
        };
        // Finds of a phrase are dear: no thousands of them only to learn that there are more.
        let last: Option<i64> =
            db.prepare_cached("SELECT max(id) FROM calls")?.query_row([], |row| row.get(0))?;
        let sample_end = end.min(last.map_or(0, |it| (it + 1) << MESSAGE_BITS));
        let sample = sample_end - (sample_end - first).max(0) / SAMPLE;
        let is_common = calls_from(sample, FINDS / SAMPLE as usize)?.is_none();
        if is_common { Ok(None) } else { calls_from(first, FINDS) }
    }

    /// Rows of messages, first and end, of all calls that were going on at some time asked for.
    pub fn rows(&self, db: &Connection) -> Result<(i64, i64), ArchiveError> {
        let mut bounds = (0, i64::MAX >> 1);
        if let Some(from) = self.from {
            let first: Option<i64> = db
                .prepare_cached(
                    "SELECT min(coalesce((SELECT min(id) FROM calls WHERE ended_at >= ?1), ?2),
                       coalesce((SELECT min(id) FROM calls WHERE ended_at IS NULL), ?2))",
                )?
                .query_row(params![from.as_millis() - AFTER_END_MS, i64::MAX], |row| row.get(0))?;
            let first = first.filter(|it| *it != i64::MAX);
            bounds.0 = first.map_or(bounds.1, |it| it << MESSAGE_BITS);
        }
        if let Some(to) = self.to {
            let last: Option<i64> = db
                .prepare_cached("SELECT max(id) FROM calls WHERE started_at < ?1")?
                .query_row([to.as_millis()], |row| row.get(0))?;
            bounds.1 = last.map_or(0, |it| (it + 1) << MESSAGE_BITS);
        }
        Ok(bounds)
    }
}

/// Which of these calls, given by ascending row numbers, hold words like that.
pub fn that_say(
    db: &Connection,
    words: &Query,
    ids: &[i64],
) -> Result<FxHashSet<i64>, ArchiveError> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
        return Ok(FxHashSet::default());
    };
    let mut found = db.prepare_cached(
        "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3",
    )?;
    let fts = words.to_fts();
    let span = usize::try_from(last - first).unwrap_or(usize::MAX);
    let one_by_one = ids.len() * CALLS_A_WORD * words.effort();
    let mut saying = FxHashSet::default();
    if span <= one_by_one {
        let range = params![fts, first << MESSAGE_BITS, ((last + 1) << MESSAGE_BITS) - 1];
        let mut rows = found.query(range)?;
        while let Some(row) = rows.next()? {
            saying.insert(row.get::<_, i64>(0)? >> MESSAGE_BITS);
        }
    } else {
        for id in ids {
            let range = params![fts, id << MESSAGE_BITS, ((id + 1) << MESSAGE_BITS) - 1];
            if found.exists(range)? {
                saying.insert(*id);
            }
        }
    }
    Ok(saying)
}

fn keep_smaller(best: &mut Option<Leading>, next: Leading) {
    let is_smaller = best.as_ref().is_none_or(|it| it.ids.len() > next.ids.len());
    if next.ids.len() <= LEADING && is_smaller {
        *best = Some(next);
    }
}

/// Sorts after every text that begins so.
fn after_all_with(beginning: &str) -> String {
    format!("{beginning}\u{10FFFF}")
}
