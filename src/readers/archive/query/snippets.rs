//! The part of a message that a search is about, with the words found marked.
//!
//! The one idea: the marks are made of a random number and become `\u{1}` and `\u{2}` only after
//! these two were taken out of the text, so whatever was said, nothing in it looks like a mark.

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

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
    let mut found = FxHashMap::default();
    let (Some(first), Some(last)) = (rows.iter().min(), rows.iter().max()) else {
        return Ok(found);
    };
    let fts = query.to_fts();
    let mark: u128 = rand::random();
    let (begin, end) = (format!("[{mark:032x}["), format!("]{mark:032x}]"));
    let clean = |text: String| {
        let text = text.replace(['\u{1}', '\u{2}'], " ");
        text.replace(&begin, "\u{1}").replace(&end, "\u{2}")
    };
    // A question of its own for each row would merge the words of a prefix each time.
    if query.has_prefix() {
        let list: Vec<_> = rows.iter().map(i64::to_string).collect();
        let list = format!("[{}]", list.join(","));
        let mut snippets = db.prepare_cached(
            "SELECT rowid, CASE WHEN rowid IN (SELECT value FROM json_each(?6))
               THEN snippet(words, 0, ?2, ?3, '…', ?7) END
             FROM words WHERE words MATCH ?1 AND rowid BETWEEN ?4 AND ?5",
        )?;
        let mut rows = snippets.query(params![fts, begin, end, first, last, list, LENGTH])?;
        while let Some(row) = rows.next()? {
            if let Some(text) = row.get::<_, Option<String>>(1)? {
                found.insert(row.get(0)?, clean(text));
            }
        }
        return Ok(found);
    }
    let mut snippet = db.prepare_cached(
        "SELECT snippet(words, 0, ?2, ?3, '…', ?5) FROM words WHERE words MATCH ?1 AND rowid = ?4",
    )?;
    for row in rows {
        let mut it = snippet.query(params![fts, begin, end, row, LENGTH])?;
        if let Some(it) = it.next()? {
            found.insert(*row, clean(it.get(0)?));
        }
    }
    Ok(found)
}
