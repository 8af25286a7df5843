//! Past calls, newest first.
//!
//! The one idea: the order is of values that never change, so a cursor is simply the last one
//! shown, and whatever is added meanwhile neither repeats nor hides a call.

use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use super::cursor::{self, BadCursor, Place};
use super::filters::{Filters, Said, StatusFilter, that_say};
use super::{AskError, Page};
use crate::domain::{Call, CallStatus, Urgency};
use crate::readers::archive::codes;
use crate::readers::archive::error::ArchiveError;
use crate::readers::archive::read::{self, CALL_COLUMNS, N_CALL_COLUMNS};

/// After this long a page is answered with what was found, and where to go on.
const ENOUGH: Duration = Duration::from_millis(500);

/// What is asked.
#[derive(Debug, Clone)]
pub struct HistoryQuestion {
    pub filters: Filters,
    pub limit: usize,
    pub cursor: Option<String>,
}

/// A call without its words.
#[derive(Debug, Clone, PartialEq)]
pub struct PastCall {
    pub call: Call,
    pub total_messages: u64,
}

/// A call's place in the order: when it ended or began, then its id.
type Key = (i64, [u8; 16]);

struct Listed {
    row: i64,
    key: Key,
    past: PastCall,
}

/// One page.
///
/// # Errors
/// [`AskError::Cursor`], the archive's.
pub fn history(db: &Connection, asked: &HistoryQuestion) -> Result<Page<PastCall>, AskError> {
    let question = format!("history {:?}", asked.filters);
    let filters = &asked.filters.spelled(db)?;
    let below = match &asked.cursor {
        Some(cursor) => key_in(&cursor::open(&question, cursor)?)?,
        None => (i64::MAX, [u8::MAX; 16]),
    };
    let order = Order::of(filters);
    let leading = filters.leading(db, !matches!(order, Order::UrgencyEnd(_)))?;
    let said = leading.as_ref().map_or(Said::Nothing, |it| it.said);
    let (sql, values) = statement(filters, order, below, leading.map(|it| it.ids));
    let mut found = db.prepare_cached(&sql).map_err(ArchiveError::from)?;
    let mut rows = found.query(params_from_iter(values)).map_err(ArchiveError::from)?;

    let began = Instant::now();
    let zone = filters.zone.as_ref().filter(|_| said != Said::Zone);
    let text = filters.text.as_ref().filter(|_| said != Said::Text);
    let saying: Vec<_> = [zone, text].into_iter().flatten().collect();
    let mut items: Vec<PastCall> = Vec::new();
    let (mut last_shown, mut last_seen) = (None, None);
    // Words are looked up for many calls at a time, and for the more the rarer they are.
    let mut chunk = if saying.is_empty() { asked.limit + 1 } else { 4 * asked.limit + 1 };
    loop {
        let mut listed = Vec::new();
        let (mut is_end, mut is_late) = (false, false);
        while listed.len() < chunk && !is_end && !is_late {
            match rows.next().map_err(ArchiveError::from)? {
                None => is_end = true,
                Some(row) => {
                    last_seen = Some(key_of(row)?);
                    listed.extend(listed_if(row)?);
                    // Asked after a row was seen: every page comes further.
                    is_late = began.elapsed() >= ENOUGH;
                }
            }
        }
        for words in &saying {
            let mut ids: Vec<_> = listed.iter().map(|it| it.row).collect();
            ids.sort_unstable();
            let found = that_say(db, words, &ids)?;
            listed.retain(|it| found.contains(&it.row));
        }
        for it in listed {
            if items.len() == asked.limit {
                return Ok(Page { items, next_cursor: sealed(&question, last_shown) });
            }
            last_shown = Some(it.key);
            items.push(it.past);
        }
        if is_end {
            return Ok(Page { items, next_cursor: None });
        }
        if is_late {
            return Ok(Page { items, next_cursor: sealed(&question, last_seen) });
        }
        chunk = (chunk * 4).min(4_000);
    }
}

/// The index whose order is the answer's.
#[derive(Debug, Clone, Copy)]
enum Order {
    End,
    /// Calls of one urgency lie together.
    UrgencyEnd(Urgency),
    Start,
}

impl Order {
    fn of(filters: &Filters) -> Self {
        match (filters.status, filters.only_urgency()) {
            (StatusFilter::Only(CallStatus::Ended), Some(urgency)) => Self::UrgencyEnd(urgency),
            (StatusFilter::Only(CallStatus::Ended), None) => Self::End,
            _ => Self::Start,
        }
    }
}

fn statement(
    filters: &Filters,
    order: Order,
    below: Key,
    leading: Option<Vec<i64>>,
) -> (String, Vec<Value>) {
    let (key, index) = match order {
        Order::End => ("ended_at", "calls_by_end"),
        Order::UrgencyEnd(_) => ("ended_at", "calls_by_urgency"),
        Order::Start => ("started_at", "calls_by_start"),
    };
    // Of the two upper bounds the lower one, so that the index begins there.
    let below = filters.to.map_or(below, |to| below.min((to.as_millis(), [0; 16])));
    let from = filters.from.map_or(0, |it| it.as_millis());
    let mut values: Vec<Value> = vec![from.into(), below.0.into(), below.1.to_vec().into()];
    let (conditions, more) = filters.conditions(values.len() + 1);
    values.extend(more);
    let (source, among) = match (leading, order) {
        (None, Order::UrgencyEnd(urgency)) => {
            let among = format!("AND urgency = {}", codes::of_urgency(urgency));
            (format!("INDEXED BY {index}"), among)
        }
        (None, _) => (format!("INDEXED BY {index}"), String::new()),
        (Some(ids), _) => {
            values.push(list(&ids).into());
            let among = format!("AND id IN (SELECT value FROM json_each(?{}))", values.len());
            ("NOT INDEXED".to_owned(), among)
        }
    };
    let sql = format!(
        "SELECT {CALL_COLUMNS}, n_messages, ({conditions}), {key} FROM calls {source}
         WHERE {key} >= ?1 AND ({key}, call_id) < (?2, ?3) {among}
         ORDER BY {key} DESC, call_id DESC"
    );
    (sql, values)
}

/// As JSON.
fn list(ids: &[i64]) -> String {
    let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}

/// Columns behind those of the call.
const N_MESSAGES: usize = N_CALL_COLUMNS;
const FITS: usize = N_MESSAGES + 1;
const KEY: usize = N_MESSAGES + 2;

fn key_of(row: &Row<'_>) -> Result<Key, ArchiveError> {
    Ok((row.get(KEY)?, row.get(1)?))
}

fn listed_if(row: &Row<'_>) -> Result<Option<Listed>, ArchiveError> {
    if !row.get::<_, bool>(FITS)? {
        return Ok(None);
    }
    let (id, call) = read::call_of(row)?;
    let past = PastCall { call, total_messages: row.get(N_MESSAGES)? };
    Ok(Some(Listed { row: id, key: key_of(row)?, past }))
}

fn sealed(question: &str, key: Option<Key>) -> Option<String> {
    key.map(|(time, id)| {
        let mut place = time.to_be_bytes().to_vec();
        place.extend_from_slice(&id);
        cursor::seal(question, &place)
    })
}

fn key_in(place: &[u8]) -> Result<Key, BadCursor> {
    let mut place = Place(place);
    let key = (place.number()?, place.bytes()?);
    place.end()?;
    Ok(key)
}
