//! Persons: a name after a title ("Dr. Ito"), after a cue ("ask for Anna"), or of two words.

use super::{
    vocabulary::{CALLS, COMMON, CUES, PLACES, TITLES, has},
    words::{Gap, Word},
};

/// Words by which German is known: it writes every noun with a capital.
const GERMAN: &str = "sie und ist der die das nicht bitte ich";

/// Whether every person named is known from one of the texts.
pub fn allowed(words: &[Word], texts: &[Vec<Word>], language: Option<&str>) -> bool {
    let is_german = match language {
        Some(language) => language.to_lowercase().starts_with("de"),
        None => words.iter().filter(|it| has(GERMAN, &it.text)).count() >= 2,
    };
    (0..words.len()).all(|at| {
        let name = name(&words[at..], if is_german { 1 } else { 3 });
        if name.is_empty() || knows(texts, name) {
            return true;
        }
        let follows = name[0].gap == Gap::Space;
        let is_titled = follows && is_titled(&words[..at]);
        let is_cued = follows && is_cued(&words[..at]) && is_unusual(&name[0]);
        let is_pair = name.len() >= 2
            && !is_german
            && name[0].gap != Gap::Stop
            && name.iter().take(2).all(is_unusual);
        !(is_titled || is_cued || is_pair)
    })
}

/// The words at the start that look like one name; `SMITH` is one too, `AED` is none.
fn name(words: &[Word], most: usize) -> &[Word] {
    let follows = |(at, word): (usize, &Word)| {
        let is_shouted = word.is_upper && !word.has_digit() && word.text.chars().count() > 5;
        let is_name = word.is_name_like() || (at == 0 && is_shouted);
        let is_other = is_common(word) || has(TITLES, &word.text);
        is_name && !is_other && (at == 0 || word.gap == Gap::Space)
    };
    let words_in = words.iter().enumerate().take(most);
    &words[..words_in.take_while(|it| follows(*it)).count()]
}

fn is_titled(before: &[Word]) -> bool {
    before.last().is_some_and(|it| has(TITLES, &it.text))
}

fn is_cued(before: &[Word]) -> bool {
    CUES.iter().any(|cue| {
        let cue = cue.split(' ').rev();
        let mut last = before.iter().rev();
        cue.into_iter().all(|word| last.next().is_some_and(|it| it.text == word))
    })
}

fn is_common(word: &Word) -> bool {
    has(COMMON, &word.text)
}

/// Whether a capital is all that a word has in common with what is not a person.
fn is_unusual(word: &Word) -> bool {
    let text = word.text.as_str();
    !is_common(word) && !has(CALLS, text) && !PLACES.iter().any(|it| has(it, text))
}

fn knows(texts: &[Vec<Word>], name: &[Word]) -> bool {
    let same =
        |window: &[Word]| window.iter().map(|it| &it.text).eq(name.iter().map(|it| &it.text));
    texts.iter().any(|words| words.windows(name.len()).any(same))
}
