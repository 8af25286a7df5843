//! Everything said, by its words.
//!
//! The one idea: ranking in windows. The newest finds, a thousand at a time, are ranked against
//! each other; then the next thousand, older ones. So a word that was said a million times costs
//! what a thousand finds cost, recent words come before those of last year, and paging still
//! reaches every find.

use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params, params_from_iter};
use rustc_hash::FxHashSet;

use super::cursor::{self, BadCursor, Place};
use super::filters::{Filters, that_say};
use super::rank;
use super::snippets::snippets;
use super::syntax::Query;
use super::{AskError, Page};
use crate::domain::{CallId, CallStatus, MessageId, PhoneNumber, Role, Timestamp, Urgency};
use crate::readers::archive::codes;
use crate::readers::archive::error::ArchiveError;
use crate::readers::archive::read;
use crate::readers::archive::schema::MESSAGE_BITS;

/// Finds that are ranked against each other.
const WINDOW: usize = 1_000;
/// After this long a page is answered with what was found, and where to go on.
const ENOUGH: Duration = Duration::from_millis(500);
/// So few calls are looked through one by one.
const FEW: usize = 500;

/// What is asked; the `text` of the filters is not used.
#[derive(Debug, Clone)]
pub struct SearchQuestion {
    pub query: Query,
    pub filters: Filters,
    pub limit: usize,
    pub cursor: Option<String>,
}

/// A message that was searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    pub call_id: CallId,
    pub message_id: MessageId,
    pub role: Role,
    pub at: Timestamp,
    /// Part of what was said, with the words found between `\u{1}` and `\u{2}`.
    pub snippet: String,
    pub caller: PhoneNumber,
    pub urgency: Urgency,
    pub status: CallStatus,
    pub started_at: Timestamp,
}

/// Where a search stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stand {
    /// The window ends before this row of messages,
    below: i64,
    /// and begins here, once that is known.
    floor: Option<i64>,
    /// The last find shown of the window.
    after: Option<Ranked>,
    weights: Vec<u8>,
}

/// Sorted descending: the best first, then the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    score: u32,
    row: i64,
}

/// One page.
///
/// # Errors
/// [`AskError::Cursor`], the archive's.
pub fn search(db: &Connection, asked: &SearchQuestion) -> Result<Page<Find>, AskError> {
    let question = format!("search {:?} {:?}", asked.query, asked.filters);
    let mut windows = Windows::new(db, asked)?;
    let mut stand = match &asked.cursor {
        Some(cursor) => {
            let stand = stand_in(&cursor::open(&question, cursor)?)?;
            if stand.weights.len() != asked.query.wanted().len() {
                return Err(BadCursor.into());
            }
            stand
        }
        None => {
            let weights = rank::weights(db, &asked.query)?;
            Stand { below: windows.rows.1, floor: None, after: None, weights }
        }
    };
    let mut shown: Vec<Ranked> = Vec::new();
    loop {
        let (mut ranked, floor) = windows.ranked(&stand)?;
        let is_last = floor <= windows.rows.0;
        ranked.sort_unstable_by(|a, b| b.cmp(a));
        ranked.retain(|it| stand.after.is_none_or(|after| *it < after));
        let n_left = asked.limit - shown.len();
        let has_more = ranked.len() > n_left;
        shown.extend(ranked.into_iter().take(n_left));
        if has_more {
            stand.floor = Some(floor);
            stand.after = shown.last().copied();
        } else {
            stand = Stand { below: floor, floor: None, after: None, ..stand };
        }
        let is_full = shown.len() == asked.limit || windows.is_late();
        if !has_more && is_last {
            return Ok(Page { items: finds(db, &asked.query, &shown)?, next_cursor: None });
        }
        if is_full {
            let next_cursor = Some(cursor::seal(&question, &placed(&stand)));
            return Ok(Page { items: finds(db, &asked.query, &shown)?, next_cursor });
        }
    }
}

/// Gathers and weighs what is found.
struct Windows<'a> {
    db: &'a Connection,
    query: &'a Query,
    filters: &'a Filters,
    fts: String,
    /// First and end of what is searched.
    rows: (i64, i64),
    /// Calls that alone come into question, ascending.
    leading: Option<Vec<i64>>,
    fits: CachedStatement<'a>,
    values: Vec<Value>,
    began: Instant,
}

impl<'a> Windows<'a> {
    fn new(db: &'a Connection, asked: &'a SearchQuestion) -> Result<Self, ArchiveError> {
        let filters = &asked.filters;
        let (conditions, values) = filters.conditions(2);
        let mut leading = filters.leading(db)?;
        if let Some(ids) = &mut leading {
            ids.sort_unstable();
        }
        Ok(Self {
            db,
            query: &asked.query,
            filters,
            fts: asked.query.to_fts(),
            rows: filters.rows(db)?,
            leading,
            fits: db.prepare_cached(&format!("SELECT {conditions} FROM calls WHERE id = ?1"))?,
            values,
            began: Instant::now(),
        })
    }

