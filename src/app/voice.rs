//! What callers will hear, as it is configured: cards, the way they are spoken, the model.

use anyhow::Context as _;

use crate::config::{Config, ModelConfig};
use crate::conversation::cards::Cards;
use crate::conversation::model::{self, Model, ModelSettings};
use crate::telephony::Twiml;

pub fn load_cards(config: &Config) -> anyhow::Result<Cards> {
    match &config.cards {
        None => Ok(Cards::builtin()),
        Some(path) => Cards::load(path).context("AURORA_CARDS"),
    }
}

pub fn twiml(config: &Config, cards: &Cards) -> anyhow::Result<Twiml> {
    let mut twiml = Twiml::new(&config.language).context("AURORA_LANGUAGE")?;
    // Below a path of the public address, the provider would look for a relative action beside it.
    let public = config.public_url.as_ref();
    if let Some(url) = public.filter(|it| it[url::Position::BeforePath..] != *"/") {
        twiml = twiml.with_base(url.as_str()).context("AURORA_PUBLIC_URL")?;
    }
    Ok(twiml.with_hints(cards.hints()))
}

pub fn open_model(config: &ModelConfig) -> anyhow::Result<Model> {
    let key = config.api_key.as_ref().map(|it| model::Secret::new(it.expose()));
    let settings = ModelSettings::new(config.url.clone(), config.model.as_str())
        .with_deadline(config.deadline)
        .with_api_key(key);
    Model::new(settings).context("AURORA_LLM_URL")
}
