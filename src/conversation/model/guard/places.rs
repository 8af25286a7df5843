//! Designations: a kind of place and what it is called, such as "zone 4" or "the east gate".

use std::collections::HashSet;

use super::{
    vocabulary::{CALLS, COMMON, FORMULAS, NUMBER_SIGNS, PLACES, UNITS, has, ordinal, value},
    words::{Gap, Word, is_number},
};

/// Most words of a reply such as "seven" or "it's B", which say what was asked for.
const SHORT_REPLY: usize = 4;

/// The designations that may be spoken.
#[derive(Debug, Default)]
pub struct Places {
    /// Kind, then its name: "gate 3", "floor 3" for "3rd floor".
    after: HashSet<(usize, String)>,
    /// Name, then its kind: "east gate".
    before: HashSet<(usize, String)>,
    /// What the caller said alone, in answer to a question.
    bare: HashSet<String>,
}

impl Places {
    /// Takes every word beside a kind of place as its name.
    pub fn add(&mut self, words: &[Word]) {
        for (at, kind) in kinds(words) {
            if let Some((word, id)) = before(words, at) {
                match numbered(word) {
                    Some(number) => self.after.insert((kind, number)),
                    None => self.before.insert((kind, id)),
                };
            }
            let names = names(words, at, |_| true);
            self.after.extend(names.into_iter().map(|id| (kind, id)));
        }
    }

    /// Takes a few words without a kind of place: the kind was in the question.
    pub fn add_short_reply(&mut self, words: &[Word]) {
        if words.len() <= SHORT_REPLY && kinds(words).is_empty() {
            self.bare.extend(words.iter().map(Word::id));
        }
    }

    /// Whether every designation among the words may be spoken.
    pub fn allow(&self, words: &[Word]) -> bool {
        kinds(words).into_iter().all(|(at, kind)| {
            let knows = |set: &HashSet<(usize, String)>, id: &String| {
                set.contains(&(kind, id.clone())) || self.bare.contains(id)
            };
            let first = before(words, at).is_none_or(|(word, id)| match numbered(word) {
                Some(number) => knows(&self.after, &number),
                None => !calls_before(words, at) || knows(&self.before, &id),
            });
            first && names(words, at, calls_after).iter().all(|id| knows(&self.after, id))
        })
    }
}

/// Whether every code such as `B2` or `3A` among the words was said in one of the texts.
pub fn codes_known(words: &[Word], texts: &[Vec<Word>]) -> bool {
    let codes = words.iter().filter(|word| {
        let letters = word.text.chars().filter(|it| it.is_alphabetic()).count();
        let is_code = word.has_digit() && letters > 0 && letters < 3;
        let units = "m km cm mm kg g l ml am pm h s v kv";
        let number = word.text.trim_end_matches(char::is_alphabetic);
        let unit = &word.text[number.len()..];
        let is_amount = is_number(number) && has(units, unit) && !word.is_upper;
        is_code
            && !is_amount
            && is_number(&word.id()) == is_number(&word.text)
            && !has(FORMULAS, &word.text)
    });
    codes.into_iter().all(|code| texts.iter().flatten().any(|it| it.text == code.text))
}

/// Where kinds of places are named, and which.
fn kinds(words: &[Word]) -> Vec<(usize, usize)> {
    let kind = |word: &Word| PLACES.iter().position(|it| has(it, &word.text));
    let all = words.iter().enumerate();
    all.filter_map(|(at, word)| Some((at, kind(word)?))).collect()
}

/// The word right before, if nothing separates it.
fn before(words: &[Word], at: usize) -> Option<(&Word, String)> {
    let word = words.get(at.checked_sub(1)?)?;
    (words[at].gap == Gap::Space).then(|| (word, word.id()))
}

/// "3rd", "third"
fn numbered(word: &Word) -> Option<String> {
    let id = word.id();
    match ordinal(&word.text) {
        Some(number) => Some(number.to_string()),
        None if is_number(&id) && !is_number(&word.text) && value(&word.text).is_none() => Some(id),
        None => None,
    }
}

/// Whether the word before a kind is a name. A capital at the beginning of a sentence says nothing,
/// unless the kind has one too ("East Gate is open").
fn calls_before(words: &[Word], at: usize) -> bool {
    let word = &words[at - 1];
    let text = word.text.as_str();
    if has(CALLS, text) {
        return true;
    }
    let means_it = word.gap == Gap::Space || words[at].is_capital;
    word.is_capital && means_it && !has(COMMON, text) && value(text).is_none()
}

/// Whether a word after a kind is its name. "Zone: 4" and "zone (4)" sound like "zone 4", but after
/// a pause a word is not, and neither is the one of "one moment".
fn calls_after(word: &Word) -> bool {
    let text = word.text.as_str();
    let is_name = has(CALLS, text) || (word.is_capital && !has(COMMON, text));
    match word.gap {
        Gap::Space => is_listed(word) || is_name,
        Gap::Pause => is_listed(word) && text != "one",
        Gap::Stop => false,
    }
}

/// The names that follow a kind: "gates 3, 4 and B".
fn names(words: &[Word], at: usize, calls: fn(&Word) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = words.get(at + 1..).unwrap_or_default();
    if let [sign, tail @ ..] = rest
        && has(NUMBER_SIGNS, &sign.text)
        && sign.gap == Gap::Space
    {
        rest = tail;
    }
    let [first, tail @ ..] = rest else {
        return names;
    };
    let is_amount = tail.first().is_some_and(|it| has(UNITS, &it.text));
    let one_by_one = tail.first().is_some_and(|it| value(&first.text).is_some() && it.text == "by");
    if first.gap == Gap::Stop || !calls(first) || is_amount || one_by_one {
        return names;
    }
    names.push(first.id());
    rest = tail;
    loop {
        let joined = match rest {
            [and, next, ..] if is_and(and) && next.gap == Gap::Space => Some((next, 2)),
            [next, ..] if next.gap == Gap::Pause => Some((next, 1)),
            _ => None,
        };
        match joined.filter(|(next, _)| is_listed(next)) {
            Some((next, n_words)) => {
                names.push(next.id());
                rest = &rest[n_words..];
            }
            None => return names,
        }
    }
}

fn is_and(word: &Word) -> bool {
    has("and or to through und oder bis y o et ou e", &word.text)
}

/// What goes on with a list: a number, a code or a letter.
fn is_listed(word: &Word) -> bool {
    let is_letter = word.text.chars().count() == 1 && word.is_upper && word.text != "i";
    word.has_digit() || value(&word.text).is_some() || is_letter
}
