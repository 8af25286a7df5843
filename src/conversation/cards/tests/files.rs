//! A site's own file: what it changes, and how it is refused.

use std::io::Write;

use proptest::prelude::*;

use super::*;

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
    let line_six = |urgency| Heard { speech: "Line six!", urgency, topic: None };

    assert_eq!(&*say(&with_builtin, FIRE, None).title, "Tunnel fire card");
    assert_eq!(with_builtin.cards.len(), 16);
    assert_eq!(at(&say(&with_builtin, line_six(Urgency::Normal), None)), ("line-six", 0));
    assert_eq!(at(&say(&with_builtin, line_six(Urgency::Critical), None)), ("critical", 0));
    assert_eq!(alone.answer(&NEUTRAL, None), None);
    assert_eq!(&*with_builtin.hints()[0], "line six");
}

#[test]
fn the_example_triggers_by_its_phrases_and_gives_hints() {
    let cards = Cards::parse(EXAMPLE).expect("the example is valid");
    let speech = "I think the chiller is leaking";
    let (urgency, topic) = (Urgency::Normal, None);

    let answer = say(&cards, Heard { speech, urgency, topic }, None);

    assert_eq!((at(&answer), answer.is_danger), (("ammonia", 0), true));
    let hints: Vec<_> = cards.hints().iter().map(|it| &**it).collect();
    for hint in ["Hall 1", "the north gate", "control room", "ammonia", "gas leak"] {
        assert!(hints.contains(&hint), "{hint}");
    }
}

#[test]
fn a_file_is_loaded_or_named() {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(EXAMPLE.as_bytes()).expect("room on the disk");

    assert!(Cards::load(file.path()).is_ok());
    let err = Cards::load(Path::new("/nowhere/cards.toml")).expect_err("no such file");
    assert!(err.to_string().contains("/nowhere/cards.toml"), "{err}");
    file.write_all(&[b' '; MAX_FILE_BYTES]).expect("room on the disk");
    assert!(matches!(Cards::load(file.path()), Err(CardsError::TooLarge)));
}

#[test]
fn a_refused_file_names_the_place_the_field_and_the_repair() {
    let card = |lines: &str| format!("[[card]]\nid = \"a\"\n{lines}");
    let full = |lines: &str| card(&format!("title = \"A\"\nurgency = \"urgent\"\n{lines}"));
    for (file, parts) in [
        ("a = [\n1,,".to_owned(), &["line 2", "not TOML"][..]),
        ("cards = 1".into(), &["the file", "`cards`", "known here: site, builtin_cards, card"]),
        ("builtin_cards = 1".into(), &["the file", "`builtin_cards`", "true"]),
        ("builtin_cards = false".into(), &["`builtin_cards`", "nothing would be left"]),
        ("card = 1".into(), &["the file", "`card`", "list of tables"]),
        ("site = 1".into(), &["the file", "`site`", "[site]"]),
        ("[site]\nzone = []".into(), &["[site]", "`zone`", "zones"]),
        ("[site]\nzones = [1]".into(), &["[site]", "`zones`", "quotation marks"]),
        ("[site]\nname = \"{x}\"".into(), &["[site]", "`name`", "remove it"]),
        ("[site]\nemergency_number = \"help\"".into(), &["`emergency_number`", "digits"]),
        ("[site]\nextensions = [{ name = \"a\" }]".into(), &["extension 1", "`number`", "missing"]),
        ("[[card]]\ntitle = \"A\"".into(), &["card 1", "`id`", "missing"]),
        ("[[card]]\nid = \"A b\"".into(), &["card 1", "`id`", "small letters"]),
        (card("urgency = \"urgent\""), &["card `a`", "`title`", "missing"]),
        (card("title = \"A\"\nurgency = \"high\""), &["card `a`", "`urgency`", "critical, urgent"]),
        (full("topics = [\"flood\"]"), &["card `a`", "`topics`", "flood", "evacuation"]),
        (full("phrases = [\"!\"]"), &["card `a`", "`phrases`", "word"]),
        (full("say = \"Call 911\""), &["card `a`", "`say`", "911", "{emergency_number}"]),
        (full("say = \"Go to {assembly_point}\""), &["card `a`", "`say`", "[square brackets]"]),
        (full("say = \"Go to {nowhere}\""), &["card `a`", "`say`", "{assembly_point}"]),
        (full("say = \"[Ask {extension:x}.]\""), &["card `a`", "`say`", "says nothing"]),
        (full(""), &["card `a`", "`say`", "add words"]),
        (full("say = \"A.\"\nstep = []"), &["card `a`", "`step`", "steps"]),
        (full("say = \"A.\"\nsteps = [{ ask = 1 }]"), &["card `a`, step 2", "`ask`", "quotation"]),
        (full("say = \"A.\"\nsteps = [{ say = \"B\", as = \"\" }]"), &["step 2", "`as`", "ask"]),
        (full("say = \"A.\"\n").repeat(2), &["card `a`", "`id`", "another card"]),
    ] {
        let err = Cards::parse(&file).expect_err(&file).to_string();
        for part in parts {
            assert!(err.contains(part), "{part:?} is not in: {err}");
        }
    }
}

#[test]
fn endless_nesting_is_refused() {
    let n = 100_000;
    for (start, nested) in [("a=", "["), ("a=", "{a="), ("", "a."), ("[", "a.")] {
        let file = format!("{start}{}", nested.repeat(n / nested.len()));

        let err = Cards::parse(&file).expect_err("not TOML");

        assert!(err.to_string().starts_with("line 1"), "{err}");
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
}
