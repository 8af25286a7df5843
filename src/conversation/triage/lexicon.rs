//! The words that the rules know, each with a small number, and the classes they belong to.
//!
//! A word that no rule mentions is [`UNKNOWN`]. An alias stands for up to three words ("cant" is
//! "can not"). A rule file is small, so everything is a table that is built once.

use rustc_hash::FxHashMap;

/// Number of a known word.
pub(super) type WordId = u16;

/// Any word that no rule mentions.
pub(super) const UNKNOWN: WordId = 0;
/// Any number that no rule mentions, `:num` in a rule.
pub(super) const NUMBER: WordId = 1;
/// A number that reads like a calendar year, `:year` in a rule.
pub(super) const YEAR: WordId = 2;

/// Most words that an alias stands for.
pub(super) const MAX_ALIAS: usize = 3;

/// Longest known word, and the size of the buffer in which a spoken word is folded.
pub(super) const MAX_WORD: usize = 24;

/// Shortest word in which a slip of the pen is forgiven.
const MIN_TYPO: usize = 6;

/// Words by spelling (folded: lower-case ASCII, no apostrophe).
#[derive(Default)]
pub(super) struct Lexicon {
    ids: FxHashMap<Box<[u8]>, [WordId; MAX_ALIAS]>,
    /// Spellings with one letter left out, of the words in which a typo is forgiven.
    typos: FxHashMap<Box<[u8]>, WordId>,
    n_words: usize,
}

impl Lexicon {
    pub(super) fn new() -> Self {
        let mut lexicon = Self::default();
        // Spoken text never contains a space or a colon inside a word, so these can't be said.
        for name in [" ", ":num", ":year"] {
            lexicon.intern(name);
        }
        lexicon
    }

    /// Number of known words, the reserved ones included.
    pub(super) fn len(&self) -> usize {
        self.n_words
    }

    /// Whether `word` stands for several others, so that it is no word of its own.
    pub(super) fn is_phrase(&self, word: &str) -> bool {
        self.ids.get(word.as_bytes()).is_some_and(|ids| ids[1] != UNKNOWN)
    }

    /// All words with a number of their own.
    #[cfg(test)]
    pub(super) fn words(&self) -> impl Iterator<Item = (WordId, String)> {
        let own = self.ids.iter().filter(|it| it.1[1] == UNKNOWN);
        own.map(|(word, ids)| (ids[0], String::from_utf8_lossy(word).into_owned()))
    }

    /// Returns the number of `word`, which it makes known if needed.
    pub(super) fn intern(&mut self, word: &str) -> WordId {
        if let Some(ids) = self.ids.get(word.as_bytes()) {
            return ids[0];
        }
        let id = WordId::try_from(self.n_words).expect("a rule file has fewer than 65536 words");
        self.n_words += 1;
        self.ids.insert(word.as_bytes().into(), [id, 0, 0]);
        id
    }

    /// Lets `word` stand for other words.
    pub(super) fn alias(&mut self, word: &str, stands_for: &[&str]) {
        let mut ids = [0; MAX_ALIAS];
        for (slot, it) in ids.iter_mut().zip(stands_for) {
            *slot = self.intern(it);
        }
        self.ids.insert(word.as_bytes().into(), ids);
    }

    /// Forgives one wrong, missing, extra or swapped letter in `word`, the first one excepted.
    pub(super) fn forgive(&mut self, word: &str) {
        let id = self.intern(word);
        let bytes = word.as_bytes();
        for skip in 1..bytes.len() {
            self.typos.entry(without(bytes, skip).into()).or_insert(id);
        }
        self.typos.insert(bytes.into(), id);
    }

    /// Words that a folded spelling stands for; unused places are [`UNKNOWN`].
    pub(super) fn look_up(&self, folded: &[u8]) -> [WordId; MAX_ALIAS] {
        if let Some(ids) = self.ids.get(folded) {
            return *ids;
        }
        if folded.first().is_some_and(u8::is_ascii_digit) {
            return [number(folded), 0, 0];
        }
        [self.misspelt(folded).unwrap_or(UNKNOWN), 0, 0]
    }

    fn misspelt(&self, folded: &[u8]) -> Option<WordId> {
        if folded.len() < MIN_TYPO || folded.len() >= MAX_WORD {
            return None;
        }
        if let Some(id) = self.typos.get(folded) {
            return Some(*id);
        }
        let mut buffer = [0; MAX_WORD];
        let short = folded.len() - 1;
        buffer[..short].copy_from_slice(&folded[..short]);
        // Going down, the letter left out moves by one step at a time.
        for skip in (1..folded.len()).rev() {
            if skip < short {
                buffer[skip] = folded[skip + 1];
            }
            if let Some(id) = self.typos.get(&buffer[..short]) {
                return Some(*id);
            }
        }
        None
    }
}

fn without(word: &[u8], skip: usize) -> Vec<u8> {
    [&word[..skip], &word[skip + 1..]].concat()
}

fn number(folded: &[u8]) -> WordId {
    let is_year = folded.len() == 4 && (folded.starts_with(b"19") || folded.starts_with(b"20"));
    if is_year && folded.iter().all(u8::is_ascii_digit) { YEAR } else { NUMBER }
}

/// Spellings of an inflected word: `collapse~` is collapse, collapses, collapsed, collapsing;
/// `trap~~` doubles its last letter; any other word is only itself.
pub(super) fn inflections(word: &str) -> Vec<String> {
    if let Some(stem) = word.strip_suffix("~~") {
        let last = stem.chars().last().unwrap_or_default();
        return vec![
            stem.to_owned(),
            format!("{stem}s"),
            format!("{stem}{last}ed"),
            format!("{stem}{last}ing"),
        ];
    }
    let Some(stem) = word.strip_suffix('~') else {
        return vec![word.to_owned()];
    };
    let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|it| stem.ends_with(it));
    if let Some(root) = stem.strip_suffix('e') {
        vec![stem.into(), format!("{stem}s"), format!("{stem}d"), format!("{root}ing")]
    } else if let Some(root) = stem.strip_suffix('y').filter(|it| !it.ends_with(['a', 'e', 'o'])) {
        vec![stem.into(), format!("{root}ies"), format!("{root}ied"), format!("{stem}ing")]
    } else {
        let s = if hissing { "es" } else { "s" };
        vec![stem.into(), format!("{stem}{s}"), format!("{stem}ed"), format!("{stem}ing")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_inflected() {
        assert_eq!(inflections("choke~"), ["choke", "chokes", "choked", "choking"]);
        assert_eq!(inflections("trap~~"), ["trap", "traps", "trapped", "trapping"]);
        assert_eq!(inflections("crush~"), ["crush", "crushes", "crushed", "crushing"]);
        assert_eq!(inflections("bury~"), ["bury", "buries", "buried", "burying"]);
        assert_eq!(inflections("gas"), ["gas"]);
    }

    #[test]
    fn one_wrong_letter_is_forgiven_but_not_the_first() {
        let mut lexicon = Lexicon::new();
        lexicon.forgive("breathing");
        let id = lexicon.intern("breathing");

        for said in ["breathing", "breatheing", "brething", "braething", "breathinh"] {
            assert_eq!(lexicon.look_up(said.as_bytes())[0], id, "{said}");
        }
        for said in ["wreathing", "reading", "bring"] {
            assert_eq!(lexicon.look_up(said.as_bytes())[0], UNKNOWN, "{said}");
        }
    }
}
