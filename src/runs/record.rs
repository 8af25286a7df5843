//! What a command line says of finished work, as a run.

use std::ffi::OsStr;
use std::time::SystemTime;

use anyhow::Context as _;
use clap::ValueEnum;
use ulid::Ulid;

use crate::domain::{Label, Note, Run, RunId, RunStatus, Seconds, Timestamp, clean};

/// More of a command line is not published.
const MAX_COMMAND: usize = 1_000;
/// What stands for a secret.
const HIDDEN: &str = "…";
/// Words in a command line that announce one.
const SECRETS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "authorization",
    "apikey",
    "api-key",
    "access-key",
    "private-key",
];

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Status {
    Success,
    Failed,
    Interrupted,
}

impl From<Status> for RunStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Success => Self::Success,
            Status::Failed => Self::Failed,
            Status::Interrupted => Self::Interrupted,
        }
    }
}

/// Finished work.
#[derive(Debug, clap::Args)]
pub struct Record {
    /// What kind of work it was, such as `migrate`.
    #[arg(long)]
    slug: String,
    /// What was done, such as the command line. Everybody in the team reads it.
    #[arg(long)]
    command: String,
    /// How it ended.
    #[arg(long, default_value = "success")]
    status: Status,
    /// Seconds that it took.
    #[arg(long, value_parser = seconds, default_value = "0")]
    duration: Seconds,
    /// Seconds of it that a machine worked by itself.
    #[arg(long, value_parser = seconds, default_value = "0")]
    automation: Seconds,
    #[command(flatten)]
    worth: Worth,
    /// When it ended, such as 2026-11-20T12:00:00.123Z [default: now]. With it, telling the same
    /// work twice makes one run.
    #[arg(long)]
    timestamp: Option<String>,
}

/// What it was worth.
#[derive(Debug, clap::Args)]
pub struct Worth {
    /// Lines of code or text that were brought over.
    #[arg(long, default_value_t = 0)]
    pub lines: u32,
    /// Seconds that it would have taken by hand.
    #[arg(long, value_parser = seconds, default_value = "0")]
    pub manual_estimate: Seconds,
    /// Where a report of it is.
    #[arg(long)]
    pub report: Option<String>,
}

pub fn seconds(text: &str) -> Result<Seconds, String> {
    let seconds = text.parse().ok().and_then(Seconds::new);
    seconds.ok_or_else(|| "must be a number of seconds from 0 to ten years".to_owned())
}

impl Record {
    /// # Errors
    /// Which option is wrong.
    pub fn into_run(self, user_id: Note) -> anyhow::Result<Run> {
        let (timestamp, occasion) = match self.timestamp {
            Some(text) => (text.parse().context("--timestamp")?, String::new()),
            None => (Timestamp::from(SystemTime::now()), occasion()),
        };
        let run = Run {
            run_id: RunId(Ulid::nil()),
            user_id,
            timestamp,
            slug: Label::parse(&self.slug).context("--slug")?,
            command: Note::parse(&shortened(&self.command)).context("--command")?,
            status: self.status.into(),
            duration_seconds: self.duration,
            automation_seconds: self.automation,
            lines_migrated: self.worth.lines,
            manual_estimate_seconds: self.worth.manual_estimate,
            report_path: self.worth.report_path()?,
            call_id: None,
        };
        let run = run.named(&occasion);
        run.check()?;
        Ok(run)
    }
}

impl Worth {
    pub fn report_path(&self) -> anyhow::Result<Option<Note>> {
        let report = self.report.as_deref().map(shortened);
        Ok(report
            .map(|it| Note::parse(&it))
            .transpose()
            .context("--report")?
            .and_then(Note::if_any))
    }
}

/// What tells this process from any other, on this machine and elsewhere.
pub fn occasion() -> String {
    let bits: u64 = rand::random();
    format!("{} {bits:016x}", std::process::id())
}

