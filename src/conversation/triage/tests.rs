//! The promises of triage.

use proptest::prelude::*;

use super::*;

fn rate(speech: &str) -> Urgency {
    Triage::builtin().assess(speech).urgency
}

#[test]
fn a_negation_covers_only_its_own_clause() {
    assert_eq!(rate("there is no fire"), Urgency::Normal);
    assert_eq!(rate("no one is hurt there is no fire"), Urgency::Normal);
    assert_eq!(rate("there is no fire but a man is not breathing"), Urgency::Critical);
    assert_eq!(rate("no he is not breathing"), Urgency::Critical);
}

#[test]
fn a_supposition_covers_only_its_own_clause() {
    assert_eq!(rate("what should i do if there is a fire"), Urgency::Normal);
    assert_eq!(rate("what should i do there is a fire"), Urgency::Critical);
    let asked = "what do i do if he is not breathing he is turning blue";
    assert_eq!(rate(asked), Urgency::Critical);
}

#[test]
fn the_topic_is_the_most_deadly_one() {
    let topic = |speech| Triage::builtin().assess(speech).topic;

    assert_eq!(topic("there is a fire and he is not breathing"), Some(Topic::Unconscious));
    assert_eq!(topic("there's a fire and a man is trapped"), Some(Topic::Fire));
    assert_eq!(topic("i smell gas"), Some(Topic::Gas));
    assert_eq!(topic("help help"), None);
    assert_eq!(topic("good morning"), None);
}

#[test]
fn long_input_takes_time_in_proportion() {
    let words = "he is not there is fire no smoke he can not breathe my arm is stuck in it ";
    for filler in [words, "a", "'", "he she ", "if ", "no ", "there is ", "é", "🔥", "ааа "] {
        let speech: String = filler.chars().cycle().take(16 * 1024).collect();
        let start = std::time::Instant::now();
        rate(&speech);
        let took = start.elapsed();
        assert!(took.as_millis() < 500, "{filler:?} took {took:?}");
    }
}

proptest! {
    #[test]
    fn any_string_gets_an_answer(speech in ".{0,400}") {
        Triage::builtin().assess(&speech);
    }

    #[test]
    fn any_row_of_words_gets_an_answer(
        words in prop::collection::vec(0..WORDS.len(), 0..60),
    ) {
        Triage::builtin().explain(&sentence(&words));
    }

    #[test]
    fn a_separate_critical_sentence_never_lowers_the_urgency(
        words in prop::collection::vec(0..WORDS.len(), 0..20),
    ) {
        let speech = sentence(&words);
        let more = format!("{speech}. My colleague is not breathing.");
        prop_assert_eq!(rate(&more), Urgency::Critical, "{}", speech);
    }
}

const WORDS: [&str; 40] = [
    "if",
    "no",
    "not",
    "there",
    "is",
    "fire",
    "the",
    "he",
    "she",
    "breathing",
    "drill",
    "last",
    "year",
    "was",
    "out",
    "gas",
    "smell",
    "arm",
    "stuck",
    "in",
    "machine",
    "movie",
    "a",
    "dead",
    "battery",
    "help",
    "me",
    "with",
    "my",
    "password",
    "what",
    "how",
    "to",
    "and",
    "but",
    "we",
    ",",
    "?",
    "can't",
    "joke",
];

fn sentence(words: &[usize]) -> String {
    words.iter().map(|it| WORDS[*it]).collect::<Vec<_>>().join(" ")
}
