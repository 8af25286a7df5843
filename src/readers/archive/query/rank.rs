//! How well a message answers a query: BM25, with what a common word is worth taken from a count
//! that stops early.
//!
//! The index's own `bm25()` counts every find of every word before it ranks the first one: 2 s for
//! a common word in two million messages. A word said more than [`COUNTED`] times is simply
//! common.
//! Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.

use rusqlite::{Connection, params};

use super::syntax::{Query, Term};
use super::words;
use crate::readers::archive::error::ArchiveError;

/// Finds of one term that are counted.
const COUNTED: i64 = 2_000;
/// As if there were so many messages: only the relation of weights matters.
const MESSAGES: f64 = 1_000_000.0;
/// The usual values: how soon repetition counts no more, and how much length matters.
const K1: f64 = 1.2;
const B: f64 = 0.75;
/// Words of an ordinary message.
const USUAL_LENGTH: f64 = 15.0;

/// What each wanted term is worth. Kept in the cursor: all pages of one search weigh alike.
pub fn weights(db: &Connection, query: &Query) -> Result<Vec<u8>, ArchiveError> {
    let terms = query.wanted();
    if terms.len() == 1 {
        return Ok(vec![1]);
    }
    let mut count = db.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ?1 LIMIT ?2)",
    )?;
    let weight = |term: &&Term| {
        // One that had to be spelled out is common.
        let n = match term.spelled.is_empty() {
            true => count.query_row(params![term.to_fts(), COUNTED], |row| row.get(0))?,
            false => COUNTED,
        };
        let worth = ((MESSAGES + 0.5) / (n as f64 + 0.5)).ln();
        // At most 14.5: in sixteenths it fits.
        Ok((worth * 16.0).round().clamp(1.0, 255.0) as u8)
    };
    terms.iter().map(weight).collect()
}

/// Comparable among the finds of one search.
pub fn score(content: &str, terms: &[&Term], weights: &[u8]) -> u32 {
    let said: Vec<String> = words::of(content).collect();
    let length = 1.0 - B + B * said.len() as f64 / USUAL_LENGTH;
    let sum: f64 = terms
        .iter()
        .zip(weights)
        .map(|(term, weight)| {
            let n = count(&said, term) as f64;
            f64::from(*weight) * n * (K1 + 1.0) / (n + K1 * length)
        })
        .sum();
    (sum * 100.0).round() as u32
}

fn count(said: &[String], term: &Term) -> usize {
    let Some((last, first)) = term.words.split_last() else { return 0 };
    let is_here = |here: &&[String]| {
        let (end, begin) = (&here[first.len()], &here[..first.len()]);
        let ends_so = if term.is_prefix { end.starts_with(last.as_str()) } else { end == last };
        ends_so && begin == first
    };
    said.windows(term.words.len()).filter(is_here).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_and_rarer_words_in_fewer_others_come_first() {
        let query = Query::parse("gas OR \"valve 3\" OR evac*").unwrap();
        let terms = query.wanted();
        let score = |text| score(text, &terms, &[80, 200, 80]);

        let order = [
            "Gas at valve 3, evacuate",
            "valve 3",
            "valve 3 is where I am standing at the moment, I think",
            "gas, gas everywhere",
            "gas is what I smell",
            "evacuation",
            "valve 30, valve 33",
        ];
        assert_eq!(score(order[6]), 0);
        assert_eq!(score("gas"), score("GÁS"));
        assert!(order[..5].is_sorted_by_key(|it| std::cmp::Reverse(score(it))));
        assert_eq!(score("evacuation"), score("evac"));
    }
}
