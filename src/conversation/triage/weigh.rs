//! Learns the weights of `evidence.rs` from the labelled sentences, by logistic regression.
//!
//! The test fails when the rules or the sentences have changed and the weights have not. Then
//! `TRIAGE_LEARN=1 cargo test --lib triage::weigh` writes `rules/evidence.weights` anew.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::evidence::{ANY_OTHER, EDGE, each_feature, sentences};
use super::lexicon::{MAX_WORD, UNKNOWN, WordId};
use super::{FILES, Triage, compiler, tokens};

type Feature = (WordId, WordId);

const LABELLED: &str = include_str!("../../../tests/fixtures/triage/labelled.tsv");
const N_ROUNDS: usize = 14;
const STEP: f64 = 0.4;
const STEP_DECAY: f64 = 0.88;
const SHRINKAGE: f64 = 2e-4;
/// Fewest sentences that a word or a pair must be in to have a weight.
const MIN_COUNT: usize = 2;
/// Weights of pairs that are smaller than this are left out.
const MIN_WEIGHT: f64 = 0.04;

struct Example {
    features: Vec<Feature>,
    /// 1 is danger, 0 is everyday; urgent is between, to be neither raised nor lowered.
    target: f64,
}

#[test]
fn the_weights_are_what_the_labelled_sentences_teach() {
    let learned = learn();
    if std::env::var_os("TRIAGE_LEARN").is_some() {
        let folder = Path::new(file!()).parent().expect("a file is in a folder");
        std::fs::write(folder.join("rules/evidence.weights"), &learned).expect("it can be written");
        return;
    }
    let (learned, stored) = (by_name(&learned), by_name(super::WEIGHTS));
    for name in learned.keys().chain(stored.keys()) {
        let weight = |of: &BTreeMap<String, i32>| of.get(name).copied().unwrap_or(0);
        let apart = (weight(&learned) - weight(&stored)).abs();
        // A pair that is just heavy enough on one machine may be left out on another.
        let may_be = if learned.contains_key(name) == stored.contains_key(name) { 1 } else { 5 };
        assert!(apart <= may_be, "`{name}` is {apart} hundredths off: learn again");
    }
}

fn by_name(weights: &str) -> BTreeMap<String, i32> {
    let lines = weights.lines().filter(|it| !it.starts_with('#'));
    let parts = lines.filter_map(|it| it.split_once(' '));
    parts
        .flat_map(|(weight, names)| {
            let weight = weight.parse().expect("a line begins with its weight");
            names.split(' ').map(move |it| (it.to_owned(), weight))
        })
        .collect()
}

/// The content of the file of weights.
fn learn() -> String {
    let mut rules = compiler::compile(&FILES).expect("the rules compile");
    let labelled: Vec<(&str, &str)> = LABELLED
        .lines()
        .filter(|it| !it.starts_with('#'))
        .filter_map(|it| Some((it.split('\t').next()?, it.rsplit('\t').next()?)))
        .collect();
    let mut names = vec![(rules.lexicon.intern(EDGE), EDGE.to_owned())];
    for word in labelled.iter().flat_map(|it| it.1.split(|c: char| !c.is_alphanumeric())) {
        let word = word.to_ascii_lowercase();
        let is_plain = word.len() < MAX_WORD && word.bytes().all(|it| it.is_ascii_lowercase());
        if is_plain && !word.is_empty() && rules.lexicon.look_up(word.as_bytes())[0] == UNKNOWN {
            rules.lexicon.intern(&word);
        }
    }
    names.extend(rules.lexicon.words());
    let edge = names[0].0;
    // Who it is about says nothing: "his wife" is neither danger nor everyday.
    let mut people = rules.class("PERSON");
    people.extend(rules.class("POSSESSIVE"));
    let is_mute = |it: &Feature| {
        let is_person = |word: &WordId| people.contains(word);
        is_person(&it.0) && (it.1 == UNKNOWN || it.1 == edge || is_person(&it.1))
            || it.0 == edge && is_person(&it.1)
    };
    let triage = Triage::new(rules);
    let examples: Vec<Example> = labelled
        .iter()
        .map(|(label, speech)| {
            let tokens = tokens::tokenise(speech, &triage.rules.lexicon, &triage.habits);
            let mut features = Vec::new();
            for sentence in sentences(&tokens) {
                each_feature(sentence, edge, |it| features.push(it));
            }
            features.sort_unstable();
            features.dedup();
            features.retain(|it| !is_mute(it));
            let target = match *label {
                "CRITICAL" => 1.0,
                "URGENT" => 0.5,
                _ => 0.0,
            };
            Example { features, target }
        })
        .collect();

    let mut weights = descend(&examples);
    weights.extend(people.iter().map(|it| ((*it, UNKNOWN), 0.0)));

    // Of several spellings of a word, the last in the alphabet.
    names.sort_unstable();
    let names: BTreeMap<WordId, String> = names.into_iter().collect();
    let mut lines: BTreeMap<i32, Vec<String>> = BTreeMap::new();
    for ((first, second), weight) in
        weights.into_iter().filter(|it| it.0.1 == UNKNOWN || it.1.abs() >= MIN_WEIGHT)
    {
        let name = match second {
            UNKNOWN if first == UNKNOWN => ANY_OTHER.to_owned(),
            UNKNOWN => names[&first].clone(),
            _ => format!("{}_{}", names[&first], names[&second]),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a few hundred at most")]
        lines.entry((weight * 100.0).round() as i32).or_default().push(name);
    }
    let mut file =
        String::from("# Learned by weigh.rs, not by hand: hundredths, words and pairs.\n");
    for (weight, mut names) in lines {
        names.sort_unstable();
        writeln!(file, "{weight} {}", names.join(" ")).expect("a string takes any text");
    }
    file
}

fn descend(examples: &[Example]) -> BTreeMap<Feature, f64> {
    let mut counts: BTreeMap<Feature, usize> = BTreeMap::new();
    for feature in examples.iter().flat_map(|it| &it.features) {
        *counts.entry(*feature).or_default() += 1;
    }
    // A rare word counts as any other, a rare pair not at all.
    let kept = |it: &Feature| match it {
        _ if counts[it] >= MIN_COUNT => Some(*it),
        (_, UNKNOWN) => Some((UNKNOWN, UNKNOWN)),
        _ => None,
    };
    let mut weights = BTreeMap::new();
    let mut order: Vec<usize> = (0..examples.len()).collect();
    let (mut seed, mut step) = (1_u64, STEP);
    for _ in 0..N_ROUNDS {
        for last in (1..order.len()).rev() {
            // Knuth's generator: the same order on every machine.
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            order.swap(last, (seed >> 33) as usize % (last + 1));
        }
        for example in order.iter().map(|it| &examples[*it]) {
            let norm = ((example.features.len() + 1) as f64).sqrt();
            let kept = || example.features.iter().filter_map(kept);
            let sum: f64 = kept().filter_map(|it| weights.get(&it)).sum();
            let chance = 1.0 / (1.0 + (-sum / norm).exp());
            let gradient = (example.target - chance) * step / norm;
            for feature in kept() {
                let weight = weights.entry(feature).or_insert(0.0);
                *weight = *weight * (1.0 - SHRINKAGE) + gradient;
            }
        }
        step *= STEP_DECAY;
    }
    weights
}
