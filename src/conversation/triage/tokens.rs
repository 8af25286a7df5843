//! Cuts speech into known words: lower-case, without accents, contractions taken apart.
//!
//! One pass over the characters, one allocation for the whole utterance. Articles and fillers
//! ("the", "um", "really") leave no token, so that a rule need not allow for them.

use super::lexicon::{Lexicon, MAX_ALIAS, MAX_WORD, UNKNOWN, WordId};

/// A sentence ended before this token.
pub(super) const SENTENCE: u8 = 1;
/// A comma or a dash stood before this token.
pub(super) const COMMA: u8 = 2;
/// An article stood before this token.
pub(super) const ARTICLE: u8 = 4;
/// A question mark stood after this token.
pub(super) const ASKED: u8 = 8;

/// One word of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) word: WordId,
    pub(super) marks: u8,
}

/// What the tokeniser does with some words.
pub(super) struct Habits {
    pub(super) articles: Vec<WordId>,
    pub(super) fillers: Vec<WordId>,
    /// Words whose repetition means something: "help help".
    pub(super) cries: Vec<WordId>,
    pub(super) is: WordId,
    pub(super) are: WordId,
    pub(super) am: WordId,
    pub(super) will: WordId,
    pub(super) have: WordId,
    pub(super) would: WordId,
    pub(super) not: WordId,
}

/// Cuts `speech` into tokens.
pub(super) fn tokenise(speech: &str, lexicon: &Lexicon, habits: &Habits) -> Vec<Token> {
    let mut cutter = Cutter {
        lexicon,
        habits,
        tokens: Vec::with_capacity(speech.len() / 4 + 8),
        marks: SENTENCE,
        word: [0; MAX_WORD],
        len: 0,
        apostrophe: None,
        run: 0,
    };
    for c in speech.chars() {
        cutter.take(c);
    }
    cutter.end_word();
    cutter.tokens
}

struct Cutter<'a> {
    lexicon: &'a Lexicon,
    habits: &'a Habits,
    tokens: Vec<Token>,
    /// Marks for the next token.
    marks: u8,
    word: [u8; MAX_WORD],
    /// Letters of the word so far; beyond `MAX_WORD` it is too long to be known.
    len: usize,
    /// Where in the word the last apostrophe stood.
    apostrophe: Option<usize>,
    /// How often the last letter was repeated.
    run: u8,
}

impl Cutter<'_> {
    fn take(&mut self, c: char) {
        match c {
            'a'..='z' | '0'..='9' => self.letter(c as u8),
            'A'..='Z' => self.letter(c.to_ascii_lowercase() as u8),
            '\'' | '’' | '‘' | '`' | '´' => {
                if self.len > 0 {
                    self.apostrophe = Some(self.len);
                }
            }
            '.' | '!' | '?' | ';' | ':' | '\n' | '…' | '¿' | '¡' => {
                // "a.m.", "no.3" and "3.5" are cut too; no rule minds.
                self.end_word();
                if c == '?'
                    && let Some(last) = self.tokens.last_mut()
                {
                    last.marks |= ASKED;
                }
                self.marks |= SENTENCE;
            }
            ',' | '—' | '–' | '(' | ')' | '"' | '“' | '”' => {
                self.end_word();
                self.marks |= COMMA;
            }
            _ if c.is_ascii() => self.end_word(),
            _ => self.foreign(c),
        }
    }

    fn foreign(&mut self, c: char) {
        let folded: &[u8] = match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'À' | 'Á' | 'Â' | 'Ä' | 'Å' => {
                b"a"
            }
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'È' | 'É' | 'Ê' | 'Ë' => b"e",
            'ì' | 'í' | 'î' | 'ï' | 'ī' | 'Í' | 'Î' | 'Ï' => b"i",
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ō' | 'ø' | 'Ó' | 'Ô' | 'Ö' | 'Ø' => b"o",
            'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'Ù' | 'Ú' | 'Û' | 'Ü' => b"u",
            'ç' | 'Ç' => b"c",
            'ñ' | 'Ñ' => b"n",
            'ß' => b"ss",
            'œ' | 'Œ' => b"oe",
            'æ' | 'Æ' => b"ae",
            _ if c.is_alphanumeric() => b"?",
            // Accents that were typed as characters of their own.
            '\u{300}'..='\u{36f}' => return,
            _ => return self.end_word(),
        };
        for &letter in folded {
            self.letter(letter);
        }
    }

    fn letter(&mut self, letter: u8) {
        let is_repeated = self.len > 0 && self.len <= MAX_WORD && self.word[self.len - 1] == letter;
        self.run = if is_repeated { self.run.saturating_add(1) } else { 0 };
        if self.run >= 2 && letter.is_ascii_alphabetic() {
            // "heeelp" is "help": three of a kind is a cry, not a spelling.
            if self.run == 2 {
                self.len -= 1;
            }
            return;
        }
        if self.len < MAX_WORD {
            self.word[self.len] = letter;
        }
        self.len += 1;
    }

    fn end_word(&mut self) {
        let (len, apostrophe) = (self.len, self.apostrophe.take());
        self.len = 0;
        self.run = 0;
        if len == 0 {
            return;
        }
        if len > MAX_WORD {
            return self.push(UNKNOWN);
        }
        let word = self.word;
        match apostrophe {
            Some(at) if at < len => self.contraction(&word[..at], &word[at..len]),
            _ => self.plain(&word[..len]),
        }
    }

    fn contraction(&mut self, before: &[u8], after: &[u8]) {
        let habits = self.habits;
        let tail = match after {
            b"s" => habits.is,
            b"re" => habits.are,
            b"m" => habits.am,
            b"ll" => habits.will,
            b"ve" => habits.have,
            b"d" => habits.would,
            b"t" if before.ends_with(b"n") => {
                match before {
                    b"can" => self.plain(b"can"),
                    b"won" => self.push(habits.will),
                    b"ain" => self.push(habits.is),
                    _ => self.plain(&before[..before.len() - 1]),
                }
                return self.push(habits.not);
            }
            // French: "l'eau", "n'est", "qu'il".
            _ if before.len() == 1 || before == b"qu" => {
                self.plain(if before == b"n" { b"ne" } else { before });
                return self.plain(after);
            }
            _ => {
                self.plain(before);
                return self.plain(after);
            }
        };
        self.plain(before);
        self.push(tail);
    }

    fn plain(&mut self, folded: &[u8]) {
        if folded.is_empty() {
            return;
        }
        let ids: [WordId; MAX_ALIAS] = self.lexicon.look_up(folded);
        self.push(ids[0]);
        for &id in ids[1..].iter().take_while(|id| **id != UNKNOWN) {
            self.push(id);
        }
    }

    fn push(&mut self, word: WordId) {
        let habits = self.habits;
        if habits.articles.contains(&word) {
            self.marks |= ARTICLE;
            return;
        }
        if habits.fillers.binary_search(&word).is_ok() {
            return;
        }
        let is_echo = word != UNKNOWN
            && self.marks & (SENTENCE | COMMA) == 0
            && self.tokens.last().is_some_and(|it| it.word == word)
            && !habits.cries.contains(&word);
        if is_echo {
            return;
        }
        self.tokens.push(Token { word, marks: std::mem::take(&mut self.marks) });
    }
}
