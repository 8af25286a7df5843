//! The built-in cards sentence by sentence, how a call walks through them, and refused files.

use std::io::Write;

use proptest::prelude::*;

use super::*;

const EXAMPLE: &str = include_str!("../../../cards.example.toml");

fn heard(urgency: Urgency, topic: Option<Topic>) -> Heard<'static> {
    let speech = "";
    Heard {
        speech,
        urgency,
        topic,
    }
}

fn say(cards: &Cards, heard: Heard<'_>, progress: Option<&Spoken>) -> Spoken {
    let answer = cards.answer(&heard, progress.map(|it| &it.at));
    answer.expect("the built-in cards always answer")
}

fn at(it: &Spoken) -> (&str, u16) {
    (&it.at.card, it.at.step)
}

const NEUTRAL: Heard<'static> = Heard {
    speech: "building four, second floor",
    urgency: Urgency::Normal,
    topic: None,
};
const FIRE: Heard<'static> = Heard {
    speech: "there is a fire",
    urgency: Urgency::Critical,
    topic: Some(Topic::Fire),
};

const TOPICS: [Topic; 12] = [
    Topic::Fire,
    Topic::Gas,
    Topic::Chemical,
    Topic::Injury,
    Topic::Unconscious,
    Topic::Medical,
    Topic::Electrical,
    Topic::Entrapment,
    Topic::Violence,
    Topic::SelfHarm,
    Topic::Evacuation,
    Topic::Equipment,
];

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
    for word in ["from", "at", "on", "to", "and"] {
        let dangling = [
            format!(" {word}."),
            format!(" {word},"),
            format!(" {word}:"),
        ];
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
    let expected = "Leave the building now and go to the north gate from the tank farm, or car \
        park B from anywhere else.";
    assert!(fire.text.starts_with(expected), "{}", fire.text);
    for part in [
        "on 112",
        "on 4444",
        "on 4400",
        "kit from the nurse's room",
        "at the reception",
    ] {
        assert!(texts.iter().any(|it| it.contains(part)), "{part}");
    }
    assert_eq!(
        cards.site().numbers().collect::<Vec<_>>(),
        ["112", "4444", "4400"]
    );
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

#[test]
fn a_card_goes_on_with_each_answer_and_its_last_step_repeats() {
    let cards = Cards::builtin();
    let mut last = say(&cards, FIRE, None);
    assert_eq!((at(&last), &*last.title), (("fire", 0), "Fire card"));

    for step in 1..=6 {
        last = say(
            &cards,
            if step % 2 == 0 { NEUTRAL } else { FIRE },
            Some(&last),
        );
        assert_eq!(at(&last), ("fire", step));
    }
    for _ in 0..3 {
        let again = say(&cards, NEUTRAL, Some(&last));
        assert_eq!(again, last);
        assert!(again.text.contains("on the line"));
    }
}

#[test]
fn another_danger_takes_over_and_a_lesser_matter_does_not() {
    let cards = Cards::builtin();
    let fire = say(&cards, FIRE, None);

    let bleeding = heard(Urgency::Critical, Some(Topic::Injury));
    assert_eq!(at(&say(&cards, bleeding, Some(&fire))), ("injury", 0));
    for lesser in [
        heard(Urgency::Urgent, Some(Topic::Equipment)),
        heard(Urgency::Critical, Some(Topic::Equipment)),
        heard(Urgency::Critical, None),
        heard(Urgency::Urgent, None),
        heard(Urgency::Normal, Some(Topic::Gas)),
    ] {
        assert_eq!(
            at(&say(&cards, lesser, Some(&fire))),
            ("fire", 1),
            "{lesser:?}"
        );
    }
}

#[test]
fn a_general_card_gives_way_when_the_subject_is_known() {
    let cards = Cards::builtin();

    let help = say(&cards, NEUTRAL, None);
    assert_eq!((at(&help), help.is_danger), (("help", 0), false));
    let urgent = say(&cards, heard(Urgency::Urgent, None), Some(&help));
    assert_eq!(at(&urgent), ("urgent", 0));
    let lift = say(
        &cards,
        heard(Urgency::Normal, Some(Topic::Equipment)),
        Some(&urgent),
    );
    assert_eq!(at(&lift), ("equipment", 0));
    let danger = say(&cards, heard(Urgency::Critical, None), Some(&lift));
    assert_eq!((at(&danger), danger.is_danger), (("critical", 0), true));
    let ill = say(
        &cards,
        heard(Urgency::Urgent, Some(Topic::Medical)),
        Some(&danger),
    );
    assert_eq!(at(&ill), ("medical", 0));
}

#[test]
fn a_question_about_a_danger_is_not_a_danger() {
    let cards = Cards::builtin();

    let drill = say(&cards, heard(Urgency::Normal, Some(Topic::Fire)), None);

    assert_eq!((at(&drill), drill.is_danger), (("help", 0), false));
}

#[test]
fn progress_in_a_card_that_a_reload_removed_starts_anew() {
    let cards = Cards::builtin();
    for (card, step) in [("gone", 2), ("fire", 99), ("fire", u16::MAX)] {
        let progress = CardStep {
            card: card.into(),
            step,
        };

        let answer = cards
            .answer(&FIRE, Some(&progress))
            .expect("always an answer");

        assert_eq!(at(&answer), ("fire", 0));
    }
}

#[test]
fn a_sites_own_cards_come_first_and_replace_by_id() {
    let own = r#"
        [[card]]
        id = "fire"
        title = "Tunnel fire card"
        urgency = "critical"
        topics = ["fire"]
        say = "Walk to the cross passage."

        [[card]]
        id = "line-six"
        title = "Line six card"
        urgency = "urgent"
        phrases = ["line six"]
        say = "Stop the belt."
    "#;
    let with_builtin = Cards::parse(own).expect("valid");
    let alone = Cards::parse(&format!("builtin_cards = false\n{own}")).expect("valid");
    let line_six = |urgency| Heard {
        speech: "Line six!",
        urgency,
        topic: None,
    };

    assert_eq!(&*say(&with_builtin, FIRE, None).title, "Tunnel fire card");
    assert_eq!(with_builtin.cards.len(), 16);
    assert_eq!(
        at(&say(&with_builtin, line_six(Urgency::Normal), None)),
        ("line-six", 0)
    );
    assert_eq!(
        at(&say(&with_builtin, line_six(Urgency::Critical), None)),
        ("critical", 0)
    );
    assert_eq!(alone.answer(&NEUTRAL, None), None);
    assert_eq!(&*with_builtin.hints()[0], "line six");
}

#[test]
fn the_example_triggers_by_its_phrases_and_gives_hints() {
    let cards = Cards::parse(EXAMPLE).expect("the example is valid");
    let speech = "I think the chiller is leaking";
    let (urgency, topic) = (Urgency::Normal, None);

    let answer = say(
        &cards,
        Heard {
            speech,
            urgency,
            topic,
        },
        None,
    );

    assert_eq!((at(&answer), answer.is_danger), (("ammonia", 0), true));
    let hints: Vec<_> = cards.hints().iter().map(|it| &**it).collect();
    for hint in [
        "Hall 1",
        "the north gate",
        "control room",
        "ammonia",
        "gas leak",
    ] {
        assert!(hints.contains(&hint), "{hint}");
    }
}

#[test]
fn a_file_is_loaded_or_named() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(EXAMPLE.as_bytes())
        .expect("room on the disk");

    assert!(Cards::load(file.path()).is_ok());
    let err = Cards::load(Path::new("/nowhere/cards.toml")).expect_err("no such file");
    assert!(err.to_string().contains("/nowhere/cards.toml"), "{err}");
    file.write_all(&[b' '; MAX_FILE_BYTES])
        .expect("room on the disk");
    assert!(matches!(
        Cards::load(file.path()),
        Err(CardsError::TooLarge)
    ));
}

