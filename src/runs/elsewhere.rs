//! Runs that other machines recorded: read from the database now and then, and kept.
//!
//! The one idea: what was last known is on disk with its age, so that the team is shown offline,
//! and nobody takes old numbers for new ones. It is read while somebody looks, at about one request
//! a second: recent work every few seconds, all of it every quarter of an hour, for some of it
//! arrives late.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tracing::warn;
use ulid::Ulid;

use super::stats::Elsewhere;
use crate::domain::{Run, RunId, Timestamp};
use crate::readers::archive::MAX_DAYS;
use crate::readers::firebase::{Client, ClientSettings, Meter, WriteError, escape};

/// What is older than twice this is called old.
const FRESH: Duration = Duration::from_secs(60);
/// For each request that a look takes, so long nobody looks again; and never so soon, nor so late.
const REST: Duration = Duration::from_secs(1);
const LEAST_REST: Duration = Duration::from_secs(2);
const MOST_REST: Duration = FRESH;
/// How often all is read, and how far back otherwise.
const WHOLE: Duration = Duration::from_secs(15 * 60);
const RECENT: Duration = Duration::from_secs(60 * 60);
/// Longest that whoever looks waits for it.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// For one request.
const REQUEST: Duration = Duration::from_secs(15);
/// People who are read of, runs of each at a time, and runs that are kept.
const MAX_USERS: usize = 200;
const MAX_RUNS: &str = "1000";
const MAX_KEPT: usize = 20_000;
const DAY_MS: i64 = 86_400_000;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    as_of: Option<Timestamp>,
    whole_as_of: Option<Timestamp>,
    /// Requests that the last look took.
    #[serde(default)]
    n_requests: u32,
    runs: BTreeMap<RunId, Run>,
}

/// Which of some runs are recorded here.
pub type Recorded = dyn Fn(Vec<RunId>) -> BoxFuture<'static, Vec<RunId>> + Send + Sync;

/// What is known of others' runs, and whoever reads more.
#[derive(Debug)]
pub struct TeamReader {
    file: PathBuf,
    kept: Mutex<Kept>,
    /// Why the last look at the database failed.
    trouble: Mutex<Option<String>>,
    is_on: bool,
    wanted: Notify,
    /// Looks that have ended, well or not.
    looks: watch::Sender<u64>,
}

/// Where it is kept.
fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("readers").join("team.json")
}

