//! Beginnings of words, spelled out.
//!
//! The one idea: the index merges all finds of all words that begin so before it tells the first
//! one, and nothing can stop it meanwhile. That is right for a few finds. A common beginning is
//! put to it as the words that it stands for, joined by OR: their newest finds are known at once,
//! however many there are. The words are read off the index itself, from one to the next, without
//! a look at where they were said.

use rusqlite::{Connection, params};

use super::AskError;
use super::slate;
use super::syntax::{Query, Term};
use crate::readers::archive::error::ArchiveError;

/// What a beginning may cost.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// So many finds are merged in some milliseconds.
    finds: usize,
    /// What all beginnings of a query stand for, in words that are looked up, each in some
    /// hundredths of a millisecond.
    words: usize,
}

const LIMITS: Limits = Limits { finds: 20_000, words: 1_500 };
/// Finds that are merged in the time that it takes to look up a word.
const FINDS_A_WORD: usize = 100;
/// Words that are looked up in the time that it takes to look for a phrase: until it finds one,
/// it reads all that was said of its words.
const WORDS_A_PHRASE: usize = 15;
/// Comes before every letter and sign, but after nothing at all.
const FIRST: char = '\u{1}';
/// Comes after them.
const LAST: char = '\u{10FFFF}';

/// The same query, as it is best put to the archive's index.
///
/// # Errors
/// [`AskError::TooManyWords`], the archive's.
pub fn spelled(db: &Connection, query: &Query) -> Result<Query, AskError> {
    spelled_within(db, query, LIMITS)
}

fn spelled_within(db: &Connection, query: &Query, limits: Limits) -> Result<Query, AskError> {
    let mut query = query.clone();
    let mut n_left = limits.words;
    for term in query.beginnings() {
        spell(db, term, Limits { words: n_left, ..limits })?;
        if !term.spelled.is_empty() {
            n_left = n_left.saturating_sub(term.effort);
        }
    }
    Ok(query)
}

fn spell(db: &Connection, term: &mut Term, limits: Limits) -> Result<(), AskError> {
    let mut words = slate::words_of(db, term.text())?;
    // Nothing that the index knows: it finds nothing.
    let Some(beginning) = words.pop() else { return Ok(()) };
    let n_finds = n_finds(db, &beginning, limits.finds)?;
    if n_finds <= limits.finds {
        term.effort = words.len() + 1 + n_finds / FINDS_A_WORD;
        return Ok(());
    }
    let each = if words.is_empty() { 1 } else { WORDS_A_PHRASE };
    let Some(endings) = words_with(db, &beginning, limits.words / each)? else {
        return Err(AskError::TooManyWords { beginning: term.text().to_owned() });
    };
    term.effort = each * endings.len();
    let whole = |ending| words.iter().cloned().chain([ending]).collect::<Vec<_>>().join(" ");
    term.spelled = endings.into_iter().map(whole).collect();
    Ok(())
}

/// How often words that begin so were said; one more than `most` if it is more.
fn n_finds(db: &Connection, beginning: &str, most: usize) -> Result<usize, ArchiveError> {
    let mut count = db.prepare_cached(
        "SELECT count(*) FROM
           (SELECT 1 FROM temp.vocabulary WHERE term >= ?1 AND term <= ?2 LIMIT ?3)",
    )?;
    let values = params![beginning, format!("{beginning}{LAST}"), most as i64 + 1];
    Ok(count.query_row(values, |row| row.get(0))?)
}

