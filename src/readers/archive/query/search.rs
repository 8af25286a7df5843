//! Everything said, and written about calls, by its words.
//!
//! The one idea: ranking in windows. The newest finds, a thousand at a time, are ranked against
//! each other; then the next thousand, older ones. So a word that was said a million times costs
//! what a thousand finds cost, recent words come before those of last year, and paging still
//! reaches every find.

use rusqlite::Connection;

use super::beginnings::spelled;
use super::cursor::{self, BadCursor, Place};
use super::filters::Filters;
use super::rank;
use super::snippets::snippets;
use super::syntax::Query;
use super::windows::{PACE, Pace, Ranked, Stand, Windows};
use super::{AskError, Page};
use crate::domain::{CallId, CallStatus, Field, MessageId, PhoneNumber, Role, Timestamp, Urgency};
use crate::readers::archive::codes;
use crate::readers::archive::error::ArchiveError;
use crate::readers::archive::read;
use crate::readers::archive::schema::MESSAGE_BITS;

/// What is asked; the `text` of the filters is not used.
#[derive(Debug, Clone)]
pub struct SearchQuestion {
    pub query: Query,
    pub filters: Filters,
    pub limit: usize,
    pub cursor: Option<String>,
}

/// A message that was searched for, or a note about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    pub call_id: CallId,
    /// Of a message, with `role`.
    pub message_id: Option<MessageId>,
    pub role: Option<Role>,
    /// Which note it is, if it is one.
    pub note: Option<Field>,
    pub at: Timestamp,
    /// Part of what was said, with the words found between `\u{1}` and `\u{2}`.
    pub snippet: String,
    pub caller: PhoneNumber,
    pub urgency: Urgency,
    pub status: CallStatus,
    pub started_at: Timestamp,
    pub deleted_at: Option<Timestamp>,
    pub legal_hold: bool,
}

/// One page.
///
/// # Errors
/// [`AskError::Cursor`], the archive's.
pub fn search(db: &Connection, asked: &SearchQuestion) -> Result<Page<Find>, AskError> {
    search_at(PACE, db, asked)
}

fn search_at(pace: Pace, db: &Connection, asked: &SearchQuestion) -> Result<Page<Find>, AskError> {
    let question = format!("search {:?} {:?}", asked.query, asked.filters);
    let query = spelled(db, &asked.query)?;
    let mut windows = Windows::new(pace, db, &query, &asked.filters)?;
    let mut stand = match &asked.cursor {
        Some(cursor) => {
            let stand = stand_in(&cursor::open(&question, cursor)?)?;
            if stand.weights.len() != asked.query.wanted().len() {
                return Err(BadCursor.into());
            }
            stand
        }
        None => {
            let weights = rank::weights(db, &query)?;
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

/// What is told of the finds.
fn finds(db: &Connection, query: &Query, shown: &[Ranked]) -> Result<Vec<Find>, ArchiveError> {
    let rows: Vec<_> = shown.iter().map(|it| it.row).collect();
    let mut snippets = snippets(db, query, &rows)?;
    let mut found = db.prepare_cached(
        "SELECT call_id, role, at, mobile_no, urgency, status, started_at, deleted_at, legal_hold
         FROM messages JOIN calls ON calls.id = ?2 WHERE messages.id = ?1",
    )?;
    let mut finds = Vec::with_capacity(rows.len());
    for row in rows {
        let mut it = found.query([row, row >> MESSAGE_BITS])?;
        let Some(it) = it.next()? else { continue };
        let note = read::note_of(row);
        let role = codes::role(it.get(1)?)?;
        finds.push(Find {
            call_id: read::call_id(it, 0)?,
            message_id: note.is_none().then(|| read::message_id(row)),
            role: note.is_none().then_some(role),
            note,
            at: Timestamp::from_millis(it.get(2)?),
            snippet: snippets.remove(&row).unwrap_or_default(),
            caller: read::caller(it, 3)?,
            urgency: codes::urgency(it.get(4)?)?,
            status: codes::status(it.get(5)?)?,
            started_at: Timestamp::from_millis(it.get(6)?),
            deleted_at: it.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
            legal_hold: it.get(8)?,
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

#[cfg(test)]
mod tests {
    use rusqlite::params;

    use super::*;
    use crate::readers::archive::query::filters::{CallerFilter, StatusFilter};
    use crate::readers::archive::query::slate;
    use crate::readers::archive::schema;

    /// Calls of two callers; in each the words `gas` and, rarely, `leak`.
    fn archive() -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db).unwrap();
        slate::lay_out(&db).unwrap();
        for call in 1..=90_i64 {
            let id = CallId(ulid::Ulid::from_parts(call.unsigned_abs(), 7));
            let caller = if call % 3 == 0 { "+15551" } else { "+15552" };
            db.execute(
                "INSERT INTO calls (id, call_id, worker_id, mobile_no, medium, urgency, status,
                   started_at, last_message_at, last_seq)
                 VALUES (?1, ?2, 'w', ?3, 0, ?4, 0, ?1, ?1, 1)",
                params![call, id.0.to_bytes(), caller, call % 2],
            )
            .unwrap();
            for number in 1..=4 {
                let row = (call << MESSAGE_BITS) + number;
                let text = if call % 12 == 0 && number == 2 { "a gas leak" } else { "gas" };
                db.execute(
                    "INSERT INTO words (rowid, content) VALUES (?1, ?2)",
                    params![row, text],
                )
                .unwrap();
                db.execute(
                    "INSERT INTO messages (id, role, content, at, sources) VALUES (?1, 0, ?2, 7, '')",
                    params![row, text],
                )
                .unwrap();
            }
        }
        db
    }

    #[test]
    fn whichever_way_it_takes_the_finds_are_the_same() {
        let db = archive();
        let filters = Filters {
            caller: Some(CallerFilter::StartsWith("+15551".to_owned())),
            urgencies: vec![Urgency::Normal],
            ..Filters::new(StatusFilter::Any)
        };
        let all = |text: &str, pace| {
            let (mut rows, mut cursor) = (Vec::new(), None);
            loop {
                let query = Query::parse(text).unwrap();
                let asked = SearchQuestion { query, filters: filters.clone(), limit: 7, cursor };
                let page = search_at(pace, &db, &asked).unwrap();
                rows.extend(page.items.iter().map(|it| (it.call_id, it.message_id)));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    return rows;
                }
            }
        };
        let through = Pace { few: 0, many: usize::MAX, finds_a_word: 1e9 };
        for (text, n) in [("gas", 60), ("gas leak", 7), ("leak OR ga*", 60), ("gas NOT leak", 53)] {
            let found = all(text, through);
            assert_eq!(found.len(), n, "{text}");
            assert_eq!(
                all(text, Pace { few: usize::MAX, ..through }),
                found,
                "call by call: {text}"
            );
            for many in [1, 5, 50] {
                let changing = Pace { few: 0, many, finds_a_word: 0.0 };
                assert_eq!(all(text, changing), found, "after {many}: {text}");
            }
            assert_eq!(all(text, PACE), found, "{text}");
        }
    }
}
