//! What people write into the search box, read by our own rules and put to the index in words that
//! it cannot misread.
//!
//! The one idea: nothing that was written reaches the index as syntax. It becomes a small tree of
//! words and phrases, every one of them quoted again; what is wrong with it is said before the
//! index is asked.

mod parse;
mod tokens;

use std::fmt::Write;

use self::tokens::Token;
use crate::domain::clean;

/// Longest query, in characters.
pub const MAX_CHARS: usize = 1_000;
/// Parentheses in parentheses.
pub const MAX_DEPTH: usize = 12;
/// Words and phrases in one query.
pub const MAX_TERMS: usize = 24;

/// What is wrong with a query. Characters are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("it has {got} characters; the most is {MAX_CHARS}")]
    TooLong { got: usize },
    #[error("parentheses are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("it has more than {MAX_TERMS} words and phrases")]
    TooManyTerms,
    #[error("there is nothing to search for: give at least one word of letters or digits")]
    Nothing,
    #[error("the quotation mark at character {at} is not closed")]
    OpenQuote { at: usize },
    #[error("the `(` at character {at} is not closed")]
    OpenParenthesis { at: usize },
    #[error("the `(` at character {at} has nothing in it")]
    EmptyParentheses { at: usize },
    #[error("the `)` at character {at} closes nothing")]
    StrayParenthesis { at: usize },
    #[error("`{operator}` at character {at} needs a word before it")]
    NothingBefore { operator: &'static str, at: usize },
    #[error("`{operator}` at character {at} needs a word after it")]
    NothingAfter { operator: &'static str, at: usize },
    #[error("the `*` at character {at} must end the beginning of a word, as in `evacuat*`")]
    Star { at: usize },
    #[error("to leave a word out, write NOT in place of the `-` at character {at}")]
    Minus { at: usize },
    #[error("the `:` at character {at} means nothing here: put it in quotation marks")]
    Colon { at: usize },
    #[error("the `{sign}` at character {at} means nothing here: put it in quotation marks")]
    Sign { sign: char, at: usize },
    #[error("there is no NEAR(…), which stands at character {at}: write a phrase or AND")]
    Near { at: usize },
}

/// A query that is well formed and has something to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query(Node);

/// A word, several that follow each other, or the beginning of the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    text: String,
    /// As the index knows them; at least one.
    pub words: Vec<String>,
    pub is_prefix: bool,
    /// Of a beginning that is too common to be asked for as it is: all that it stands for.
    pub spelled: Vec<String>,
    /// What it takes to ask for it, in words that are looked up.
    pub effort: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Term(Term),
    All(Vec<Node>),
    Any(Vec<Node>),
    Without(Box<Node>, Box<Node>),
}

impl Query {
    /// Reads what a person wrote.
    ///
    /// # Errors
    /// What is wrong with it, in words for that person.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = clean(text);
        let got = text.chars().count();
        if got > MAX_CHARS {
            return Err(SyntaxError::TooLong { got });
        }
        let tokens = tokens::of(&text)?;
        if tokens.iter().filter(|it| matches!(it.1, Token::Term(Some(_)))).count() > MAX_TERMS {
            return Err(SyntaxError::TooManyTerms);
        }
        parse::tree(tokens)?.map(Self).ok_or(SyntaxError::Nothing)
    }

    /// Words that follow each other, whatever signs are between them.
    ///
    /// # Errors
    /// [`SyntaxError::Nothing`], [`SyntaxError::TooLong`]
    pub fn phrase(text: &str) -> Result<Self, SyntaxError> {
        let text = clean(text);
        let got = text.chars().count();
        if got > MAX_CHARS {
            return Err(SyntaxError::TooLong { got });
        }
        tokens::term(&text, false).map(|it| Self(Node::Term(it))).ok_or(SyntaxError::Nothing)
    }

    /// As the index reads it, whatever was written.
    pub fn to_fts(&self) -> String {
        let mut out = String::new();
        render(&self.0, &mut out);
        out
    }

    /// What it takes to ask for it, in words that are looked up.
    pub fn effort(&self) -> usize {
        fn sum(node: &Node) -> usize {
            match node {
                Node::Term(it) => it.effort,
                Node::All(parts) | Node::Any(parts) => parts.iter().map(sum).sum(),
                Node::Without(wanted, unwanted) => sum(wanted) + sum(unwanted),
            }
        }
        sum(&self.0)
    }

    /// The terms that stand for all words that begin so.
    pub fn beginnings(&mut self) -> Vec<&mut Term> {
        fn gather<'a>(node: &'a mut Node, found: &mut Vec<&'a mut Term>) {
            match node {
                Node::Term(it) => found.extend(it.is_prefix.then_some(it)),
                Node::All(parts) | Node::Any(parts) => {
                    parts.iter_mut().for_each(|it| gather(it, found));
                }
                Node::Without(wanted, unwanted) => {
                    gather(wanted, found);
                    gather(unwanted, found);
                }
            }
        }
        let mut found = Vec::new();
        gather(&mut self.0, &mut found);
        found
    }

    /// What a find may hold: terms that are not left out.
    pub fn wanted(&self) -> Vec<&Term> {
        fn gather<'a>(node: &'a Node, found: &mut Vec<&'a Term>) {
            match node {
                Node::Term(it) => found.push(it),
                Node::All(parts) | Node::Any(parts) => {
                    parts.iter().for_each(|it| gather(it, found));
                }
                Node::Without(wanted, _) => gather(wanted, found),
            }
        }
        let mut found = Vec::new();
        gather(&self.0, &mut found);
        found
    }
}

impl Term {
    /// As it was written, without a `*` behind it.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn to_fts(&self) -> String {
        let mut out = String::new();
        render_term(self, &mut out);
        out
    }
}

