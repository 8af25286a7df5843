//! The data folder at a start: made for its owner alone, with the token in it, and how the journal
//! in it is opened.

use std::fs;

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::followers::handed_out;
use crate::config::{Config, Secret};
use crate::files::replace;
use crate::journal;

/// The supervisors' token: configured, or made at the first start and kept for its owner alone.
pub fn admin_token(config: &Config) -> anyhow::Result<Secret> {
    if let Some(token) = &config.admin_token {
        return Ok(token.clone());
    }
    let path = config.data_dir.join("admin.token");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim().len() >= 16 => return Ok(Secret::new(text.trim())),
        Ok(_) => anyhow::bail!(
            "{} holds no token of at least 16 characters: remove the file to have one made",
            path.display()
        ),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => {}
        Err(err) => return Err(err).with_context(|| format!("cannot read {}", path.display())),
    }
    let mut bits = [0; 24];
    rand::fill(&mut bits);
    let token = URL_SAFE_NO_PAD.encode(bits);
    // Whole or not at all: half a token would stop the next start.
    replace(&path, format!("{token}\n").as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Secret::new(token))
}

pub fn journal_settings(config: &Config) -> journal::Settings {
    journal::Settings {
        data_dir: config.data_dir.clone(),
        // One that cannot be read is refused by its reader.
        handed_out: handed_out(config),
        node: config.node.as_str().into(),
        segment_bytes: config.segment_bytes,
        ..journal::Settings::default()
    }
}
