//! Every setting, read once from the environment and handed down.
//!
//! The one idea: a wrong value stops the start with a message that names the setting; there is no
//! setting that is silently ignored, and each has a default that works on a laptop.

mod values;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use self::values::{
    admin_token, flag, list, mebibytes, model, node, number, parse, prices, redis, retention, user,
    web_address, wrong,
};

/// A setting that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{name}: {why}")]
pub struct ConfigError {
    pub name: &'static str,
    pub why: String,
}

/// A text that must not be shown: tokens and keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Settings of the process. Read once in `main`; a module gets only the fields it needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// `AURORA_BIND`: address to serve on. Default `127.0.0.1:5000`.
    pub bind: SocketAddr,
    /// `AURORA_DATA_DIR`: where everything is kept. Default `data`.
    pub data_dir: PathBuf,
    /// `AURORA_SEGMENT_MIB`: size at which a file of the journal is closed and the next begun.
    /// Default 64.
    pub segment_bytes: u64,
    /// `AURORA_CHECKPOINT_MIB`: growth of the journal that is worth a new `total.json`. Default 16.
    pub checkpoint_bytes: u64,
    /// `AURORA_NODE`: this machine's name in the records. Default `local`.
    pub node: String,
    /// `AURORA_USER`: whose work is recorded here. Default: as git and the machine say.
    pub user: Option<String>,
    /// `AURORA_PUBLIC_URL`: the address that providers and browsers use.
    pub public_url: Option<Url>,
    /// `AURORA_TRUSTED_PROXIES`: peers whose forwarded headers are believed, separated by commas.
    pub trusted_proxies: Vec<IpAddr>,
    /// `AURORA_ADMIN_TOKEN`: supervisors' token. Default: made at the first start.
    pub admin_token: Option<Secret>,
    /// `TWILIO_AUTH_TOKEN`: webhooks must be signed with it; several during a rotation, separated
    /// by commas.
    pub twilio_tokens: Vec<Secret>,
    /// `AURORA_ALLOW_UNSIGNED_WEBHOOKS`: accept webhooks without a signature beyond loopback.
    pub allow_unsigned_webhooks: bool,
    /// `AURORA_ALLOW_OPEN_API`: accept `/api/process-speech` without a token beyond loopback.
    pub allow_open_api: bool,
    /// `AURORA_LANGUAGE`: callers' language as BCP 47. Default `en-US`.
    pub language: String,
    /// `AURORA_CARDS`: file with the site's data and cards. Default: the built-in cards.
    pub cards: Option<PathBuf>,
    /// `AURORA_LLM_URL` and the settings that go with it.
    pub model: Option<ModelConfig>,
    /// `FIREBASE_DATABASE_URL`: database to mirror to. Unset: nothing is mirrored.
    pub firebase_url: Option<Url>,
    /// `FIREBASE_DATABASE_EMULATOR_HOST`: `host:port` of an emulator.
    pub firebase_emulator: Option<String>,
    /// `FIREBASE_CREDENTIALS`: a service account's key, the JSON itself.
    pub firebase_credentials: Option<Secret>,
    /// `GOOGLE_APPLICATION_CREDENTIALS`: a service account's key file.
    pub google_credentials: Option<PathBuf>,
    /// `AURORA_REALTIME_SYNC`: how closely the database is listened to. Unset: as it is rolled out.
    pub realtime_sync: Option<String>,
    /// `REDIS_URL`: only its health is looked at.
    pub redis: Option<Url>,
    /// `AURORA_MAX_OPEN_CALLS`: default 20000.
    pub max_open_calls: usize,
    /// `AURORA_MAX_TURNS`: turns after which a call that is not critical ends. Default 200.
    pub max_turns: u32,
    /// `AURORA_INACTIVITY_MINUTES`: a call of which nothing is heard for so long ends. Default 30.
    pub inactivity: Duration,
    /// `AURORA_MAX_STREAMS`: live streams at a time. Default 4000.
    pub max_streams: usize,
    /// `AURORA_RATE_LIMIT`: requests a second and caller of the JSON API; 0 for no limit. Default
    /// 0 where only this machine can reach the server, else 20.
    pub rate_limit: u32,
    /// `AURORA_ARCHIVE_AFTER_SECONDS`: an ended call stays with the active ones for so long.
    /// Default 60.
    pub archive_after: Duration,
    /// `AURORA_RETENTION_DAYS`: how long ended calls stay, by urgency. Default: for ever.
    pub retention: Retention,
    /// `AURORA_FIREBASE_PRICES`: what a GB costs in the mirror's database, in USD, for the bill.
    /// Default `stored=5,downloaded=1`.
    pub firebase_prices: FirebasePrices,
    /// `AURORA_FIREBASE_REQUESTS_PER_SECOND`: how often the mirror writes in the long run. Default 1.
    pub firebase_requests_per_second: u32,
    /// `AURORA_UNDO_DAYS`: how long a deletion can be taken back. Default 30.
    pub undo_days: u32,
    /// `AURORA_WORKERS`: server threads. Default: one a core.
    pub workers: usize,
}

