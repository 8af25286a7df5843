//! The documents byte by byte, and that any text survives the way to the voice.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::*;

fn twiml() -> Twiml {
    Twiml::new("en-US").expect("a full language tag")
}

/// All text inside `<Say>`, as a provider's XML reader sees it, and the names of all elements.
fn read(xml: &str) -> (String, Vec<String>) {
    let mut reader = Reader::from_str(xml);
    let (mut spoken, mut names, mut in_say) = (String::new(), Vec::new(), false);
    loop {
        match reader.read_event().expect("the document is well-formed") {
            Event::Start(it) | Event::Empty(it) => {
                let name = String::from_utf8_lossy(it.name().as_ref().as_ref()).into_owned();
                in_say = name == "Say";
                names.push(name);
            }
            Event::End(_) => in_say = false,
            Event::Text(it) if in_say => spoken.push_str(&it),
            Event::GeneralRef(it) if in_say => {
                let text = resolve_predefined_entity(&it).expect("only predefined entities");
                spoken.push_str(text);
            }
            Event::Eof => return (spoken, names),
            _ => {}
        }
    }
}

fn is_forbidden(it: char) -> bool {
    (it.is_control() && !matches!(it, '\t' | '\n' | '\r')) || matches!(it, '\u{FFFE}' | '\u{FFFF}')
}

#[test]
fn an_answer_is_spoken_and_listens_again() {
    let xml = twiml().with_hints(["Hall 2", "valve, main"]).answer("Where are you?");

    let expected = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Response><Gather input="speech dtmf" "#,
        r#"action="/process-speech" method="POST" actionOnEmptyResult="true" "#,
        r#"speechTimeout="auto" timeout="5" language="en-US" hints="Hall 2,valve main">"#,
        r#"<Say language="en-US">Where are you?</Say></Gather>"#,
        r#"<Redirect method="POST">/process-speech</Redirect></Response>"#,
    );
    assert_eq!(xml, expected);
}

#[test]
fn a_hang_up_says_goodbye_and_ends() {
    let xml = twiml().with_voice("Polly.Joanna").hang_up("Goodbye.");

    let expected = concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?><Response>"#,
        r#"<Say voice="Polly.Joanna" language="en-US">Goodbye.</Say><Hangup/></Response>"#,
    );
    assert_eq!(xml, expected);
}

#[test]
fn while_a_supervisor_holds_the_call_the_line_stays_open() {
    let silent = twiml().hold(None);
    let spoken = twiml().hold(Some("Help is near."));

    assert_eq!(read(&silent).1, ["Response", "Gather", "Redirect"]);
    assert!(silent.contains(r#"timeout="3""#));
    assert_eq!(read(&spoken), ("Help is near.".into(), names(&["Gather", "Say", "Redirect"])));
}

#[test]
fn a_failure_keeps_the_caller_on_the_line() {
    for xml in [twiml().apology().as_str(), LAST_RESORT] {
        assert!(xml.starts_with(DECLARATION));
        assert_eq!(read(xml).1, names(&["Gather", "Say", "Redirect"]));
        assert!(!read(xml).0.is_empty());
    }
}

#[test]
fn an_absolute_base_is_used_in_both_places() {
    let twiml = twiml().with_base("https://voice.example.com/a&b/").expect("absolute");

    let xml = twiml.answer("Hello.");

    let url = "https://voice.example.com/a&amp;b/process-speech";
    assert!(xml.contains(&format!(r#"action="{url}""#)));
    assert!(xml.contains(&format!(r#"<Redirect method="POST">{url}</Redirect>"#)));
}

#[test]
fn wrong_settings_are_named() {
    for language in ["", "en", "en-", "e-US", "en_US", "en-US\"", "en-U S", "english"] {
        let err = Twiml::new(language).expect_err(language);
        assert!(err.to_string().contains("en-US"), "{err}");
    }
    for base in ["", "voice.example.com", "ftp://a/", "https://a/?b=c", "https://a/#b"] {
        assert!(twiml().with_base(base).is_err(), "{base}");
    }
    assert!(Twiml::new("zh-Hans-CN").is_ok());
}

#[test]
fn numbers_are_spaced_out_and_nothing_is_said_of_nothing() {
    assert_eq!(read(&twiml().answer("Call +15550100.")).0, "Call + 1 5 5 5 0 1 0 0.");
    for text in ["", "  ", "...", "\u{1}"] {
        assert!(!twiml().answer(text).contains("<Say"), "{text:?}");
    }
}

#[test]
fn markup_in_the_text_stays_text() {
    let text = r#"</Say><Hangup/> & "quoted" <break time='9s'/> ]]> &amp;"#;

    let (spoken, elements) = read(&twiml().answer(text));

    assert_eq!(spoken, text);
    assert_eq!(elements, names(&["Gather", "Say", "Redirect"]));
}

#[test]
fn the_longest_answer_with_the_longest_hints_stays_below_64_kb() {
    let hints: Vec<String> = (0..600).map(|it| format!("{it}{}", "&".repeat(90))).collect();
    let twiml = twiml().with_hints(&hints);

    for text in ["Stay calm. ".repeat(90_000), "a\"&".repeat(90_000), "é".repeat(90_000)] {
        let xml = twiml.answer(&text);
        assert!(xml.len() <= 64_000, "{}", xml.len());
        assert!(!read(&xml).0.is_empty());
    }
}

#[test]
fn hints_are_bounded_in_number_and_length() {
    let hints: Vec<String> = (0..600).map(|it| format!("w{it}")).collect();
    let long = "x".repeat(101);

    let xml = twiml().with_hints(hints.iter().chain([&long])).answer("Hello.");

    assert!(xml.contains("w499\"") && !xml.contains("w500"));
    assert!(!twiml().with_hints([long]).answer("Hello.").contains("hints"));
}

fn names(inside: &[&str]) -> Vec<String> {
    let all = ["Response"].iter().chain(inside);
    all.map(|it| (*it).to_owned()).collect()
}

proptest! {
    #[test]
    fn any_text_reads_back_the_same(text in r"(?s).{0,300}|([a-z<&. 0-9\x00-\x1f]{0,900}){0,5}") {
        let twiml = twiml().with_hints([text.as_str()]).with_voice(&text);

        for xml in [twiml.answer(&text), twiml.hold(Some(&text)), twiml.hang_up(&text)] {
            prop_assert!(xml.starts_with(DECLARATION));
            prop_assert!(!xml.contains(is_forbidden));
            let expected = speakable(&text);
            let expected = if has_words(&expected) { expected } else { String::new() };
            prop_assert_eq!(read(&xml).0, expected);
        }
    }
}
