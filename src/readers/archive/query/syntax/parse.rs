//! Tokens into a tree.

use super::tokens::Token;
use super::{MAX_DEPTH, Node, SyntaxError};

type Found = Result<Option<Node>, SyntaxError>;

/// The tree of all tokens; `None` if the index knows nothing of any of them.
///
/// # Errors
/// What is missing or too much, with its place.
pub fn tree(tokens: Vec<(usize, Token)>) -> Found {
    let mut parser = Parser { tokens, at: 0 };
    let found = parser.any(0)?;
    match parser.peek() {
        Some((at, _)) => Err(SyntaxError::StrayParenthesis { at }),
        None => Ok(found),
    }
}

/// By recursive descent. NOT binds closest, then AND, written or not, then OR. A term that the
/// index knows nothing of, such as a smiley, is left out (`None`).
struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<(usize, &Token)> {
        self.tokens.get(self.at).map(|it| (it.0, &it.1))
    }

    fn takes(&mut self, wanted: &Token) -> Option<usize> {
        let at = self.peek().filter(|it| it.1 == wanted)?.0;
        self.at += 1;
        Some(at)
    }

    fn any(&mut self, depth: usize) -> Found {
        let mut parts = Vec::new();
        parts.extend(self.all(depth)?);
        while let Some(at) = self.takes(&Token::Or) {
            self.has_before("OR", at)?;
            self.has_next("OR", at)?;
            parts.extend(self.all(depth)?);
        }
        Ok(one_or(parts, Node::Any))
    }

    fn all(&mut self, depth: usize) -> Found {
        let mut parts = Vec::new();
        while !matches!(self.peek(), None | Some((_, Token::Or | Token::Close))) {
            if let Some(at) = self.takes(&Token::And) {
                self.has_before("AND", at)?;
                self.has_next("AND", at)?;
            }
            parts.extend(self.without(depth)?);
        }
        Ok(one_or(parts, Node::All))
    }

    fn without(&mut self, depth: usize) -> Found {
        let mut found = self.single(depth)?;
        while let Some(at) = self.takes(&Token::Not) {
            self.has_next("NOT", at)?;
            let unwanted = self.single(depth)?;
            found = match (found, unwanted) {
                (Some(wanted), Some(unwanted)) => {
                    Some(Node::Without(Box::new(wanted), Box::new(unwanted)))
                }
                (None, Some(_)) => {
                    return Err(SyntaxError::NothingBefore { operator: "NOT", at });
                }
                (found, None) => found,
            };
        }
        Ok(found)
    }

    fn single(&mut self, depth: usize) -> Found {
        let Some((at, token)) = self.peek() else { return Ok(None) };
        let token = token.clone();
        match token {
            Token::Term(term) => {
                self.at += 1;
                Ok(term.map(Node::Term))
            }
            Token::Open => {
                if depth == MAX_DEPTH {
                    return Err(SyntaxError::TooDeep);
                }
                self.at += 1;
                if self.peek().is_some_and(|it| *it.1 == Token::Close) {
                    return Err(SyntaxError::EmptyParentheses { at });
                }
                let found = self.any(depth + 1)?;
                self.takes(&Token::Close).ok_or(SyntaxError::OpenParenthesis { at })?;
                Ok(found)
            }
            Token::Close => Err(SyntaxError::StrayParenthesis { at }),
            Token::And => Err(SyntaxError::NothingBefore { operator: "AND", at }),
            Token::Or => Err(SyntaxError::NothingBefore { operator: "OR", at }),
            Token::Not => Err(SyntaxError::NothingBefore { operator: "NOT", at }),
        }
    }

    /// Something that can be joined stands before the operator that was just taken.
    fn has_before(&self, operator: &'static str, at: usize) -> Result<(), SyntaxError> {
        let before = self.at.checked_sub(2).and_then(|it| self.tokens.get(it));
        match before {
            Some((_, Token::Term(_) | Token::Close)) => Ok(()),
            _ => Err(SyntaxError::NothingBefore { operator, at }),
        }
    }

    fn has_next(&self, operator: &'static str, at: usize) -> Result<(), SyntaxError> {
        match self.peek() {
            Some((_, Token::Term(_) | Token::Open)) => Ok(()),
            _ => Err(SyntaxError::NothingAfter { operator, at }),
        }
    }
}

fn one_or(mut parts: Vec<Node>, several: impl FnOnce(Vec<Node>) -> Node) -> Option<Node> {
    if parts.len() > 1 { Some(several(parts)) } else { parts.pop() }
}