/// Days; `None`: for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    pub normal: Option<u32>,
    pub urgent: Option<u32>,
    pub critical: Option<u32>,
}

/// USD for a GB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirebasePrices {
    pub stored: f64,
    pub downloaded: f64,
}

#[derive(Debug, Clone)]
pub struct ModelConfig {
    /// `AURORA_LLM_URL`: base address, such as `http://127.0.0.1:11434/v1`.
    pub url: Url,
    /// `AURORA_LLM_API_KEY`
    pub api_key: Option<Secret>,
    /// `AURORA_LLM_MODEL`
    pub model: String,
    /// `AURORA_ANSWER_DEADLINE_MS`: longest time a caller waits for the model. Default 2500.
    pub deadline: Duration,
}

impl Config {
    /// Reads the settings through `lookup`; blank counts as unset.
    ///
    /// # Errors
    /// [`ConfigError`], with the setting's name and what would be right.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name| lookup(name).map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
        let bind: SocketAddr =
            parse(get("AURORA_BIND"), "AURORA_BIND", "an address such as 127.0.0.1:5000")?
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 5000)));
        let mut config = Self {
            bind,
            data_dir: get("AURORA_DATA_DIR").map_or_else(|| "data".into(), PathBuf::from),
            segment_bytes: mebibytes(get("AURORA_SEGMENT_MIB"), "AURORA_SEGMENT_MIB", 64)?,
            checkpoint_bytes: mebibytes(get("AURORA_CHECKPOINT_MIB"), "AURORA_CHECKPOINT_MIB", 16)?,
            node: node(get("AURORA_NODE"))?,
            user: user(get("AURORA_USER"))?,
            public_url: web_address(get("AURORA_PUBLIC_URL"), "AURORA_PUBLIC_URL")?,
            trusted_proxies: list(get("AURORA_TRUSTED_PROXIES"))
                .map(|it| {
                    it.parse().map_err(|_| wrong("AURORA_TRUSTED_PROXIES", "must be IP addresses"))
                })
                .collect::<Result<_, _>>()?,
            admin_token: admin_token(get("AURORA_ADMIN_TOKEN"))?,
            twilio_tokens: list(get("TWILIO_AUTH_TOKEN")).map(Secret::new).collect(),
            allow_unsigned_webhooks: flag(
                get("AURORA_ALLOW_UNSIGNED_WEBHOOKS"),
                "AURORA_ALLOW_UNSIGNED_WEBHOOKS",
            )?,
            allow_open_api: flag(get("AURORA_ALLOW_OPEN_API"), "AURORA_ALLOW_OPEN_API")?,
            language: get("AURORA_LANGUAGE").unwrap_or_else(|| "en-US".to_owned()),
            cards: get("AURORA_CARDS").map(PathBuf::from),
            model: model(&get)?,
            firebase_url: web_address(get("FIREBASE_DATABASE_URL"), "FIREBASE_DATABASE_URL")?,
            firebase_emulator: get("FIREBASE_DATABASE_EMULATOR_HOST"),
            firebase_credentials: get("FIREBASE_CREDENTIALS").map(Secret::new),
            google_credentials: get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            realtime_sync: get("AURORA_REALTIME_SYNC"),
            redis: redis(get("REDIS_URL"))?,
            max_open_calls: number(
                get("AURORA_MAX_OPEN_CALLS"),
                "AURORA_MAX_OPEN_CALLS",
                1,
                1_000_000,
            )?
            .unwrap_or(20_000) as usize,
            max_turns: number(get("AURORA_MAX_TURNS"), "AURORA_MAX_TURNS", 1, 100_000)?
                .unwrap_or(200),
            inactivity: Duration::from_secs(60)
                * number(
                    get("AURORA_INACTIVITY_MINUTES"),
                    "AURORA_INACTIVITY_MINUTES",
                    1,
                    100_000,
                )?
                .unwrap_or(30),
            max_streams: number(get("AURORA_MAX_STREAMS"), "AURORA_MAX_STREAMS", 1, 100_000)?
                .unwrap_or(4_000) as usize,
            rate_limit: number(get("AURORA_RATE_LIMIT"), "AURORA_RATE_LIMIT", 0, 1_000_000)?
                .unwrap_or(u32::MAX),
            archive_after: Duration::from_secs(
                number(
                    get("AURORA_ARCHIVE_AFTER_SECONDS"),
                    "AURORA_ARCHIVE_AFTER_SECONDS",
                    0,
                    3_600,
                )?
                .unwrap_or(60)
                .into(),
            ),
            retention: retention(get("AURORA_RETENTION_DAYS"))?,
            firebase_prices: prices(get("AURORA_FIREBASE_PRICES"))?,
            firebase_requests_per_second: number(
                get("AURORA_FIREBASE_REQUESTS_PER_SECOND"),
                "AURORA_FIREBASE_REQUESTS_PER_SECOND",
                1,
                1_000,
            )?
            .unwrap_or(1),
            undo_days: number(get("AURORA_UNDO_DAYS"), "AURORA_UNDO_DAYS", 0, 36_500)?
                .unwrap_or(30),
            workers: match number(get("AURORA_WORKERS"), "AURORA_WORKERS", 1, 1_024)? {
                Some(n) => n as usize,
                None => std::thread::available_parallelism().map_or(2, |it| it.get()),
            },
        };
        if config.rate_limit == u32::MAX {
            config.rate_limit = if config.is_local() { 0 } else { 20 };
        }
        Ok(config)
    }

    /// Whether only this machine can reach the server. Behind a proxy everybody can, although it
    /// listens on loopback.
    pub fn is_local(&self) -> bool {
        self.bind.ip().is_loopback() && self.public_url.is_none() && self.trusted_proxies.is_empty()
    }

    /// Whether there is a mirror.
    pub fn mirrors(&self) -> bool {
        self.firebase_url.is_some() || self.firebase_emulator.is_some()
    }

    /// The start of every link to this server, without a slash at the end.
    pub fn link_base(&self, bound: SocketAddr) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None if bound.ip().is_unspecified() => format!("http://127.0.0.1:{}", bound.port()),
            None => format!("http://{bound}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            settings.iter().find(|it| it.0 == name).map(|it| it.1.to_owned())
        })
    }

    #[test]
    fn nothing_set_works_on_a_laptop() {
        let config = read(&[]).unwrap();
        assert_eq!(config.bind.to_string(), "127.0.0.1:5000");
        assert!(config.is_local() && config.model.is_none() && config.firebase_url.is_none());
        assert_eq!(config.rate_limit, 0);
        assert_eq!(read(&[("AURORA_BIND", "0.0.0.0:80")]).unwrap().rate_limit, 20);
    }

    #[test]
    fn a_wrong_value_names_its_setting() {
        for (name, value) in [
            ("AURORA_BIND", "localhost"),
            ("AURORA_CHECKPOINT_MIB", "16 MiB"),
            ("AURORA_NODE", "a b"),
            ("AURORA_FIREBASE_PRICES", "stored=-1"),
            ("AURORA_FIREBASE_REQUESTS_PER_SECOND", "0"),
            ("AURORA_FIREBASE_REQUESTS_PER_SECOND", "1001"),
            ("AURORA_SEGMENT_MIB", "0"),
            ("AURORA_SEGMENT_MIB", "1025"),
            ("AURORA_PUBLIC_URL", "ftp://x"),
            ("AURORA_TRUSTED_PROXIES", "10.0.0.1, proxy"),
            ("AURORA_ADMIN_TOKEN", "short"),
            ("AURORA_ALLOW_OPEN_API", "perhaps"),
            ("AURORA_MAX_TURNS", "0"),
            ("AURORA_RETENTION_DAYS", "90"),
            ("AURORA_RETENTION_DAYS", "normal=0"),
            ("AURORA_RETENTION_DAYS", "normal=1,normal=2"),
            ("AURORA_RETENTION_DAYS", "calm=3"),
            ("AURORA_UNDO_DAYS", "-1"),
            ("AURORA_ARCHIVE_AFTER_SECONDS", "3601"),
            ("AURORA_LLM_URL", "model"),
            ("AURORA_ANSWER_DEADLINE_MS", "1h"),
            ("REDIS_URL", "http://x"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().name, name);
        }
        let half = read(&[("AURORA_LLM_API_KEY", "k")]).unwrap_err();
        assert_eq!(half.name, "AURORA_LLM_URL");
    }

    #[test]
    fn a_secret_does_not_show() {
        let config = read(&[("AURORA_ADMIN_TOKEN", "0123456789abcdef")]).unwrap();
        assert!(!format!("{config:?}").contains("0123456789abcdef"));
    }
}
