//! Numbers, however they are written: `555-0100`, `5 5 5. 0 1 0 0`, "five five five", `٥٥٥`.

use std::collections::HashSet;

use super::vocabulary::{has, value};

/// Fewer digits are a count or a time that anybody may say.
const MIN_DIGITS: usize = 3;
/// Words between digits that don't make two numbers of one.
const JOINING: &str = "and then dash hyphen dot point space plus und y et e";

/// The numbers that may be spoken.
#[derive(Debug, Default)]
pub struct Numbers(HashSet<String>);

/// Digits with nothing but signs between them.
#[derive(Debug, Default)]
struct Run {
    /// What is one number if a person wrote it: `555-0100`, but not `55, 50`.
    pieces: Vec<String>,
}

impl Numbers {
    pub fn add(&mut self, text: &str) {
        for run in runs(text) {
            self.0.insert(run.pieces.concat());
            self.0.extend(run.pieces);
        }
    }

    /// Whether every number in `text` may be spoken.
    pub fn allow(&self, text: &str) -> bool {
        runs(text).iter().all(|run| {
            let whole = run.pieces.concat();
            if whole.len() < MIN_DIGITS || self.knows(&whole) {
                return true;
            }
            // "Call 112. 2 people …" is two numbers, "5, 5, 5, 0" is a trick.
            let unknown = run.pieces.iter().filter(|it| !self.knows(it));
            unknown.map(|it| it.len()).sum::<usize>() < MIN_DIGITS
        })
    }

    /// A known number may be spoken without its country code.
    fn knows(&self, number: &str) -> bool {
        self.0.contains(number)
            || (number.len() >= 7 && self.0.iter().any(|it| it.ends_with(number)))
    }
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut run = Run::default();
    let mut gap = String::new();
    // "twenty four" is 24, "double five" is 55.
    let mut tens = false;
    let mut times = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let kind = kind(first);
        let len = rest.find(|it| self::kind(it) != kind).unwrap_or(rest.len());
        let (lexeme, tail) = rest.split_at(len);
        rest = tail;
        let mut digits = String::new();
        match kind {
            Kind::Sign => {
                gap.push_str(lexeme);
                continue;
            }
            Kind::Digit => digits = lexeme.chars().filter_map(digit).collect(),
            Kind::Letter => {
                let word = lexeme.to_lowercase();
                match word.as_str() {
                    "double" => times = 2,
                    "triple" => times = 3,
                    "hundred" => digits = "00".to_owned(),
                    "thousand" => digits = "000".to_owned(),
                    "oh" => digits = "0".to_owned(),
                    word if has(JOINING, word) => gap.push_str(", "),
                    word => digits = value(word).map(|it| it.to_string()).unwrap_or_default(),
                }
                if digits.is_empty() {
                    if times == 1 && !has(JOINING, &word) {
                        runs.extend(end(&mut run));
                        gap.clear();
                        tens = false;
                    }
                    continue;
                }
            }
        }
        if tens
            && kind == Kind::Letter
            && digits.len() == 1
            && gap.trim().len() <= 1
            && let Some(last) = run.pieces.last_mut()
        {
            last.pop();
        }
        tens = kind == Kind::Letter && digits.len() == 2 && digits.ends_with('0') && digits != "00";
        let digits = digits.repeat(std::mem::replace(&mut times, 1));
        match run.pieces.last_mut() {
            Some(last) if is_inside(&gap) => last.push_str(&digits),
            _ => run.pieces.push(digits),
        }
        gap.clear();
    }
    runs.extend(end(&mut run));
    runs
}

fn end(run: &mut Run) -> Option<Run> {
    Some(std::mem::take(run)).filter(|it| !it.pieces.is_empty())
}

/// Whether signs like these stand inside one number.
fn is_inside(gap: &str) -> bool {
    gap.chars().count() <= 2
        && !gap.starts_with(". ")
        && gap.chars().all(|it| !matches!(it, ',' | ';' | ':' | '!' | '?' | '\n'))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Digit,
    Letter,
    Sign,
}

fn kind(char: char) -> Kind {
    match char {
        it if digit(it).is_some() => Kind::Digit,
        it if it.is_alphabetic() => Kind::Letter,
        _ => Kind::Sign,
    }
}

/// The decimal digit of any common script, as ASCII.
fn digit(char: char) -> Option<char> {
    const ZEROS: [u32; 12] =
        [0x30, 0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xBE6, 0xC66, 0xE50, 0xFF10, 0x1D7CE];
    let code = u32::from(char);
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code));
    match zero {
        Some(zero) => char::from_digit(code - zero, 10),
        // Circled, superscript and the like: read aloud as a number all the same.
        None if char.is_numeric() => Some('0'),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<String> {
        runs(text).iter().map(|it| it.pieces.join("|")).collect()
    }

    #[test]
    fn a_number_is_the_same_in_every_spelling() {
        for (text, found) in [
            ("+1 (555) 010-0199 now", "15550100199"),
            ("five five five oh one", "55501"),
            ("nine-one-one", "911"),
            ("nine eleven", "911"),
            ("double five triple one", "55111"),
            ("٥٥٥ ٠١", "55501"),
            ("twenty-four hours", "24"),
            ("one hundred", "100"),
            ("112. 2 people", "112|2"),
            ("5, 5, and 5", "5|5|5"),
        ] {
            assert_eq!(numbers(text), [found], "{text}");
        }
        assert_eq!(numbers("2 people, 3 doors"), ["2", "3"]);
        assert_eq!(numbers("no digits"), Vec::<String>::new());
    }
}
