//! Offline cards: what a caller in danger is told when nothing but this machine works.
//!
//! # Promises
//! - Every spoken text is checked and filled with the site's data when the file is read; to answer
//!   is to look one up, without allocation, clock, network or failure.
//! - A card never says a number that is not in the site's data.
//! - A card never ends: its last step repeats.
//! - With the built-in cards there is always an answer.
//!
//! # Not here
//! What the words mean: triage. Whether a card, the model or a supervisor answers: the desk.
//! The file format: `docs/cards.md`.

mod error;
mod fields;
mod file;
mod phrase;
mod pick;
mod site;
mod template;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use crate::domain::{CardStep, Topic, Urgency};

pub use error::CardsError;
pub use site::{AssemblyPoint, Extension, Site};

use phrase::Phrase;

/// Largest file of cards, in bytes. The built-in one has about 25 kB.
const MAX_FILE_BYTES: usize = 256 * 1024;

const BUILTIN: &str = include_str!("builtin.toml");

/// What triage made of a caller's words.
#[derive(Debug, Clone, Copy)]
pub struct Heard<'a> {
    pub speech: &'a str,
    pub urgency: Urgency,
    pub topic: Option<Topic>,
}

/// What the caller hears from a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    pub text: Arc<str>,
    /// Title of the card, shown as the source.
    pub title: Arc<str>,
    /// To be handed back with the caller's next words.
    pub at: CardStep,
    /// The card's urgency; it may be above what triage heard.
    pub urgency: Urgency,
    /// A life may be at risk: this text is to be said as it is, without asking a model.
    pub is_danger: bool,
}

/// All cards of a site. Immutable: a reload makes a new one.
#[derive(Debug)]
pub struct Cards {
    site: Site,
    /// In order of preference: the site's own before the built-in ones.
    cards: Vec<Card>,
    hints: Vec<Arc<str>>,
    /// The site's data as text.
    facts: Arc<str>,
}

/// One card, ready to speak.
#[derive(Debug)]
struct Card {
    id: Arc<str>,
    title: Arc<str>,
    urgency: Urgency,
    /// None, and no phrases either: the card for whatever has no card of its own.
    topics: Vec<Topic>,
    phrases: Vec<Phrase>,
    /// At least one.
    steps: Vec<Arc<str>>,
}

impl Cards {
    /// The built-in cards, for a site about which nothing is known.
    pub fn builtin() -> Self {
        Self::parse("").expect("the built-in cards are checked by a test")
    }

    /// Reads the site's data and cards. The built-in cards follow behind, unless the file says
    /// `builtin_cards = false`; a card of the file replaces the built-in one with its id.
    ///
    /// # Errors
    /// What is wrong, in which card and field, and what to do about it.
    pub fn parse(text: &str) -> Result<Self, CardsError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(CardsError::TooLarge);
        }
        file::parse(text, BUILTIN)
    }

    /// Reads a file, such as `AURORA_CARDS` names. Blocks; for the start and for a reload.
    ///
    /// # Errors
    /// As [`Cards::parse`], and [`CardsError::Read`] with the path.
    pub fn load(path: &Path) -> Result<Self, CardsError> {
        let read = || -> io::Result<String> {
            let mut text = String::new();
            let limit = MAX_FILE_BYTES as u64 + 1;
            fs::File::open(path)?.take(limit).read_to_string(&mut text)?;
            Ok(text)
        };
        let text = read().map_err(|source| CardsError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// The first step for a new topic, or the next step of the running card.
    ///
    /// `progress` is what [`Spoken::at`] was at the last card's turn of this call. `None` when no
    /// card fits, which does not happen with the built-in cards.
    pub fn answer(&self, heard: &Heard<'_>, progress: Option<&CardStep>) -> Option<Spoken> {
        let running = progress.and_then(|it| self.running(it));
        let (card, step) = match (running, self.pick(heard)) {
            (None, None) => return None,
            (None, Some(new)) => (new.card, 0),
            (Some((card, step)), new) => match new {
                Some(new) if new.replaces(card, heard) => (new.card, 0),
                _ => (card, (step + 1).min(card.steps.len() - 1)),
            },
        };
        Some(Spoken {
            text: Arc::clone(&card.steps[step]),
            title: Arc::clone(&card.title),
            at: CardStep {
                card: Arc::clone(&card.id),
                step: u16::try_from(step).unwrap_or(u16::MAX),
            },
            urgency: card.urgency,
            is_danger: card.urgency == Urgency::Critical,
        })
    }

    /// What is known about the site, for the model's prompt.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// [`Site::facts`], made once.
    pub fn facts(&self) -> Arc<str> {
        Arc::clone(&self.facts)
    }

    /// Words that the speech recognition should expect, the site's own first.
    pub fn hints(&self) -> &[Arc<str>] {
        &self.hints
    }

    fn running(&self, progress: &CardStep) -> Option<(&Card, usize)> {
        let card = self.cards.iter().find(|it| it.id == progress.card)?;
        let step = usize::from(progress.step);
        (step < card.steps.len()).then_some((card, step))
    }
}

#[cfg(test)]
mod tests;
