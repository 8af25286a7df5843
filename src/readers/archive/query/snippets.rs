//! The part of a message that a search is about, with the words found marked.
//!
//! The one idea: the marks are made of a random number and become `\u{1}` and `\u{2}` only after
//! these two were taken out of the text, so whatever was said, nothing in it looks like a mark.
//! The messages are few, so they are put on the slate, where a query costs next to nothing.

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::slate;
use super::syntax::Query;
use crate::readers::archive::error::ArchiveError;

/// Words of a snippet.
const LENGTH: i64 = 24;

/// By row of messages.
pub fn snippets(
    db: &Connection,
    query: &Query,
    rows: &[i64],
) -> Result<FxHashMap<i64, String>, ArchiveError> {
    let mark: u128 = rand::random();
    let (begin, end) = (format!("[{mark:032x}["), format!("]{mark:032x}]"));
    let clean = |text: String| {
        let text = text.replace(['\u{1}', '\u{2}'], " ");
        text.replace(&begin, "\u{1}").replace(&end, "\u{2}")
    };
    slate::write_messages(db, rows)?;
    let mut found = db.prepare_cached(
        "SELECT rowid, snippet(slate, 0, ?2, ?3, '…', ?4) FROM temp.slate WHERE slate MATCH ?1",
    )?;
    let found = found.query_map(params![query.to_fts(), begin, end, LENGTH], |row| {
        Ok((row.get(0)?, clean(row.get(1)?)))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}