impl TeamReader {
    /// What is kept in a data folder. A file that cannot be read is read anew from the database.
    pub fn open(data_dir: &Path, is_on: bool) -> Self {
        let file = file(data_dir);
        let kept = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|err| {
                warn!(path = %file.display(), error = %err, "What was known of others' runs is lost.");
                Kept::default()
            }),
            Err(_) => Kept::default(),
        };
        let (looks, _) = watch::channel(0);
        Self {
            file,
            kept: Mutex::new(kept),
            trouble: Mutex::default(),
            is_on,
            wanted: Notify::new(),
            looks,
        }
    }

    /// All that is known now.
    pub fn known(&self) -> (Vec<Run>, Elsewhere) {
        let kept = self.kept();
        let now = Timestamp::from(SystemTime::now());
        let age = kept.as_of.map(|it| now.since(it));
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = match (self.is_on, age) {
            (false, None) => "off",
            (_, None) => "unknown",
            (true, Some(age)) if trouble.is_none() && age <= FRESH * 2 => "fresh",
            (_, Some(_)) => "old",
        };
        let elsewhere = Elsewhere {
            state: state.to_owned(),
            as_of: kept.as_of,
            age_seconds: age.map(|it| it.as_secs()),
            runs: kept.runs.len() as u64,
            reason: trouble,
        };
        (kept.runs.values().cloned().collect(), elsewhere)
    }

    /// As [`TeamReader::known`], after a look at the database if the last one is long ago; it is not
    /// waited for long.
    pub async fn look(&self) -> (Vec<Run>, Elsewhere) {
        if self.is_on && !self.is_fresh() {
            let mut looks = self.looks.subscribe();
            self.wanted.notify_one();
            let _ = tokio::time::timeout(PATIENCE, looks.changed()).await;
        }
        self.known()
    }

    fn is_fresh(&self) -> bool {
        let now = Timestamp::from(SystemTime::now());
        let kept = self.kept();
        let rest = (REST * kept.n_requests).clamp(LEAST_REST, MOST_REST);
        kept.as_of.is_some_and(|it| now.since(it) < rest)
    }

    /// Reads whenever somebody looks; for ever. `recorded`: which of some runs are recorded here.
    pub async fn follow(&self, settings: ClientSettings, meter: Arc<Meter>, recorded: &Recorded) {
        let settings =
            ClientSettings { connect_timeout: REQUEST / 3, total_timeout: REQUEST, ..settings };
        let mut client = match Client::new(settings, meter) {
            Ok(client) => client,
            Err(err) => {
                warn!(error = %err, "Others' runs cannot be read.");
                return;
            }
        };
        loop {
            self.wanted.notified().await;
            if !self.is_fresh() {
                let trouble = match self.read(&mut client, recorded).await {
                    Ok(()) => None,
                    Err(err) => Some(err.to_string()),
                };
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
            }
            self.looks.send_modify(|it| *it += 1);
        }
    }

    async fn read(&self, client: &mut Client, recorded: &Recorded) -> Result<(), WriteError> {
        let now = Timestamp::from(SystemTime::now());
        let is_whole = self.kept().whole_as_of.is_none_or(|it| now.since(it) >= WHOLE);
        let horizon_ms = now.as_millis() - i64::from(MAX_DAYS) * DAY_MS;
        let from_ms = match is_whole {
            true => horizon_ms,
            false => now.as_millis() - RECENT.as_millis() as i64,
        };
        let users = client.get("users", &[("shallow", "true")]).await?.value;
        let mut found = BTreeMap::new();
        let mut n_requests = 1;
        for user in users.as_object().into_iter().flat_map(|it| it.keys()).take(MAX_USERS) {
            let first = first_id(from_ms);
            let runs = client.get(&path(user), &since(&first)).await?.value;
            n_requests += 1;
            found.extend(runs_in(user, &runs).map(|it| (it.run_id, it)));
        }
        for own in recorded(found.keys().copied().collect()).await {
            found.remove(&own);
        }
        let bytes = {
            let mut kept = self.kept();
            if is_whole {
                kept.runs.clear();
                kept.whole_as_of = Some(now);
            }
            kept.runs.extend(found);
            while kept.runs.len() > MAX_KEPT {
                kept.runs.pop_first();
            }
            kept.as_of = Some(now);
            kept.n_requests = n_requests;
            serde_json::to_vec(&*kept).expect("runs serialize under their ids")
        };
        if let Err(err) = save(&self.file, &bytes) {
            warn!(error = %err, path = %self.file.display(), "Others' runs are known in memory only.");
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of `users` are as the database has them.
fn path(user: &str) -> String {
    format!("users/{user}/runs")
}

/// The least id of that time, as a text of JSON, which is what a query takes.
fn first_id(ms: i64) -> String {
    let ms = u64::try_from(ms).unwrap_or(0);
    format!("\"{}\"", RunId(Ulid::from_parts(ms, 0)))
}

/// Ids sort by time, and keys need no index there.
fn since(first: &str) -> [(&'static str, &str); 3] {
    [("orderBy", "\"$key\""), ("startAt", first), ("limitToLast", MAX_RUNS)]
}

/// What reads as a run; the rest is another program's.
fn runs_in<'a>(user: &'a str, runs: &'a Value) -> impl Iterator<Item = Run> + 'a {
    let runs = runs.as_object().into_iter().flatten();
    runs.filter_map(move |(id, value)| run(user, id, value))
}

fn run(user: &str, id: &str, value: &Value) -> Option<Run> {
    let mut fields = serde_json::Map::new();
    for name in [
        "timestamp",
        "slug",
        "command",
        "status",
        "duration_seconds",
        "automation_seconds",
        "lines_migrated",
        "manual_estimate_seconds",
        "report_path",
    ] {
        if let Some(value) = value.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    fields.insert("run_id".to_owned(), id.into());
    fields.insert("user_id".to_owned(), unescape(user).into());
    let run: Run = serde_json::from_value(fields.into()).ok()?;
    (run.user_id.as_str().len() <= Run::MAX_USER_BYTES).then_some(run)
}

/// The reverse of [`escape`]; a key that it did not make stays as it is.
fn unescape(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    let mut rest = key;
    while let Some((before, after)) = rest.split_once('%') {
        let code = after.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        text.push_str(before);
        match code {
            Some(code) => {
                text.push(char::from(code));
                rest = &after[2..];
            }
            None => {
                text.push('%');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    if escape(&text) == key { text } else { key.to_owned() }
}

fn save(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = file.with_extension("json.new");
    let mut new = File::create(&beside)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_of_ours_becomes_the_name_again() {
        for name in ["ada@example.com", "a/b.c#d[e]f$g%h", "é", "%", "x%2Ey"] {
            assert_eq!(unescape(&escape(name)), name);
        }
        assert_eq!(unescape("100%"), "100%");
    }

    #[test]
    fn what_is_no_run_is_passed_over() {
        let good = json!({
            "timestamp": "2026-11-20T12:00:00.123Z", "slug": "x", "command": "y",
            "status": "success", "duration_seconds": 3, "updated_by": "another",
        });
        let id = format!("run_{}", Ulid::from_parts(1, 1));
        let with = |name: &str, value: Value| {
            let mut run = good.clone();
            run[name] = value;
            run
        };
        let of = |value: &Value| runs_in("a%2Eb", &json!({ &id: value })).count();

        assert_eq!(of(&good), 1);
        for bad in [
            json!(1),
            json!([1, 2]),
            json!({}),
            with("status", json!("fine")),
            with("duration_seconds", json!("3")),
            with("timestamp", json!(5)),
        ] {
            assert_eq!(of(&bad), 0, "{bad}");
        }
        assert_eq!(runs_in("a", &json!({ "odd": good })).count(), 0);
        assert_eq!(runs_in("a", &json!([good])).count(), 0);
    }
}
