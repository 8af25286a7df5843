//! The finds of a query, a window at a time.
//!
//! The one idea: every way to the finds goes from the newest to the oldest, through all that is
//! found or call by call, so the way may be changed wherever the other one is sooner.

use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params, params_from_iter};
use rustc_hash::FxHashSet;

use super::filters::{Filters, Said, that_say};
use super::rank;
use super::syntax::Query;
use crate::domain::Timestamp;
use crate::readers::archive::error::ArchiveError;
use crate::readers::archive::schema::MESSAGE_BITS;

/// Finds that are ranked against each other.
const WINDOW: usize = 1_000;
/// After this long a page is answered with what was found, and where to go on.
const ENOUGH: Duration = Duration::from_millis(500);

/// When calls that alone come into question are looked through one by one.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// So few words are looked up, however often they were said.
    pub few: usize,
    /// After so many finds it is asked what is sooner: to go on through them, or call by call.
    pub many: usize,
    /// Finds that are passed over in the time that it takes to look up a word in a call.
    pub finds_a_word: f64,
}

pub const PACE: Pace = Pace { few: 500, many: 20_000, finds_a_word: 150.0 };

/// Where a search stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// The window ends before this row of messages,
    pub below: i64,
    /// and begins here, once that is known.
    pub floor: Option<i64>,
    /// The last find shown of the window.
    pub after: Option<Ranked>,
    pub weights: Vec<u8>,
}

/// Sorted descending: the best first, then the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranked {
    pub score: u32,
    pub row: i64,
}

/// Gathers and weighs what is found.
pub struct Windows<'a> {
    pace: Pace,
    db: &'a Connection,
    query: &'a Query,
    filters: &'a Filters,
    fts: String,
    /// First and end of what is searched.
    pub rows: (i64, i64),
    /// Calls that alone come into question, ascending.
    leading: Option<Vec<i64>>,
    /// What must have been said in the calls, if they are not led by it.
    zone: Option<&'a Query>,
    fits: CachedStatement<'a>,
    values: Vec<Value>,
    began: Instant,
}

impl<'a> Windows<'a> {
    pub fn new(
        pace: Pace,
        db: &'a Connection,
        query: &'a Query,
        filters: &'a Filters,
    ) -> Result<Self, ArchiveError> {
        let (conditions, values) = filters.conditions(2);
        let (mut leading, mut zone) = (None, filters.zone.as_ref());
        if let Some(mut it) = filters.leading(db, true)? {
            it.ids.sort_unstable();
            zone = zone.filter(|_| it.said != Said::Zone);
            leading = Some(it.ids);
        }
        Ok(Self {
            pace,
            db,
            query,
            filters,
            fts: query.to_fts(),
            rows: filters.rows(db)?,
            leading,
            zone,
            fits: db.prepare_cached(&format!("SELECT {conditions} FROM calls WHERE id = ?1"))?,
            values,
            began: Instant::now(),
        })
    }

    pub fn is_late(&self) -> bool {
        self.began.elapsed() >= ENOUGH
    }

    /// The finds of a window, in no order, and where it begins.
    pub fn ranked(&mut self, stand: &Stand) -> Result<(Vec<Ranked>, i64), ArchiveError> {
        let first = stand.floor.unwrap_or(self.rows.0).max(self.rows.0);
        let limit = if stand.floor.is_some() { usize::MAX } else { WINDOW };
        let leading = self.leading.clone();
        let few = leading.as_ref().filter(|it| it.len() * self.query.effort() <= self.pace.few);
        let (mut rows, floor) = match few {
            Some(ids) => self.one_by_one(ids, Vec::new(), first, stand.below, limit)?,
            None => self.newest_first(leading.as_deref(), first, stand.below, limit)?,
        };
        if let Some(zone) = self.zone {
            let mut ids: Vec<_> = rows.iter().map(|it| it >> MESSAGE_BITS).collect();
            ids.sort_unstable();
            ids.dedup();
            let saying = that_say(self.db, zone, &ids)?;
            rows.retain(|it| saying.contains(&(it >> MESSAGE_BITS)));
        }
        Ok((self.weighed(&rows, &stand.weights)?, floor))
    }

