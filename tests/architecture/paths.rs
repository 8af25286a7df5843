//! The paths of a Rust source: enough of the language to tell whom a file names.

/// A path as it is meant: `crate::journal::Journal`, `std::fs::File`.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub path: String,
    pub line: usize,
}

/// All paths of two or more parts, and all that a `use` names. Those that begin with `crate`,
/// `self` or `super` are written from `crate` on; `module` is the module of the text.
pub fn paths(module: &str, text: &str) -> Vec<Found> {
    let mut reader = Reader {
        tokens: tokens(text),
        at: 0,
        modules: module.split("::").map(str::to_owned).collect(),
        braces: Vec::new(),
        found: Vec::new(),
    };
    if matches!(module, "main" | "lib") {
        reader.modules.clear();
    }
    reader.read();
    reader.found
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// A word or a number.
    Word(String),
    /// `::`
    Colons,
    Sign(char),
}

struct Reader {
    tokens: Vec<(Token, usize)>,
    at: usize,
    /// Where we are: the modules around this place.
    modules: Vec<String>,
    /// For each open brace, whether a module began with it.
    braces: Vec<bool>,
    found: Vec<Found>,
}

impl Reader {
    fn read(&mut self) {
        while let Some((token, _)) = self.tokens.get(self.at).cloned() {
            match token {
                Token::Word(word) if word == "use" => {
                    self.at += 1;
                    self.tree(&[]);
                }
                Token::Word(word) if word == "mod" && self.is_sign_at(2, '{') => {
                    let name = self.word_at(1).unwrap_or_default();
                    self.modules.push(name);
                    self.braces.push(true);
                    self.at += 3;
                }
                Token::Word(_) => self.plain_path(),
                Token::Sign('{') => {
                    self.braces.push(false);
                    self.at += 1;
                }
                Token::Sign('}') => {
                    if self.braces.pop() == Some(true) {
                        self.modules.pop();
                    }
                    self.at += 1;
                }
                _ => self.at += 1,
            }
        }
    }

    /// `a::b::c` in the middle of code; a single word names nobody.
    fn plain_path(&mut self) {
        let line = self.tokens[self.at].1;
        let mut parts = Vec::new();
        while let Some(word) = self.word_at(0) {
            parts.push(word);
            self.at += 1;
            if self.tokens.get(self.at).map(|it| &it.0) != Some(&Token::Colons) {
                break;
            }
            self.at += 1;
        }
        if parts.len() > 1 {
            self.keep(&parts, line);
        }
    }

    /// What a `use` names, behind `prefix`: `a::b`, `a::{b, c as d}`, `a::*`.
    fn tree(&mut self, prefix: &[String]) {
        let mut parts = prefix.to_vec();
        loop {
            let Some((token, line)) = self.tokens.get(self.at).cloned() else { return };
            match token {
                Token::Word(word) if word == "as" => {
                    self.at += 2;
                    return self.keep(&parts, line);
                }
                Token::Word(word) => parts.push(word),
                Token::Colons => {}
                Token::Sign('*') => parts.push("*".to_owned()),
                Token::Sign('{') => {
                    self.at += 1;
                    while !self.is_sign_at(0, '}') && self.at < self.tokens.len() {
                        self.tree(&parts);
                        if self.is_sign_at(0, ',') {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Token::Sign(',' | '}' | ';') => return self.keep(&parts, line),
                // `use<'a>` of a type, and whatever else is no import.
                Token::Sign(_) => return,
            }
            self.at += 1;
        }
    }

    fn keep(&mut self, parts: &[String], line: usize) {
        let mut rest = parts;
        let mut base = match rest.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.modules.clone(),
            _ => {
                self.found.push(Found { path: parts.join("::"), line });
                return;
            }
        };
        while let Some(first @ ("crate" | "self" | "super")) = rest.first().map(String::as_str) {
            if first == "super" {
                base.pop();
            }
            rest = &rest[1..];
        }
        base.extend(rest.iter().filter(|it| *it != "self").cloned());
        // `crate` alone is in `pub(crate)`.
        if !base.is_empty() {
            let path = format!("crate::{}", base.join("::"));
            self.found.push(Found { path, line });
        }
    }

    fn word_at(&self, ahead: usize) -> Option<String> {
        match self.tokens.get(self.at + ahead) {
            Some((Token::Word(word), _)) => Some(word.clone()),
            _ => None,
        }
    }

    fn is_sign_at(&self, ahead: usize, sign: char) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|it| it.0 == Token::Sign(sign))
    }
}

/// Words and signs with their lines; comments, texts, characters and lifetimes are left out.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut line, mut found) = (0, 1, Vec::new());
    while at < chars.len() {
        let rest = &chars[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|it| *it == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['r', '"' | '#', ..] | ['b' | 'c', 'r', '"' | '#', ..] => raw_text(rest),
            ['b' | 'c', '"', ..] => 1 + quoted(&rest[1..], '"'),
            ['"', ..] => quoted(rest, '"'),
            ['\'', '\\', ..] | ['\'', _, '\'', ..] => quoted(rest, '\''),
            ['\'', ..] => 1 + word(&rest[1..]),
            _ => 0,
        };
        if length > 0 {
            line += rest[..length].iter().filter(|it| **it == '\n').count();
            at += length;
            continue;
        }
        let length = word(rest);
        if length > 0 {
            found.push((Token::Word(rest[..length].iter().collect()), line));
            at += length;
        } else if let [':', ':', ..] = rest {
            found.push((Token::Colons, line));
            at += 2;
        } else {
            match rest[0] {
                '\n' => line += 1,
                sign if sign.is_whitespace() => {}
                sign => found.push((Token::Sign(sign), line)),
            }
            at += 1;
        }
    }
    found
}

fn word(chars: &[char]) -> usize {
    chars.iter().take_while(|it| it.is_alphanumeric() || **it == '_').count()
}

fn quoted(chars: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// `r"…"`, `br#"…"#`; 0 for `r#type`, which is a word.
fn raw_text(chars: &[char]) -> usize {
    let prefix = chars.iter().take_while(|it| it.is_alphabetic()).count();
    let hashes = chars[prefix..].iter().take_while(|it| **it == '#').count();
    let begin = prefix + hashes;
    if chars.get(begin) != Some(&'"') {
        return 0;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let inside = &chars[begin + 1..];
    let length = inside.windows(end.len()).position(|it| it == end).unwrap_or(inside.len());
    (begin + 1 + length + end.len()).min(chars.len())
}

/// Comments in comments count.
fn block_comment(chars: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}
