//! A text as words with what stands between them; `3rd` and `five` become numbers.

use super::vocabulary::{ABBREVIATIONS, has, value};

/// What stands before a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// White space, or a full stop after an abbreviation.
    Space,
    /// A comma, colon, dash or bracket.
    Pause,
    /// The end of a sentence, or the beginning of the text.
    Stop,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// In lower case, without `'s`; `B-12` is one word `b12`.
    pub text: String,
    pub gap: Gap,
    /// Begins with a capital.
    pub is_capital: bool,
    /// Has capitals only, such as `AED` or `B`.
    pub is_upper: bool,
}

impl Word {
    /// The word as it names something: `five` and `5th` are `5`.
    pub fn id(&self) -> String {
        let ordinal = ["st", "nd", "rd", "th"].iter().find_map(|it| self.text.strip_suffix(it));
        match (value(&self.text), ordinal) {
            (Some(value), _) => value.to_string(),
            (_, Some(digits)) if is_number(digits) => digits.to_owned(),
            _ => self.text.clone(),
        }
    }

    pub fn has_digit(&self) -> bool {
        self.text.contains(|it: char| it.is_numeric())
    }

    /// Like a name: a capital, then small letters.
    pub fn is_name_like(&self) -> bool {
        self.is_capital && !self.is_upper && !self.has_digit()
    }
}

pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(char::is_numeric)
}

/// Splits at everything that is neither letter nor digit.
pub fn split(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut gap = Gap::Stop;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !first.is_alphanumeric() {
            gap = gap.max(gap_of(first, words.last()));
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let len = word_len(rest);
        let raw: String = rest[..len].chars().filter(|it| *it != '-').collect();
        let raw = raw.trim_end_matches(['\'', '’']);
        let raw = raw.strip_suffix("'s").or(raw.strip_suffix("’s")).unwrap_or(raw);
        words.push(Word {
            text: raw.to_lowercase(),
            gap,
            is_capital: first.is_uppercase(),
            is_upper: first.is_uppercase() && !raw.contains(char::is_lowercase),
        });
        gap = Gap::Space;
        rest = &rest[len..];
    }
    words
}

fn gap_of(char: char, before: Option<&Word>) -> Gap {
    match char {
        '.' if before.is_some_and(|it| has(ABBREVIATIONS, &it.text)) => Gap::Space,
        '.' | '!' | '?' | '…' | '。' | '！' | '？' | '।' | '؟' | '\n' => Gap::Stop,
        '#' | '№' | '"' | '\'' | '“' | '”' | '’' | '‘' | '«' | '»' => Gap::Space,
        it if it.is_whitespace() => Gap::Space,
        // "north-east gate"
        '-' | '‑' => Gap::Space,
        _ => Gap::Pause,
    }
}

/// Letters, digits and apostrophes; a hyphen only inside a code such as `B-12` or `3-A`.
fn word_len(text: &str) -> usize {
    let mut len = 0;
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let joins = match char {
            '\'' | '’' => chars.peek().is_some_and(|it| it.is_alphanumeric()),
            '-' => {
                let (left, right) = (&text[..len], &text[len + 1..]);
                let right =
                    &right[..right.find(|it: char| !it.is_alphanumeric()).unwrap_or(right.len())];
                let letter =
                    |it: &str| it.chars().count() == 1 && it.chars().all(char::is_alphabetic);
                let digits = |it: &str| it.chars().any(char::is_numeric);
                (digits(left) && letter(right)) || (letter(left) && digits(right))
            }
            it => it.is_alphanumeric(),
        };
        if !joins {
            break;
        }
        len += char.len_utf8();
    }
    len
}
