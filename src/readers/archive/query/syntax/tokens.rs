//! Signs into tokens: words, phrases, operators and parentheses, each with its place.

use super::super::words;
use super::{SyntaxError, Term};

/// `None` if there is no letter or digit in it: the index knows nothing of it.
pub fn term(text: &str, is_prefix: bool) -> Option<Term> {
    let words: Vec<_> = words::of(text).collect();
    (!words.is_empty()).then(|| Term {
        text: text.to_owned(),
        effort: words.len(),
        words,
        is_prefix,
        spelled: Vec::new(),
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    Term(Option<Term>),
    And,
    Or,
    Not,
    Open,
    Close,
}

/// The tokens of a query, each with its place, counted from 1.
///
/// # Errors
/// The signs that mean nothing, each with its place.
pub fn of(text: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    Lexer { chars: text.chars().collect(), at: 0 }.all()
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„')
}

impl Lexer {
    fn all(mut self) -> Result<Vec<(usize, Token)>, SyntaxError> {
        let mut tokens = Vec::new();
        while let Some(c) = self.here() {
            let at = self.at + 1;
            let token = match c {
                c if c.is_whitespace() => {
                    self.at += 1;
                    continue;
                }
                '(' | ')' => {
                    self.at += 1;
                    if c == '(' { Token::Open } else { Token::Close }
                }
                '*' => return Err(SyntaxError::Star { at }),
                sign @ ('^' | '{' | '}') => return Err(SyntaxError::Sign { sign, at }),
                c if is_quote(c) => self.quoted()?,
                _ => self.word()?,
            };
            tokens.push((at, token));
        }
        Ok(tokens)
    }

    fn here(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn text(&self, from: usize) -> String {
        self.chars[from..self.at].iter().collect()
    }

    fn quoted(&mut self) -> Result<Token, SyntaxError> {
        let open = self.at;
        self.at += 1;
        while self.here().is_some_and(|c| !is_quote(c)) {
            self.at += 1;
        }
        if self.here().is_none() {
            return Err(SyntaxError::OpenQuote { at: open + 1 });
        }
        let text = self.text(open + 1);
        self.at += 1;
        self.term(&text)
    }

    fn word(&mut self) -> Result<Token, SyntaxError> {
        let from = self.at;
        let ends = |c: char| {
            c.is_whitespace() || is_quote(c) || matches!(c, '(' | ')' | '*' | '^' | '{' | '}')
        };
        while self.here().is_some_and(|c| !ends(c)) {
            self.at += 1;
        }
        let text = self.text(from);
        match (text.as_str(), self.here()) {
            ("NEAR", Some('(')) => return Err(SyntaxError::Near { at: from + 1 }),
            (_, Some('*')) => {}
            ("AND", _) => return Ok(Token::And),
            ("OR", _) => return Ok(Token::Or),
            ("NOT", _) => return Ok(Token::Not),
            _ => {}
        }
        if text.strip_prefix('-').is_some_and(|it| it.starts_with(char::is_alphanumeric)) {
            return Err(SyntaxError::Minus { at: from + 1 });
        }
        self.check_colons(from)?;
        self.term(&text)
    }

    /// A `:` between digits is a time of day, one at the end of a word a colon. Else somebody
    /// thinks that there are columns.
    fn check_colons(&self, from: usize) -> Result<(), SyntaxError> {
        let is_digit = |at: usize| self.chars.get(at).is_some_and(char::is_ascii_digit);
        let colons = (from..self.at).filter(|at| self.chars[*at] == ':');
        for at in colons {
            let is_last = self.chars.get(at + 1).is_none_or(|c| c.is_whitespace() || *c == ')');
            let is_time = at > from && is_digit(at - 1) && is_digit(at + 1);
            if !is_last && !is_time {
                return Err(SyntaxError::Colon { at: at + 1 });
            }
        }
        Ok(())
    }

    /// The term of that text, and the `*` that may stand behind it.
    fn term(&mut self, text: &str) -> Result<Token, SyntaxError> {
        let is_prefix = self.here() == Some('*');
        let term = term(text, is_prefix);
        if !is_prefix {
            return Ok(Token::Term(term));
        }
        let star = self.at + 1;
        self.at += 1;
        let ends = self.here().is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')'));
        let Some(term) = term.filter(|_| ends) else {
            return Err(SyntaxError::Star { at: star });
        };
        Ok(Token::Term(Some(term)))
    }
}