fn render(node: &Node, out: &mut String) {
    let (parts, joined_by) = match node {
        Node::Term(it) => return render_term(it, out),
        Node::All(parts) => (parts, " AND "),
        Node::Any(parts) => (parts, " OR "),
        Node::Without(wanted, unwanted) => {
            out.push('(');
            render(wanted, out);
            out.push_str(" NOT ");
            render(unwanted, out);
            return out.push(')');
        }
    };
    out.push('(');
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            out.push_str(joined_by);
        }
        render(part, out);
    }
    out.push(')');
}

fn render_term(term: &Term, out: &mut String) {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    // Writing to a string cannot fail.
    let _ = if !term.spelled.is_empty() {
        let all: Vec<_> = term.spelled.iter().map(|it| quoted(it)).collect();
        write!(out, "({})", all.join(" OR "))
    } else if term.is_prefix {
        write!(out, "{} *", quoted(&term.text))
    } else {
        write!(out, "{}", quoted(&term.text))
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fts(text: &str) -> String {
        Query::parse(text).map_or_else(|err| format!("{err:?}"), |it| it.to_fts())
    }

    #[test]
    fn a_query_is_read_as_people_mean_it() {
        for (text, wanted) in [
            ("fire", r#""fire""#),
            ("gas leak", r#"("gas" AND "leak")"#),
            ("gas AND leak", r#"("gas" AND "leak")"#),
            (r#""gas leak""#, r#""gas leak""#),
            ("“gas leak”", r#""gas leak""#),
            ("smoke OR gas leak", r#"("smoke" OR ("gas" AND "leak"))"#),
            ("(smoke OR gas) leak", r#"(("smoke" OR "gas") AND "leak")"#),
            ("fire NOT drill hall", r#"(("fire" NOT "drill") AND "hall")"#),
            ("fire NOT (drill OR test)", r#"("fire" NOT ("drill" OR "test"))"#),
            ("evacuat*", r#""evacuat" *"#),
            ("f*", r#""f" *"#),
            (r#""gas lea"*"#, r#""gas lea" *"#),
            ("near not and or", r#"("near" AND "not" AND "and" AND "or")"#),
            (
                "valve-3 12:30 don't a.b@c.d note:",
                r#"("valve-3" AND "12:30" AND "don't" AND "a.b@c.d" AND "note:")"#,
            ),
            ("fire 🔥 - !!", r#""fire""#),
            ("fire\u{0}smoke", r#"("fire" AND "smoke")"#),
            ("\u{202E}fire NOT 🔥", r#""fire""#),
            (r#""a ^ {b} : * NEAR( c""#, r#""a ^ {b} : * NEAR( c""#),
            ("'); DROP TABLE calls; --", "StrayParenthesis { at: 2 }"),
        ] {
            assert_eq!(fts(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (text, wanted) in [
            ("", SyntaxError::Nothing),
            ("🔥 … -- \u{1}", SyntaxError::Nothing),
            ("\"\"", SyntaxError::Nothing),
            ("fire \"gas", SyntaxError::OpenQuote { at: 6 }),
            ("(fire", SyntaxError::OpenParenthesis { at: 1 }),
            ("fire)", SyntaxError::StrayParenthesis { at: 5 }),
            (")", SyntaxError::StrayParenthesis { at: 1 }),
            ("fire ()", SyntaxError::EmptyParentheses { at: 6 }),
            ("OR fire", SyntaxError::NothingBefore { operator: "OR", at: 1 }),
            ("fire AND", SyntaxError::NothingAfter { operator: "AND", at: 6 }),
            ("fire OR OR gas", SyntaxError::NothingAfter { operator: "OR", at: 6 }),
            ("NOT fire", SyntaxError::NothingBefore { operator: "NOT", at: 1 }),
            ("(AND fire)", SyntaxError::NothingBefore { operator: "AND", at: 2 }),
            ("🔥 NOT fire", SyntaxError::NothingBefore { operator: "NOT", at: 3 }),
            ("*", SyntaxError::Star { at: 1 }),
            ("fi*re", SyntaxError::Star { at: 3 }),
            ("🔥*", SyntaxError::Star { at: 2 }),
            ("\"\"*", SyntaxError::Star { at: 3 }),
            ("fire -drill", SyntaxError::Minus { at: 6 }),
            ("content:fire", SyntaxError::Colon { at: 8 }),
            ("content:\"fire\"", SyntaxError::Colon { at: 8 }),
            ("{content}: fire", SyntaxError::Sign { sign: '{', at: 1 }),
            ("fire^2", SyntaxError::Sign { sign: '^', at: 5 }),
            ("NEAR(fire gas)", SyntaxError::Near { at: 1 }),
        ] {
            assert_eq!(Query::parse(text), Err(wanted), "{text}");
        }
        assert_eq!(Query::parse(&"(".repeat(16 * 1024)), Err(SyntaxError::TooLong { got: 16_384 }));
        assert_eq!(Query::parse(&"(".repeat(MAX_DEPTH + 2)), Err(SyntaxError::TooDeep));
        assert_eq!(Query::parse(&"a ".repeat(MAX_TERMS + 1)), Err(SyntaxError::TooManyTerms));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn whatever_is_written_is_a_query_or_explained(
            text in r#"([a-c]{1,3}|AND|OR|NOT|NEAR|[ "()*:^{}🔥\u{0}-]){0,30}|\PC{0,30}"#
        ) {
            match Query::parse(&text) {
                Ok(query) => prop_assert!(!query.wanted().is_empty()),
                Err(err) => prop_assert!(!err.to_string().is_empty()),
            }
        }
    }
}
