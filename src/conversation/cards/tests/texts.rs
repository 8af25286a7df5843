//! The built-in cards sentence by sentence, with and without the site's data.

use super::*;

fn all_texts(cards: &Cards) -> Vec<&str> {
    let steps = cards.cards.iter().flat_map(|it| &it.steps);
    steps.map(|it| &**it).collect()
}

fn check_sentence(text: &str) {
    assert!(!text.contains(['[', ']', '{', '}']), "{text}");
    for wrong in ["  ", " .", " ,", " ?", "..", ",,", ",.", ":.", " :", "\n"] {
        assert!(!text.contains(wrong), "{wrong:?} in {text}");
    }
    let ends = text.ends_with(['.', '?', '!']);
    assert!(ends && text.starts_with(char::is_uppercase), "{text}");
    for word in ["from", "at", "services on", "line on", "to", "and"] {
        let dangling = [format!(" {word}."), format!(" {word},"), format!(" {word}:")];
        assert!(!dangling.iter().any(|it| text.contains(it)), "{text}");
    }
    assert!(text.chars().count() <= 450, "too long to be heard: {text}");
}

#[test]
fn without_site_data_every_sentence_is_right_and_has_no_number() {
    let cards = Cards::builtin();

    assert_eq!(cards.cards.len(), 15);
    for text in all_texts(&cards) {
        check_sentence(text);
        let digits = text.chars().filter(char::is_ascii_digit).count();
        assert_eq!(digits, 0, "{text}");
    }
}

#[test]
fn with_site_data_every_sentence_is_right_and_filled() {
    let cards = Cards::parse(EXAMPLE).expect("the example is valid");

    let texts = all_texts(&cards);
    texts.iter().for_each(|it| check_sentence(it));
    let fire = say(&cards, FIRE, None);
    let expected = "Leave the building now and go to the north gate if you are at the tank \
        farm, or car park B if you are anywhere else.";
    assert!(fire.text.starts_with(expected), "{}", fire.text);
    for part in ["on 112", "on 4444", "on 4400", "kit from the nurse's room", "at the reception"] {
        assert!(texts.iter().any(|it| it.contains(part)), "{part}");
    }
    assert_eq!(cards.site().numbers().collect::<Vec<_>>(), ["112", "4444", "4400"]);
    assert_eq!(cards.site().zones.len(), 4);
}

#[test]
fn each_part_of_the_site_may_be_missing() {
    let parts = [
        r#"emergency_number = "112""#,
        r#"extensions = [{ name = "Emergency", number = "4444" }]"#,
        r#"assembly_points = [{ zone = "Hall 1", place = "the gate." }]"#,
        r#"first_aid_room = "room 5""#,
        r#"defibrillator = "gate 1""#,
    ];
    for set in 0..1 << parts.len() {
        let given = (0..parts.len()).filter(|it| set & 1 << it != 0);
        let lines: Vec<_> = given.map(|it| parts[it]).collect();

        let cards = Cards::parse(&format!("[site]\n{}", lines.join("\n"))).expect("valid");

        all_texts(&cards).into_iter().for_each(check_sentence);
    }
}

#[test]
fn every_topic_has_a_card_that_asks_for_the_place_and_then_a_number() {
    let cards = Cards::builtin();
    for topic in TOPICS {
        let first = say(&cards, heard(Urgency::Urgent, Some(topic)), None);
        let second = say(&cards, NEUTRAL, Some(&first));

        let place = first.text.to_lowercase();
        assert!(place.contains("where"), "{topic:?}: {place}");
        let number = second.text.to_lowercase();
        assert!(number.contains("call you back"), "{topic:?}: {number}");
        assert_eq!(first.is_danger, topic != Topic::Equipment);
        assert_eq!(first.is_danger, first.urgency == Urgency::Critical);
    }
}
