//! Whatever a server sends, it ends in words that may be spoken, or in an error.

use proptest::prelude::*;

use super::*;
use crate::domain::Urgency;

/// Texts that come near to what is looked for, with characters of every length.
fn near_miss() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        "[ a-zA-Z0-9.,:;'’\"\\\\(){}<>/|*_#@\\-]{0,12}",
        proptest::sample::select(vec![
            "<think>",
            "</think>",
            "<th",
            "{\"message\":\"",
            "\"urgency\":\"",
            "\"}",
            "\\ud83d",
            "zone ",
            "Building B-",
            "Dr. ",
            "ask for ",
            "twenty ",
            "double ",
            "é",
            "🙂",
            "٣",
            "3rd",
            "1. ",
            "- ",
            "](",
            "'s ",
            "’s",
            ". ",
            "\n",
            "\r\n",
            "data: ",
            "[DONE]",
            "www.",
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|it| it.concat())
}

fn ask(site: &str, speech: String) -> Ask {
    Ask {
        history: Vec::new(),
        speech,
        floor: Urgency::Urgent,
        site_prompt: site.into(),
        language: None,
    }
}

proptest! {
    #[test]
    fn an_answer_is_short_and_never_below_the_floor(
        message in near_miss(), site in near_miss(), speech in near_miss(), is_cut: bool,
    ) {
        let sources = vec![site.chars().take(5).collect()];
        let turn = Turn { urgency: Some(Urgency::Normal), message, sources, is_cut };

        if let Ok(answer) = spoken(turn, &ask(&site, speech)) {
            prop_assert!(answer.text.chars().count() <= MAX_SPOKEN_CHARS);
            prop_assert!(answer.text.contains(char::is_alphanumeric));
            prop_assert!(!answer.text.contains(char::is_control));
            prop_assert_eq!(answer.urgency, Urgency::Urgent);
        }
    }

    #[test]
    fn what_was_said_may_be_repeated(speech in near_miss()) {
        let known = {
            let mut known = Known::default();
            known.add_caller(&speech);
            known
        };

        let found = known.check(&speech, None);

        // Addresses are never spoken, whoever named them.
        prop_assert!(found.is_ok() || found == Err("it names a web or e-mail address"), "{:?}", found);
    }

    #[test]
    fn a_draft_survives_every_text_in_any_pieces(text in near_miss(), size in 1..9_usize) {
        let mut draft = draft::Draft::default();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(size) {
            let _ = draft.push(&piece.iter().collect::<String>());
            let _ = draft.so_far();
        }
        let _ = draft.finish();
    }

    #[test]
    fn a_wire_survives_every_byte(bytes: Vec<u8>, text in near_miss()) {
        let mut wire = wire::Wire::default();
        let mut items = Vec::new();
        for part in [text.as_bytes(), &bytes, text.as_bytes()] {
            let _ = wire.push(part, &mut items);
        }
        let _ = wire.finish(&mut items);
        for item in items {
            if let wire::Item::Object(value) = item {
                let _ = chunk::read(&value);
            }
        }
    }
}
