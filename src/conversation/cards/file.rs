//! From a file's text to cards that are ready to speak.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as WordError;
use toml::Table;

use crate::conversation::cards::fields::Fields;
use crate::conversation::cards::phrase::Phrase;
use crate::conversation::cards::{Card, Cards, CardsError, Site, template};
use crate::domain::{Topic, Urgency};

const MAX_CARDS: usize = 200;
/// A step is said in one breath: 600 characters take about 40 seconds.
const MAX_STEP_CHARS: usize = 600;
const MAX_STEPS: usize = 30;
/// All phrases are looked for in every utterance, so their number bounds the time of a turn.
const MAX_PHRASES: usize = 500;
const MAX_PHRASE_CHARS: usize = 80;
/// As many as a phone provider takes.
const MAX_HINTS: usize = 500;

/// Words of an emergency that speech recognition over a bad line takes for others.
const HINTS: [&str; 24] = [
    "fire",
    "smoke",
    "explosion",
    "gas leak",
    "smell of gas",
    "chemical spill",
    "bleeding",
    "burned",
    "unconscious",
    "not breathing",
    "choking",
    "heart attack",
    "stroke",
    "seizure",
    "allergic reaction",
    "electric shock",
    "live wire",
    "trapped",
    "fallen",
    "weapon",
    "intruder",
    "evacuate",
    "assembly point",
    "ambulance",
];

/// Reads the site's file; `builtin` follows behind it, filled with the same site's data.
pub(super) fn parse(text: &str, builtin: &str) -> Result<Cards, CardsError> {
    let file = table(text)?;
    let mut top = Fields::new("the file", &file);
    let site = match top.table("site")? {
        Some(it) => Site::parse(Fields::new("[site]", it))?,
        None => Site::default(),
    };
    let with_builtin = top.bool("builtin_cards")?.unwrap_or(true);
    let own = top.tables("card", MAX_CARDS)?;
    if own.is_empty() && !with_builtin {
        let problem = "is false and the file has no [[card]]; nothing would be left to say";
        return Err(top.error("builtin_cards", problem));
    }
    top.finish()?;

    let mut cards = read_cards(&own, &site)?;
    if with_builtin {
        let builtin = table(builtin)?;
        let tables = Fields::new("the built-in file", &builtin).tables("card", MAX_CARDS)?;
        let replaced: HashSet<_> = cards.iter().map(|it| Arc::clone(&it.id)).collect();
        let builtin = read_cards(&tables, &site)?;
        cards.extend(builtin.into_iter().filter(|it| !replaced.contains(&it.id)));
    }
    let hints = hints(&site, &own);
    let titles: Vec<&str> = cards.iter().map(|it| &*it.title).collect();
    let facts = format!("{}Cards: {}.\n", site.facts(), titles.join(", ")).into();
    Ok(Cards { site, cards, hints, facts })
}

fn table(text: &str) -> Result<Table, CardsError> {
    text.parse().map_err(|err: toml::de::Error| {
        let at = err.span().map_or(0, |it| it.start).min(text.len());
        CardsError::Syntax {
            line: text.as_bytes()[..at].iter().filter(|it| **it == b'\n').count() + 1,
            problem: err.message().replace('\n', ", "),
        }
    })
}

fn read_cards(tables: &[&Table], site: &Site) -> Result<Vec<Card>, CardsError> {
    let mut ids = HashSet::new();
    let mut cards = Vec::with_capacity(tables.len());
    let mut n_phrases = 0;
    for (i, table) in tables.iter().enumerate() {
        let mut fields = Fields::new(format!("card {}", i + 1), table);
        let card = read_card(&mut fields, site)?;
        n_phrases += card.phrases.len();
        if n_phrases > MAX_PHRASES {
            let problem = format!("are more than {MAX_PHRASES} in the whole file; remove some");
            return Err(fields.error("phrases", problem));
        }
        if !ids.insert(Arc::clone(&card.id)) {
            let problem = "is the id of another card too; give each its own";
            return Err(fields.error("id", problem));
        }
        fields.finish()?;
        cards.push(card);
    }
    Ok(cards)
}

fn read_card(fields: &mut Fields<'_>, site: &Site) -> Result<Card, CardsError> {
    let id = fields.required_text("id", 40)?;
    let is_plain = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-".contains(&it);
    if !id.bytes().all(is_plain) {
        let problem = format!("is `{id}`; use small letters, digits, _ and -");
        return Err(fields.error("id", problem));
    }
    fields.rename(format!("card `{id}`"));
    let title = fields.required_text("title", 60)?;
    let urgency = fields.required_text("urgency", 20)?;
    let urgency = Urgency::parse(urgency).ok_or_else(|| {
        let problem = format!("is `{urgency}`; write critical, urgent or normal");
        fields.error("urgency", problem)
    })?;
    let topics = fields.texts("topics", 20, 40)?;
    let topics = topics.into_iter().map(|it| topic(fields, it));
    let topics = topics.collect::<Result<_, _>>()?;
    let mut phrases = Vec::new();
    for text in fields.texts("phrases", MAX_PHRASES, MAX_PHRASE_CHARS)? {
        let phrase = Phrase::parse(text);
        phrases.push(phrase.ok_or_else(|| fields.error("phrases", "has an entry without a word"))?);
    }

    let mut steps = vec![read_step(fields, site)?];
    let place = fields.place().to_owned();
    for (i, table) in fields.tables("steps", MAX_STEPS)?.into_iter().enumerate() {
        // The card's own say and ask are the first step.
        let mut fields = Fields::new(format!("{place}, step {}", i + 2), table);
        steps.push(read_step(&mut fields, site)?);
        fields.finish()?;
    }
    Ok(Card { id: id.into(), title: title.into(), urgency, topics, phrases, steps })
}

fn read_step(fields: &mut Fields<'_>, site: &Site) -> Result<Arc<str>, CardsError> {
    let mut spoken = String::new();
    for key in ["say", "ask"] {
        let Some(text) = fields.text(key, MAX_STEP_CHARS)? else {
            continue;
        };
        let text = template::fill(text, |name| site.slot(name));
        let text = text.map_err(|problem| fields.error(key, problem))?;
        if !spoken.is_empty() && !text.is_empty() {
            spoken.push(' ');
        }
        spoken.push_str(&text);
    }
    if !spoken.chars().any(char::is_alphanumeric) {
        let problem = "says nothing, at least without more data in [site]; add words";
        return Err(fields.error("say", problem));
    }
    Ok(spoken.into())
}

fn topic(fields: &Fields<'_>, word: &str) -> Result<Topic, CardsError> {
    Topic::deserialize(IntoDeserializer::<WordError>::into_deserializer(word))
        .map_err(|err| fields.error("topics", format!("has an {err}")))
}

/// The site's names, the phrases of its cards, then the words of any emergency; each once.
fn hints(site: &Site, own: &[&Table]) -> Vec<Arc<str>> {
    let phrases = own
        .iter()
        .filter_map(|it| it.get("phrases")?.as_array())
        .flatten()
        .filter_map(|it| it.as_str());
    let mut seen = HashSet::new();
    site.names()
        .chain(phrases)
        .chain(HINTS)
        .filter(|it| seen.insert(it.to_lowercase()))
        .take(MAX_HINTS)
        .map(Arc::from)
        .collect()
}