    fn is_late(&self) -> bool {
        self.began.elapsed() >= ENOUGH
    }

    /// The finds of a window, in no order, and where it begins.
    fn ranked(&mut self, stand: &Stand) -> Result<(Vec<Ranked>, i64), ArchiveError> {
        let first = stand.floor.unwrap_or(self.rows.0).max(self.rows.0);
        let limit = if stand.floor.is_some() { usize::MAX } else { WINDOW };
        let few = self.leading.as_ref().filter(|it| it.len() <= FEW && !self.query.has_prefix());
        let (mut rows, floor) = match few.cloned() {
            Some(ids) => self.one_by_one(&ids, first, stand.below, limit)?,
            None => self.newest_first(first, stand.below, limit)?,
        };
        if let Some(zone) = &self.filters.zone {
            let mut ids: Vec<_> = rows.iter().map(|it| it >> MESSAGE_BITS).collect();
            ids.sort_unstable();
            ids.dedup();
            let saying = that_say(self.db, zone, &ids)?;
            rows.retain(|it| saying.contains(&(it >> MESSAGE_BITS)));
        }
        Ok((self.weighed(&rows, &stand.weights)?, floor))
    }

    fn newest_first(
        &mut self,
        first: i64,
        below: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, i64), ArchiveError> {
        let among: Option<FxHashSet<i64>> =
            self.leading.as_ref().map(|it| it.iter().copied().collect());
        let mut found = self.db.prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3
             ORDER BY rowid DESC",
        )?;
        let mut rows = found.query(params![self.fts, first, below - 1])?;
        let mut kept = Vec::new();
        // Finds of one call follow each other.
        let mut last = (i64::MIN, false);
        while let Some(row) = rows.next()? {
            let row: i64 = row.get(0)?;
            let call = row >> MESSAGE_BITS;
            if call != last.0 {
                let is_among = among.as_ref().is_none_or(|it| it.contains(&call));
                last = (call, is_among && self.call_fits(call)?);
            }
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

    fn one_by_one(
        &mut self,
        ids: &[i64],
        first: i64,
        below: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, i64), ArchiveError> {
        let mut found = self.db.prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?2 AND ?3",
        )?;
        let mut kept = Vec::new();
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

/// What is told of the finds.
fn finds(db: &Connection, query: &Query, shown: &[Ranked]) -> Result<Vec<Find>, ArchiveError> {
    let rows: Vec<_> = shown.iter().map(|it| it.row).collect();
    let mut snippets = snippets(db, query, &rows)?;
    let mut found = db.prepare_cached(
        "SELECT call_id, role, at, mobile_no, urgency, status, started_at
         FROM messages JOIN calls ON calls.id = ?2 WHERE messages.id = ?1",
    )?;
    let mut finds = Vec::with_capacity(rows.len());
    for row in rows {
        let mut it = found.query([row, row >> MESSAGE_BITS])?;
        let Some(it) = it.next()? else { continue };
        finds.push(Find {
            call_id: read::call_id(it, 0)?,
            message_id: read::message_id(row),
            role: codes::role(it.get(1)?)?,
            at: Timestamp::from_millis(it.get(2)?),
            snippet: snippets.remove(&row).unwrap_or_default(),
            caller: read::caller(it, 3)?,
            urgency: codes::urgency(it.get(4)?)?,
            status: codes::status(it.get(5)?)?,
            started_at: Timestamp::from_millis(it.get(6)?),
        });
    }
    Ok(finds)
}

fn placed(stand: &Stand) -> Vec<u8> {
    let mut place = stand.below.to_be_bytes().to_vec();
    // A window without a known beginning has shown nothing yet.
    let (floor, after) = match (stand.floor, stand.after) {
        (Some(floor), Some(after)) => (floor, after),
        _ => (-1, Ranked { score: 0, row: 0 }),
    };
    place.extend_from_slice(&floor.to_be_bytes());
    place.extend_from_slice(&after.score.to_be_bytes());
    place.extend_from_slice(&after.row.to_be_bytes());
    place.extend_from_slice(&stand.weights);
    place
}

fn stand_in(place: &[u8]) -> Result<Stand, BadCursor> {
    let mut place = Place(place);
    let (below, floor) = (place.number()?, place.number()?);
    let after = Ranked { score: u32::from_be_bytes(place.bytes()?), row: place.number()? };
    let weights = place.0.to_vec();
    let is_in_window = (floor..below).contains(&after.row);
    match floor {
        _ if below < 0 => Err(BadCursor),
        -1 => Ok(Stand { below, floor: None, after: None, weights }),
        0.. if is_in_window => Ok(Stand { below, floor: Some(floor), after: Some(after), weights }),
        _ => Err(BadCursor),
    }
}
