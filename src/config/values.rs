//! One setting's text to its value, or what would be right.

use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::{ConfigError, FirebasePrices, ModelConfig, Retention, Secret};

pub fn wrong(name: &'static str, why: impl Into<String>) -> ConfigError {
    ConfigError { name, why: why.into() }
}

pub fn parse<T: FromStr>(
    value: Option<String>,
    name: &'static str,
    expected: &str,
) -> Result<Option<T>, ConfigError> {
    value.map(|it| it.parse().map_err(|_| wrong(name, format!("must be {expected}")))).transpose()
}

pub fn number(
    value: Option<String>,
    name: &'static str,
    least: u32,
    most: u32,
) -> Result<Option<u32>, ConfigError> {
    let expected = format!("a whole number from {least} to {most}");
    let number = parse(value, name, &expected)?;
    match number {
        Some(n) if n < least || n > most => Err(wrong(name, format!("must be {expected}"))),
        other => Ok(other),
    }
}

pub fn mebibytes(
    value: Option<String>,
    name: &'static str,
    default: u32,
) -> Result<u64, ConfigError> {
    Ok(u64::from(number(value, name, 1, 1_024)?.unwrap_or(default)) * 1024 * 1024)
}

pub fn flag(value: Option<String>, name: &'static str) -> Result<bool, ConfigError> {
    match value.as_deref() {
        None | Some("0" | "false" | "no" | "off") => Ok(false),
        Some("1" | "true" | "yes" | "on") => Ok(true),
        Some(_) => Err(wrong(name, "must be 1 or 0")),
    }
}

pub fn list(value: Option<String>) -> impl Iterator<Item = String> {
    let parts: Vec<String> = value
        .iter()
        .flat_map(|it| it.split(','))
        .map(|it| it.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect();
    parts.into_iter()
}

pub fn web_address(value: Option<String>, name: &'static str) -> Result<Option<Url>, ConfigError> {
    let expected = "an address such as https://example.com";
    let url: Option<Url> = parse(value, name, expected)?;
    match url {
        Some(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
            Err(wrong(name, format!("must be {expected}")))
        }
        other => Ok(other),
    }
}

pub fn redis(value: Option<String>) -> Result<Option<Url>, ConfigError> {
    let expected = "an address such as redis://127.0.0.1:6379";
    let url: Option<Url> = parse(value, "REDIS_URL", expected)?;
    match url {
        Some(url) if url.scheme() != "redis" || url.host().is_none() => {
            Err(wrong("REDIS_URL", format!("must be {expected}")))
        }
        other => Ok(other),
    }
}

pub fn retention(value: Option<String>) -> Result<Retention, ConfigError> {
    let name = "AURORA_RETENTION_DAYS";
    let expected = "must be classes and days from 1 to 36500, such as normal=90,urgent=365";
    let mut retention = Retention::default();
    for part in list(value) {
        let (class, days) = part.split_once('=').ok_or_else(|| wrong(name, expected))?;
        let days: u32 = days.trim().parse().map_err(|_| wrong(name, expected))?;
        let own = match class.trim() {
            "normal" => &mut retention.normal,
            "urgent" => &mut retention.urgent,
            "critical" => &mut retention.critical,
            _ => return Err(wrong(name, expected)),
        };
        if !(1..=36_500).contains(&days) || own.replace(days).is_some() {
            return Err(wrong(name, expected));
        }
    }
    Ok(retention)
}

pub fn prices(value: Option<String>) -> Result<FirebasePrices, ConfigError> {
    let name = "AURORA_FIREBASE_PRICES";
    let expected = "must be USD for a GB, such as stored=5,downloaded=1";
    let mut prices = FirebasePrices { stored: 5.0, downloaded: 1.0 };
    for part in list(value) {
        let (what, usd) = part.split_once('=').ok_or_else(|| wrong(name, expected))?;
        let usd: f64 = usd.trim().parse().map_err(|_| wrong(name, expected))?;
        if !(0.0..=1e6).contains(&usd) {
            return Err(wrong(name, expected));
        }
        match what.trim() {
            "stored" => prices.stored = usd,
            "downloaded" => prices.downloaded = usd,
            _ => return Err(wrong(name, expected)),
        }
    }
    Ok(prices)
}

pub fn node(value: Option<String>) -> Result<String, ConfigError> {
    let node = value.unwrap_or_else(|| "local".to_owned());
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if node.len() <= 64 && node.bytes().all(is_plain) {
        Ok(node)
    } else {
        Err(wrong("AURORA_NODE", "must be up to 64 letters, digits, - and _"))
    }
}

pub fn user(value: Option<String>) -> Result<Option<String>, ConfigError> {
    match value {
        Some(user) if user.len() > 200 || user.chars().any(char::is_control) => {
            Err(wrong("AURORA_USER", "must be one line of at most 200 bytes"))
        }
        other => Ok(other),
    }
}

pub fn admin_token(value: Option<String>) -> Result<Option<Secret>, ConfigError> {
    match value {
        Some(token) if token.len() < 16 => {
            Err(wrong("AURORA_ADMIN_TOKEN", "must have at least 16 characters"))
        }
        Some(token) if !token.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(wrong("AURORA_ADMIN_TOKEN", "must be visible ASCII characters without blanks"))
        }
        other => Ok(other.map(Secret::new)),
    }
}

pub fn model(
    get: &impl Fn(&'static str) -> Option<String>,
) -> Result<Option<ModelConfig>, ConfigError> {
    let deadline =
        number(get("AURORA_ANSWER_DEADLINE_MS"), "AURORA_ANSWER_DEADLINE_MS", 100, 12_000)?;
    let key = get("AURORA_LLM_API_KEY").map(Secret::new);
    let name = get("AURORA_LLM_MODEL");
    let Some(url) = web_address(get("AURORA_LLM_URL"), "AURORA_LLM_URL")? else {
        // A key without an address would be a model that somebody believes to be in use.
        if key.is_some() || name.is_some() {
            let why = "must be set too when AURORA_LLM_API_KEY or AURORA_LLM_MODEL is";
            return Err(wrong("AURORA_LLM_URL", why));
        }
        return Ok(None);
    };
    let model = name
        .ok_or_else(|| wrong("AURORA_LLM_MODEL", "must name a model when AURORA_LLM_URL is set"))?;
    let deadline = Duration::from_millis(u64::from(deadline.unwrap_or(2_500)));
    Ok(Some(ModelConfig { url, api_key: key, model, deadline }))
}
