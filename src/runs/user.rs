//! Whose work it is: `AURORA_USER`, else the GitHub user of the git configuration, else the e-mail
//! there, else the name of the machine.
//!
//! Git itself is asked, since a configuration includes others; once, for both, and not for long.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::domain::{Note, Run, clean};

/// Longest that git is waited for. It takes some milliseconds.
const GIT: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(1);

/// A question to git that is under way.
#[derive(Debug)]
pub struct Asked {
    set: Option<Note>,
    git: Option<(Child, Instant)>,
}

/// Begins to find out. `set`: `AURORA_USER`.
pub fn ask(set: Option<&str>) -> Asked {
    if let Some(user) = set.and_then(name) {
        return Asked { set: Some(user), git: None };
    }
    // In a process group of its own: Ctrl-C is meant for the work, not for this.
    let git = Command::new("git")
        .args(["config", "--null", "--get-regexp", r"^(github\.user|user\.email)$"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    Asked { set: None, git: git.ok().map(|it| (it, Instant::now())) }
}

impl Asked {
    pub fn answer(self) -> Note {
        self.set
            .or_else(|| self.git.and_then(|(git, asked)| configured(&answer_of(git, asked)?)))
            .or_else(|| name(rustix::system::uname().nodename().to_str().ok()?))
            .or_else(|| name("unknown"))
            .unwrap_or_default()
    }
}

/// What git prints; `None` if it fails or takes too long.
fn answer_of(mut git: Child, asked: Instant) -> Option<String> {
    loop {
        match git.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if asked.elapsed() < GIT => std::thread::sleep(PAUSE),
            Ok(None) | Err(_) => {
                let _ = git.kill();
                let _ = git.wait();
                return None;
            }
        }
    }
    let mut text = String::new();
    // Two short values fit into a pipe, so git has written them all.
    git.stdout.take()?.take(8_192).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Lines of name, newline, value, parted by NUL; of several values of a name the last counts.
fn configured(text: &str) -> Option<Note> {
    let of = |key: &str| {
        let mut values = text.split('\0').filter_map(|it| it.split_once('\n'));
        values.rfind(|it| it.0 == key).and_then(|it| name(it.1))
    };
    of("github.user").or_else(|| of("user.email"))
}

/// Something that can stand for a person.
fn name(text: &str) -> Option<Note> {
    let line = clean(text.lines().next().unwrap_or_default()).into_owned();
    let mut end = line.len().min(Run::MAX_USER_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    Note::parse(&line[..end]).ok()?.if_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<String> {
        configured(text).map(|it| it.as_str().to_owned())
    }

    #[test]
    fn the_github_user_goes_before_the_mail_and_the_last_of_several_counts() {
        let both = "user.email\na@example.com\0github.user\nada\0user.email\nb@example.com\0";
        assert_eq!(found(both).as_deref(), Some("ada"));
        assert_eq!(found("user.email\na@b\0user.email\nc@d\0").as_deref(), Some("c@d"));
        assert_eq!(found("github.user\n \0user.email\na@b\0").as_deref(), Some("a@b"));
        assert_eq!(found(""), None);
    }

    #[test]
    fn what_is_set_needs_no_git() {
        assert_eq!(ask(Some(" ada ")).answer().as_str(), "ada");
        let long = "é".repeat(Run::MAX_USER_BYTES);
        assert_eq!(ask(Some(&long)).answer().as_str().len(), Run::MAX_USER_BYTES);
    }
}