/// A command line as one line, without what looks like a secret.
pub fn command_line<'a>(words: impl Iterator<Item = &'a OsStr>) -> String {
    let mut line = String::new();
    let mut is_next_secret = false;
    for word in words {
        if std::mem::take(&mut is_next_secret) {
            line.push_str(HIDDEN);
        } else {
            is_next_secret = show(&word.to_string_lossy(), &mut line);
        }
        line.push(' ');
    }
    shortened(&line)
}

/// Adds a word, which may be a whole script: from where a secret is announced its end is left out.
/// Whether the next word is a secret.
fn show(word: &str, line: &mut String) -> bool {
    let mut is_announced = false;
    for part in word.split_inclusive(char::is_whitespace) {
        if is_announced {
            line.push_str(HIDDEN);
            return false;
        }
        let named = part.match_indices(['=', ':']).find(|it| is_secret(&part[..it.0]));
        if let Some((place, _)) = named {
            line.push_str(&part[..=place]);
            line.push_str(HIDDEN);
            return false;
        }
        is_announced = part.starts_with('-') && is_secret(part);
        match password_in_url(part) {
            Some((before, after)) => line.extend([before, HIDDEN, after]),
            None => line.push_str(part),
        }
    }
    is_announced
}

/// What stands around it: `https://ada:` and `@example.com/`.
fn password_in_url(text: &str) -> Option<(&str, &str)> {
    let host = text.find("://")? + 3;
    let length = text[host..].find(['/', '?', '#']).unwrap_or(text.len() - host);
    let at = host + text[host..host + length].rfind('@')?;
    let password = host + text[host..at].find(':')? + 1;
    Some((&text[..password], &text[at..]))
}

fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase().replace('_', "-");
    SECRETS.iter().any(|it| name.contains(it))
}

fn shortened(text: &str) -> String {
    let line = clean(text).replace('\n', " ");
    if line.len() <= MAX_COMMAND {
        return line;
    }
    let mut end = MAX_COMMAND - HIDDEN.len();
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{HIDDEN}", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(words: &[&str]) -> String {
        command_line(words.iter().map(OsStr::new))
    }

    #[test]
    fn what_looks_like_a_secret_is_not_published() {
        assert_eq!(line(&["make", "-j4", "all"]), "make -j4 all");
        assert_eq!(line(&["x", "--api-key=12", "API_KEY=3", "y"]), "x --api-key=… API_KEY=… y");
        assert_eq!(line(&["x", "--password", "hunter2", "y"]), "x --password … y");
        assert_eq!(line(&["login", "token.txt"]), "login token.txt");
        assert_eq!(line(&["x", "--password", "a b", "--token"]), "x --password … --token");
    }

    #[test]
    fn secrets_in_scripts_headers_and_addresses_are_not_published() {
        for (words, shown) in [
            (vec!["sh", "-c", "mysql --password hunter2 -e x"], "sh -c mysql --password …"),
            (vec!["sh", "-c", "export MY_TOKEN=hunter2; run"], "sh -c export MY_TOKEN=…"),
            (vec!["curl", "-H", "Authorization: Bearer hunter2"], "curl -H Authorization:…"),
            (vec!["curl", "-H", "X-Api-Key:hunter2"], "curl -H X-Api-Key:…"),
            (vec!["curl", "-d", "user=ada&password=hunter2"], "curl -d user=ada&password=…"),
            (
                vec!["git", "clone", "https://ada:hunt:er2@example.com/x", "y"],
                "git clone https://ada:…@example.com/x y",
            ),
        ] {
            assert_eq!(line(&words), shown);
        }
        // What only looks like an address stays.
        for plain in ["http://a/b:c@d", "ssh://ada@example.com", "://", "x://é:@", "a:b@c"] {
            assert_eq!(line(&[plain]).replace(HIDDEN, ""), plain);
        }
    }

    #[test]
    fn a_long_or_odd_command_line_becomes_one_short_line() {
        let long = line(&["echo", &"é".repeat(2_000)]);
        assert!(long.len() <= MAX_COMMAND && long.ends_with('…'), "{}", long.len());
        assert_eq!(line(&["sh", "-c", "a\nb\u{1b}[31m"]), "sh -c a b [31m");
    }
}
