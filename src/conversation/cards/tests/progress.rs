//! How a call walks through the cards.

use proptest::prelude::*;

use super::*;

#[test]
fn a_card_goes_on_with_each_answer_and_its_last_step_repeats() {
    let cards = Cards::builtin();
    let mut last = say(&cards, FIRE, None);
    assert_eq!((at(&last), &*last.title), (("fire", 0), "Fire card"));

    for step in 1..=6 {
        last = say(&cards, if step % 2 == 0 { NEUTRAL } else { FIRE }, Some(&last));
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
        assert_eq!(at(&say(&cards, lesser, Some(&fire))), ("fire", 1), "{lesser:?}");
    }
}

#[test]
fn a_general_card_gives_way_when_the_subject_is_known() {
    let cards = Cards::builtin();

    let help = say(&cards, NEUTRAL, None);
    assert_eq!((at(&help), help.is_danger), (("help", 0), false));
    let urgent = say(&cards, heard(Urgency::Urgent, None), Some(&help));
    assert_eq!(at(&urgent), ("urgent", 0));
    let lift = say(&cards, heard(Urgency::Normal, Some(Topic::Equipment)), Some(&urgent));
    assert_eq!(at(&lift), ("equipment", 0));
    let danger = say(&cards, heard(Urgency::Critical, None), Some(&lift));
    assert_eq!((at(&danger), danger.is_danger), (("critical", 0), true));
    let ill = say(&cards, heard(Urgency::Urgent, Some(Topic::Medical)), Some(&danger));
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
        let progress = CardStep { card: card.into(), step };

        let answer = cards.answer(&FIRE, Some(&progress)).expect("always an answer");

        assert_eq!(at(&answer), ("fire", 0));
    }
}

proptest! {
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