#[test]
fn a_refused_file_names_the_place_the_field_and_the_repair() {
    let card = |lines: &str| format!("[[card]]\nid = \"a\"\n{lines}");
    let full = |lines: &str| card(&format!("title = \"A\"\nurgency = \"urgent\"\n{lines}"));
    for (file, parts) in [
        ("a = [\n1,,".to_owned(), &["line 2", "not TOML"][..]),
        (
            "cards = 1".into(),
            &[
                "the file",
                "`cards`",
                "known here: site, builtin_cards, card",
            ],
        ),
        (
            "builtin_cards = 1".into(),
            &["the file", "`builtin_cards`", "true"],
        ),
        (
            "builtin_cards = false".into(),
            &["`builtin_cards`", "nothing would be left"],
        ),
        ("card = 1".into(), &["the file", "`card`", "list of tables"]),
        ("site = 1".into(), &["the file", "`site`", "[site]"]),
        ("[site]\nzone = []".into(), &["[site]", "`zone`", "zones"]),
        (
            "[site]\nzones = [1]".into(),
            &["[site]", "`zones`", "quotation marks"],
        ),
        (
            "[site]\nname = \"{x}\"".into(),
            &["[site]", "`name`", "remove it"],
        ),
        (
            "[site]\nemergency_number = \"help\"".into(),
            &["`emergency_number`", "digits"],
        ),
        (
            "[site]\nextensions = [{ name = \"a\" }]".into(),
            &["extension 1", "`number`", "missing"],
        ),
        (
            "[[card]]\ntitle = \"A\"".into(),
            &["card 1", "`id`", "missing"],
        ),
        (
            "[[card]]\nid = \"A b\"".into(),
            &["card 1", "`id`", "small letters"],
        ),
        (
            card("urgency = \"urgent\""),
            &["card `a`", "`title`", "missing"],
        ),
        (
            card("title = \"A\"\nurgency = \"high\""),
            &["card `a`", "`urgency`", "critical, urgent"],
        ),
        (
            full("topics = [\"flood\"]"),
            &["card `a`", "`topics`", "flood", "evacuation"],
        ),
        (
            full("phrases = [\"!\"]"),
            &["card `a`", "`phrases`", "word"],
        ),
        (
            full("say = \"Call 911\""),
            &["card `a`", "`say`", "911", "{emergency_number}"],
        ),
        (
            full("say = \"Go to {assembly_point}\""),
            &["card `a`", "`say`", "[square brackets]"],
        ),
        (
            full("say = \"Go to {nowhere}\""),
            &["card `a`", "`say`", "{assembly_point}"],
        ),
        (
            full("say = \"[Ask {extension:x}.]\""),
            &["card `a`", "`say`", "says nothing"],
        ),
        (full(""), &["card `a`", "`say`", "add words"]),
        (
            full("say = \"A.\"\nstep = []"),
            &["card `a`", "`step`", "steps"],
        ),
        (
            full("say = \"A.\"\nsteps = [{ ask = 1 }]"),
            &["card `a`, step 2", "`ask`", "quotation"],
        ),
        (
            full("say = \"A.\"\nsteps = [{ say = \"B\", as = \"\" }]"),
            &["step 2", "`as`", "ask"],
        ),
        (
            full("say = \"A.\"\n").repeat(2),
            &["card `a`", "`id`", "another card"],
        ),
    ] {
        let err = Cards::parse(&file).expect_err(&file).to_string();
        for part in parts {
            assert!(err.contains(part), "{part:?} is not in: {err}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "(?s).{0,400}") {
        let _ = Cards::parse(&text);
    }

    #[test]
    fn a_damaged_example_is_read_or_refused_by_place(cut in 0..EXAMPLE.len(), put in "[\\PC\n]{0,8}") {
        let at = EXAMPLE.floor_char_boundary(cut);
        let after = EXAMPLE.floor_char_boundary((at + put.len()).min(EXAMPLE.len()));
        let damaged = format!("{}{put}{}", &EXAMPLE[..at], &EXAMPLE[after..]);

        if let Err(err) = Cards::parse(&damaged) {
            let err = err.to_string();
            let places = ["line ", "card ", "[site]", "the file"];
            prop_assert!(places.iter().any(|it| err.starts_with(it)), "{}", err);
        }
    }

    #[test]
    fn there_is_always_an_answer(
        speech in ".{0,80}",
        urgency in prop::sample::select(vec![Urgency::Normal, Urgency::Urgent, Urgency::Critical]),
        topic in prop::option::of(prop::sample::select(TOPICS.to_vec())),
        card in prop::sample::select(vec!["fire", "help", "urgent", "equipment", "gone"]),
        step in 0u16..20,
    ) {
        let cards = Cards::builtin();
        let heard = Heard { speech: &speech, urgency, topic };
        let progress = CardStep { card: card.into(), step };

        for progress in [None, Some(&progress)] {
            let answer = cards.answer(&heard, progress).expect("always an answer");
            if urgency == Urgency::Critical {
                prop_assert!(answer.is_danger);
            }
        }
    }
}
