//! How closely the database is listened to, and who says so.
//!
//! What a person chose at run time counts first, then the environment, then the rollout that the
//! database tells of, then `live`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Seconds between two looks that may be asked for.
const PERIOD: std::ops::RangeInclusive<u64> = 1..=3_600;

/// How closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Streams: each change is here within a second.
    #[default]
    Live,
    /// No streams: everything is looked at now and then, and sent now and then.
    Periodic(Duration),
    /// Nothing is looked at but what is about to be written.
    Off,
}

/// Who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChosenBy {
    /// A person, at run time.
    Person,
    /// `AURORA_REALTIME_SYNC`
    Environment,
    /// `config/features/realtime_sync` in the database.
    Rollout,
    #[default]
    Default,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be live, off, or periodic with 1 to 3600 seconds, such as periodic:30s")]
pub struct BadMode;

impl FromStr for Mode {
    type Err = BadMode;

    fn from_str(text: &str) -> Result<Self, BadMode> {
        match text {
            "live" => Ok(Self::Live),
            "off" => Ok(Self::Off),
            _ => {
                let seconds = text.strip_prefix("periodic:").and_then(|it| it.strip_suffix('s'));
                let seconds: Option<u64> = seconds
                    .filter(|it| it.bytes().all(|b| b.is_ascii_digit()))
                    .and_then(|it| it.parse().ok());
                let seconds = seconds.filter(|it| PERIOD.contains(it)).ok_or(BadMode)?;
                Ok(Self::Periodic(Duration::from_secs(seconds)))
            }
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::Periodic(every) => write!(f, "periodic:{}s", every.as_secs()),
            Self::Off => f.write_str("off"),
        }
    }
}

/// What is asked for, by who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    pub person: Option<Mode>,
    pub environment: Option<Mode>,
}

impl Wishes {
    /// The mode, unless the rollout has to be asked.
    pub fn mode(self) -> Option<(Mode, ChosenBy)> {
        let person = self.person.map(|it| (it, ChosenBy::Person));
        person.or(self.environment.map(|it| (it, ChosenBy::Environment)))
    }
}

/// Why a rollout can't be read.
pub const UNREADABLE: &str =
    "must be true, false, or `enabled` (true or false) with `percentage` (a number)";

/// What `config/features/realtime_sync` makes of this node: the default if nothing is there, `None`
/// if it can't be read.
pub fn rolled_out(config: &Value, node: &str) -> Option<(Mode, ChosenBy)> {
    let (is_enabled, percentage) = match config {
        Value::Null => return Some(Default::default()),
        Value::Bool(is_enabled) => (*is_enabled, 100.0),
        Value::Object(config) => (
            config.get("enabled").map_or(Some(true), Value::as_bool)?,
            config.get("percentage").map_or(Some(100.0), Value::as_f64)?,
        ),
        _ => return None,
    };
    let is_in = is_enabled && f64::from(bucket(node)) < percentage;
    Some((if is_in { Mode::Live } else { Mode::Off }, ChosenBy::Rollout))
}

/// The place of a node among a hundred; always the same.
fn bucket(node: &str) -> u8 {
    let digest = Sha256::digest(node.as_bytes());
    let number = digest[..8].iter().fold(0_u64, |it, b| (it << 8) | u64::from(*b));
    u8::try_from(number % 100).unwrap_or(99)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mode_reads_as_it_is_written() {
        for text in ["live", "off", "periodic:30s", "periodic:3600s"] {
            assert_eq!(text.parse::<Mode>().expect(text).to_string(), text);
        }
        for bad in ["", "Live", "periodic", "periodic:0s", "periodic:3601s", "periodic:+5s", "on"] {
            assert_eq!(bad.parse::<Mode>(), Err(BadMode), "{bad}");
        }
    }

    #[test]
    fn a_rollout_takes_about_its_share_of_nodes_and_never_lets_one_go_as_it_grows() {
        let nodes: Vec<String> = (0..1000).map(|it| format!("node-{it}")).collect();
        let live = |percentage: u8, node: &str| {
            let config = json!({ "enabled": true, "percentage": percentage });
            rolled_out(&config, node).is_some_and(|it| it.0 == Mode::Live)
        };
        for percentage in [0, 1, 25, 50, 99, 100] {
            let n = nodes.iter().filter(|it| live(percentage, it)).count();
            let expected = usize::from(percentage) * 10;
            assert!(n.abs_diff(expected) <= 50, "{n} of 1000 at {percentage} %");
            let stay = nodes.iter().filter(|it| live(percentage, it)).all(|it| live(100, it));
            assert!(stay);
        }
        assert!((0..=100).all(|it| !live(0, "a") && (it == 0 || live(100, "a"))));
    }

    #[test]
    fn whoever_is_nearer_says_how() {
        let off = json!({ "enabled": false, "percentage": 100 });
        for off in [off, json!(false), json!({ "percentage": -1 })] {
            assert_eq!(rolled_out(&off, "a"), Some((Mode::Off, ChosenBy::Rollout)), "{off}");
        }
        for on in [json!(true), json!({ "x": 1 }), json!({ "percentage": 1e300 })] {
            assert_eq!(rolled_out(&on, "a"), Some((Mode::Live, ChosenBy::Rollout)), "{on}");
        }
        assert_eq!(rolled_out(&json!(null), "a"), Some((Mode::Live, ChosenBy::Default)));
        let (many, yes) = (json!({ "percentage": "many" }), json!({ "enabled": "false" }));
        for bad in [json!(7), json!("off"), json!([1]), many, yes] {
            assert_eq!(rolled_out(&bad, "a"), None, "{bad}");
        }
        let (person, environment) = (Some(Mode::Off), Some(Mode::Live));
        let wishes = Wishes { person, environment };
        assert_eq!(wishes.mode(), Some((Mode::Off, ChosenBy::Person)));
        let wishes = Wishes { person: None, environment };
        assert_eq!(wishes.mode(), Some((Mode::Live, ChosenBy::Environment)));
        assert_eq!(Wishes::default().mode(), None);
    }
}
