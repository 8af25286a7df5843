//! Evidence: what single words and pairs of neighbours say about danger, where no rule was foreseen.
//!
//! Each has a weight, learned from the labelled sentences by logistic regression (`weigh.rs`).
//! Their sum is a second opinion: a clear one raises what the rules overlooked, and lowers what a
//! rule took for danger in words that are nothing but everyday talk.

use rustc_hash::FxHashMap;

use super::lexicon::{Lexicon, UNKNOWN, WordId};
use super::tokens::{SENTENCE, Token};

/// Above this, a sentence that the rules call urgent is taken for danger. The thresholds are from
/// trials in which one set of sentences was left out at a time.
const DANGER: f32 = 0.8;
/// Above this, so is one in which no rule found anything.
const CLEAR_DANGER: f32 = 1.0;
/// Below this, a rule that matched is taken for a misunderstanding.
const EVERYDAY: f32 = -1.1;
/// In a longer sentence the words around say too little about one clause.
const MAX_EVERYDAY: usize = 16;

/// Stands in a pair for the start or the end of a sentence. Its word can't be said.
pub(super) const EDGE: &str = "^";
/// Stands for all words that have no weight of their own.
pub(super) const ANY_OTHER: &str = "*";

/// The weights.
pub(super) struct Evidence {
    edge: WordId,
    /// By word; a word without a weight weighs as much as an unknown one.
    by_word: Vec<Option<f32>>,
    unknown: f32,
    by_pair: FxHashMap<(WordId, WordId), f32>,
}

/// The second opinion on an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opinion {
    ClearDanger,
    Danger,
    Unsure,
    Everyday,
}

impl Evidence {
    /// Reads the weights: lines of `hundredths word word_pair ...`. Makes their words known.
    pub(super) fn parse(file: &str, lexicon: &mut Lexicon) -> Self {
        let edge = lexicon.intern(EDGE);
        let (mut by_word, mut by_pair) = (Vec::new(), FxHashMap::default());
        for line in file.lines().filter(|it| !it.starts_with('#')) {
            let mut items = line.split(' ');
            let weight = items.next().and_then(|it| it.parse::<f32>().ok());
            let weight = weight.expect("a line of weights starts with a number") / 100.0;
            for item in items {
                if let Some((first, second)) = item.split_once('_') {
                    by_pair.insert((lexicon.intern(first), lexicon.intern(second)), weight);
                } else {
                    let is_unknown = item == ANY_OTHER;
                    let word = if is_unknown { UNKNOWN } else { lexicon.intern(item) };
                    let word = usize::from(word);
                    by_word.resize(by_word.len().max(word + 1), None);
                    by_word[word] = Some(weight);
                }
            }
        }
        let unknown = by_word.first().copied().flatten().unwrap_or_default();
        Self { edge, by_word, unknown, by_pair }
    }

    /// What the sentence that speaks most of danger amounts to.
    pub(super) fn opinion(&self, tokens: &[Token]) -> Opinion {
        let (mut score, mut known, mut is_short) = (f32::NEG_INFINITY, f32::NEG_INFINITY, true);
        for sentence in sentences(tokens) {
            let (of_known, of_unknown) = self.weigh(sentence);
            score = score.max(of_known + of_unknown);
            known = known.max(of_known);
            is_short &= sentence.len() <= MAX_EVERYDAY;
        }
        if score > CLEAR_DANGER {
            Opinion::ClearDanger
        } else if score > DANGER {
            Opinion::Danger
        } else if known < EVERYDAY && is_short {
            Opinion::Everyday
        } else {
            Opinion::Unsure
        }
    }

    /// Weight of the known words and pairs, and of the unknown words: these make danger less likely,
    /// but are no reason to doubt a rule, for they may be of another language.
    fn weigh(&self, sentence: &[Token]) -> (f32, f32) {
        let (mut known, mut unknown, mut n_features) = (0.0, 0.0, 1.0);
        each_feature(sentence, self.edge, |feature| {
            n_features += 1.0;
            match feature {
                (word, UNKNOWN) => match self.by_word.get(usize::from(word)) {
                    Some(Some(weight)) if word != UNKNOWN => known += weight,
                    _ => unknown += self.unknown,
                },
                pair => known += self.by_pair.get(&pair).unwrap_or(&0.0),
            }
        });
        let norm = f32::sqrt(n_features);
        (known / norm, unknown / norm)
    }
}

/// The sentences of an utterance.
pub(super) fn sentences(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    tokens.chunk_by(|_, next| next.marks & SENTENCE == 0)
}

/// Each word, as a pair with [`UNKNOWN`], and each pair of known neighbours.
pub(super) fn each_feature(
    sentence: &[Token],
    edge: WordId,
    mut take: impl FnMut((WordId, WordId)),
) {
    let mut before = edge;
    for token in sentence {
        take((token.word, UNKNOWN));
        if before != UNKNOWN && token.word != UNKNOWN {
            take((before, token.word));
        }
        before = token.word;
    }
    if before != UNKNOWN {
        take((before, edge));
    }
}
