//! What all tests of the cards share: who says what, and the example file.

mod files;
mod progress;
mod texts;

use super::*;

const EXAMPLE: &str = include_str!("../../../../cards.example.toml");

fn heard(urgency: Urgency, topic: Option<Topic>) -> Heard<'static> {
    let speech = "";
    Heard { speech, urgency, topic }
}

fn say(cards: &Cards, heard: Heard<'_>, progress: Option<&Spoken>) -> Spoken {
    let answer = cards.answer(&heard, progress.map(|it| &it.at));
    answer.expect("the built-in cards always answer")
}

fn at(it: &Spoken) -> (&str, u16) {
    (&it.at.card, it.at.step)
}

const NEUTRAL: Heard<'static> =
    Heard { speech: "building four, second floor", urgency: Urgency::Normal, topic: None };
const FIRE: Heard<'static> =
    Heard { speech: "there is a fire", urgency: Urgency::Critical, topic: Some(Topic::Fire) };

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
