//! A small index in memory beside the archive's, which cuts words as that one does.
//!
//! The one idea: what the index itself decides, how a text is cut into words and which of them a
//! query finds, is asked of an index of a few texts, where any query is cheap. It belongs to one
//! connection and is empty again when the question is over, since its transaction is taken back.

use rusqlite::Connection;

use crate::readers::archive::error::ArchiveError;

/// Makes it, empty, and the list of all words of the archive's index.
pub fn lay_out(db: &Connection) -> Result<(), ArchiveError> {
    // What was said is not to be written to a file of its own.
    db.pragma_update(None, "temp_store", "memory")?;
    db.execute_batch(
        "CREATE VIRTUAL TABLE temp.slate USING fts5(
           content, tokenize = 'unicode61 remove_diacritics 2'
         );
         CREATE VIRTUAL TABLE temp.slate_words USING fts5vocab(temp, slate, instance);
         CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, words, instance);",
    )?;
    Ok(())
}

/// Puts messages on it, and nothing else.
pub fn write_messages(db: &Connection, rows: &[i64]) -> Result<(), ArchiveError> {
    db.prepare_cached("DELETE FROM temp.slate")?.execute([])?;
    let mut write = db.prepare_cached(
        "INSERT INTO temp.slate (rowid, content) SELECT id, content FROM messages WHERE id = ?1",
    )?;
    for row in rows {
        write.execute([row])?;
    }
    Ok(())
}

/// The words of a text as the index knows them, in order.
pub fn words_of(db: &Connection, text: &str) -> Result<Vec<String>, ArchiveError> {
    db.prepare_cached("DELETE FROM temp.slate")?.execute([])?;
    db.prepare_cached("INSERT INTO temp.slate (rowid, content) VALUES (1, ?1)")?.execute([text])?;
    let mut words = db.prepare_cached("SELECT term FROM temp.slate_words ORDER BY offset")?;
    let words = words.query_map([], |row| row.get(0))?;
    Ok(words.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::archive::schema;

    #[test]
    fn it_cuts_as_the_archive_does() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::migrate(&mut db).unwrap();
        lay_out(&db).unwrap();
        let sql = |schema: &str, name: &str| -> String {
            let sql = format!("SELECT sql FROM {schema} WHERE name = ?1");
            db.query_row(&sql, [name], |row| row.get(0)).unwrap()
        };
        let rule = |sql: String| {
            sql.split("tokenize").nth(1).unwrap().split('\'').nth(1).map(str::to_owned)
        };

        assert_eq!(rule(sql("sqlite_temp_schema", "slate")), rule(sql("sqlite_schema", "words")));
        assert_eq!(
            words_of(&db, "Valve-3, “Há INCÊNDIO”!").unwrap(),
            ["valve", "3", "ha", "incendio"]
        );
        assert_eq!(words_of(&db, " 🔥 ").unwrap(), [""; 0]);
    }
}