    /// Through all that is found.
    fn newest_first(
        &mut self,
        leading: Option<&[i64]>,
        first: i64,
        below: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, i64), ArchiveError> {
        let among: Option<FxHashSet<i64>> = leading.map(|it| it.iter().copied().collect());
        let mut found = self.db.prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3
             ORDER BY rowid DESC",
        )?;
        let mut rows = found.query(params![self.fts, first, below - 1])?;
        let mut kept = Vec::new();
        // Finds of one call follow each other.
        let mut last = (i64::MIN, false);
        let (mut n_found, mut newest) = (0, None);
        while let Some(row) = rows.next()? {
            let row: i64 = row.get(0)?;
            let call = row >> MESSAGE_BITS;
            if call != last.0 {
                if let Some(ids) = leading.filter(|_| n_found >= self.pace.many) {
                    let n_calls = newest.map_or(1, |it: i64| (it - call).max(1));
                    let often = n_found as f64 / n_calls as f64;
                    let (older, _) = ids.split_at(ids.partition_point(|it| *it <= call));
                    let n_wanted = limit.saturating_sub(kept.len());
                    if self.is_sooner(older, n_wanted, often, call - (first >> MESSAGE_BITS)) {
                        let below = (call + 1) << MESSAGE_BITS;
                        return self.one_by_one(older, kept, first, below, limit);
                    }
                    (n_found, newest) = (0, None);
                }
                newest = newest.or(Some(call));
                let is_among = among.as_ref().is_none_or(|it| it.contains(&call));
                last = (call, is_among && self.call_fits(call)?);
            }
            n_found += 1;
            if last.1 {
                kept.push(row);
            }
            let is_enough = kept.len() >= limit || (limit != usize::MAX && self.is_late());
            if is_enough {
                return Ok((kept, row));
            }
        }
        Ok((kept, first))
    }

    /// Whether these calls are sooner looked through one by one than all finds that are left, if
    /// as much was found in each call as until now.
    fn is_sooner(&self, ids: &[i64], n_wanted: usize, often: f64, n_calls: i64) -> bool {
        let n_lookups = (ids.len() as f64).min(n_wanted as f64 / often);
        n_lookups * self.query.effort() as f64 * self.pace.finds_a_word < often * n_calls as f64
    }

    /// Call by call; `kept` are newer finds.
    fn one_by_one(
        &mut self,
        ids: &[i64],
        mut kept: Vec<i64>,
        first: i64,
        below: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, i64), ArchiveError> {
        let mut found = self.db.prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3",
        )?;
        for id in ids.iter().rev() {
            let begin = (id << MESSAGE_BITS).max(first);
            let last = (((id + 1) << MESSAGE_BITS) - 1).min(below - 1);
            if begin > last || !self.call_fits(*id)? {
                continue;
            }
            let mut rows = found.query(params![self.fts, begin, last])?;
            while let Some(row) = rows.next()? {
                kept.push(row.get(0)?);
            }
            let is_enough = kept.len() >= limit || (limit != usize::MAX && self.is_late());
            if is_enough {
                return Ok((kept, begin));
            }
        }
        Ok((kept, first))
    }

    fn call_fits(&mut self, call: i64) -> Result<bool, ArchiveError> {
        let values = std::iter::once(Value::from(call)).chain(self.values.iter().cloned());
        let fits = self.fits.query_row(params_from_iter(values), |row| row.get(0)).optional()?;
        Ok(fits.unwrap_or(false))
    }

    fn weighed(&self, rows: &[i64], weights: &[u8]) -> Result<Vec<Ranked>, ArchiveError> {
        let terms = self.query.wanted();
        let mut message =
            self.db.prepare_cached("SELECT content, at FROM messages WHERE id = ?1")?;
        let (from, to) = (self.filters.from, self.filters.to);
        let mut ranked = Vec::with_capacity(rows.len());
        for row in rows {
            let mut found = message.query([row])?;
            let Some(it) = found.next()? else { continue };
            let at = Timestamp::from_millis(it.get(1)?);
            if from.is_some_and(|from| at < from) || to.is_some_and(|to| at >= to) {
                continue;
            }
            let content = it.get_ref(0)?.as_str().unwrap_or_default();
            ranked.push(Ranked { score: rank::score(content, &terms, weights), row: *row });
        }
        Ok(ranked)
    }
}