/// All words that begin so, if there are not more than `most`.
fn words_with(
    db: &Connection,
    beginning: &str,
    most: usize,
) -> Result<Option<Vec<String>>, ArchiveError> {
    let mut next = db.prepare_cached(
        "SELECT term FROM temp.vocabulary WHERE term >= ?1 AND term <= ?2 LIMIT 1",
    )?;
    let (mut from, last) = (beginning.to_owned(), format!("{beginning}{LAST}"));
    let mut words = Vec::new();
    loop {
        let mut found = next.query([&from, &last])?;
        let Some(row) = found.next()? else { return Ok(Some(words)) };
        if words.len() == most {
            return Ok(None);
        }
        let word: String = row.get(0)?;
        // What follows it, past all its finds.
        from = format!("{word}{FIRST}");
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::archive::schema;
    use proptest::prelude::*;

    const NO_FINDS: Limits = Limits { finds: 0, words: 1_500 };

    fn archive(texts: &[String]) -> Connection {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db).unwrap();
        slate::lay_out(&db).unwrap();
        let mut say = db.prepare("INSERT INTO words (rowid, content) VALUES (?1, ?2)").unwrap();
        for (row, text) in (1..).zip(texts) {
            say.execute(params![row as i64, text]).unwrap();
        }
        drop(say);
        db
    }

    fn found(db: &Connection, query: &Query) -> Vec<i64> {
        let mut found =
            db.prepare("SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rowid DESC").unwrap();
        let rows = found.query_map([query.to_fts()], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_common_beginning_is_the_words_that_it_stands_for() {
        let texts =
            ["the theme", "There, gas leaks", "GAS LEÁK", "gas leap then", "leak gas", "th"];
        let db = archive(&texts.map(str::to_owned));
        let spelled = |text: &str, limits| {
            let query = Query::parse(text).unwrap();
            let spelled = spelled_within(&db, &query, limits).unwrap();
            assert_eq!(found(&db, &spelled), found(&db, &query), "{text}");
            (spelled.to_fts(), spelled.effort())
        };

        let the = r#"("the" OR "theme" OR "then" OR "there")"#;
        assert_eq!(spelled("the*", NO_FINDS), (the.to_owned(), 4));
        assert_eq!(spelled("the*", LIMITS), (r#""the" *"#.to_owned(), 1));
        assert_eq!(spelled("gas", NO_FINDS), (r#""gas""#.to_owned(), 1));
        assert_eq!(spelled("zz* OR gas", NO_FINDS).0, r#"("zz" * OR "gas")"#);
        let phrase = r#"("gas leak" OR "gas leaks" OR "gas leap")"#;
        assert_eq!(spelled("\"Gas léa\"*", NO_FINDS), (phrase.to_owned(), 45));
    }

    #[test]
    fn too_many_words_are_refused_for_the_whole_query_and_explained() {
        let texts: Vec<_> = (0..40).map(|it| format!("word{it:02} other{it:02}")).collect();
        let db = archive(&texts);
        let spelled = |text: &str, words| {
            spelled_within(&db, &Query::parse(text).unwrap(), Limits { finds: 3, words })
        };

        assert!(spelled("wo* NOT oth*", 80).is_ok());
        assert!(spelled("word1*", 10).is_ok());
        let refused = spelled("wo* NOT oth*", 79).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`oth*` stands for too many different words that were said here: write more of its \
             letters"
        );
        assert!(spelled("\"other03 wo\"*", 600).is_ok());
        assert!(spelled("\"other03 wo\"*", 599).is_err());
        // A few finds are no matter of words.
        assert!(spelled("word01*", 0).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn spelled_out_it_finds_the_same(
            texts in prop::collection::vec(r"([aábBßİñПﬁ1 '-]|\PC){0,12}", 1..20),
            beginning in r"[aábBßİñПﬁ1]{1,2}|\PC",
            other in "[aáb]",
        ) {
            let db = archive(&texts);
            for text in [
                format!("\"{beginning}\"*"),
                format!("\"{other} {beginning}\"*"),
                format!("{other}* NOT \"{beginning}\"*"),
            ] {
                let Ok(query) = Query::parse(&text) else { continue };
                let spelled = spelled_within(&db, &query, NO_FINDS).unwrap();
                prop_assert_eq!(found(&db, &spelled), found(&db, &query), "{}", text);
            }
        }
    }
}
