//! What is wrong with a journal, in words: everything that stops a start, and only that.

use std::path::PathBuf;

use super::{Head, Part, Survey, Surveyed};
use crate::domain::Seq;
use crate::journal::line::FORMAT;

/// Told of one file; the rest is counted.
const MOST: usize = 20;

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub file: PathBuf,
    /// 0 for the file as a whole.
    pub line: u64,
    pub what: String,
}

impl Survey {
    /// What stops a start, in order. Empty: all of it reads.
    pub fn findings(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        let id = self.journal_id();
        let (mut expected, mut before) = (None, 0);
        for (place, it) in self.files.iter().enumerate() {
            let is_last = place + 1 == self.files.len();
            if is_last && it.is_leftover() {
                break;
            }
            let limit = self.limit(place);
            let Some(first) = check_head(it, id, &mut found) else {
                expected = None;
                continue;
            };
            if first < before {
                let what = format!(
                    "it begins at record {first}, and one before it at {before}: it is a copy, or \
                     bears another's name"
                );
                found.push(it.finding(1, what));
            }
            before = before.max(first);
            let is_void = limit.is_some_and(|it| it <= first);
            let end = limit.filter(|_| !is_void);
            if !is_void {
                if let Some(expected) = expected.filter(|it| *it != first) {
                    found.push(
                        it.finding(1, format!("it begins at record {first}, not at {expected}")),
                    );
                }
                expected = it.check_records(first, end, is_last, &mut found);
            }
        }
        found
    }

    /// The records that are held, `(first, last)`; the last is one less than the first if there is
    /// none. `None` without any segment. True only of a journal without findings.
    pub fn range(&self) -> Option<(Seq, Seq)> {
        let last = self.files.iter().rev().find(|it| !it.is_leftover())?;
        let first = self.files.first()?.head.header()?.first_seq;
        let begins = last.head.header()?.first_seq;
        Some((first, last.runs().last().map_or(begins - 1, |it| it.last)))
    }

    /// The id that most segments bear.
    pub fn journal_id(&self) -> Option<&str> {
        let ids =
            || self.files.iter().filter_map(|it| it.head.header()).map(|it| it.journal_id.as_str());
        ids().max_by_key(|id| ids().filter(|it| it == id).count())
    }

    /// Where the file at `place` ends to count.
    pub(in crate::journal) fn limit(&self, place: usize) -> Option<Seq> {
        let later = self.files[place + 1..].iter().filter_map(|it| it.head.header());
        later.map(|it| it.first_seq).min()
    }
}

/// Where it says that it begins.
fn check_head(it: &Surveyed, id: Option<&str>, found: &mut Vec<Finding>) -> Option<Seq> {
    let header = match &it.head {
        Head::Good(header) => header,
        Head::Displaced(header) => {
            found.push(it.finding(1, "its header stands in another line".to_owned()));
            header
        }
        Head::Bad(why) => {
            found.push(it.finding(1, format!("its header does not read: {why}")));
            return None;
        }
        Head::Unfinished => {
            found.push(it.finding(1, "its header is not finished".to_owned()));
            return None;
        }
    };
    if header.format > FORMAT {
        let what =
            format!("it has format version {}; this Aurora reads up to {FORMAT}", header.format);
        found.push(it.finding(1, what));
    }
    if Some(header.journal_id.as_str()) != id {
        found.push(it.finding(1, "it belongs to another journal than the others".to_owned()));
    }
    Some(header.first_seq)
}

impl Surveyed {
    pub(in crate::journal) fn finding(&self, line: u64, what: String) -> Finding {
        Finding { file: self.path.clone(), line, what }
    }

    /// Returns the sequence after its last record that counts.
    fn check_records(
        &self,
        first: Seq,
        limit: Option<Seq>,
        is_last: bool,
        found: &mut Vec<Finding>,
    ) -> Option<Seq> {
        let (mut expected, mut n_wrong) = (first, 0);
        let mut tell = |line, what| {
            n_wrong += 1;
            if n_wrong <= MOST {
                found.push(self.finding(line, what));
            }
        };
        for part in &self.parts {
            if limit.is_some_and(|it| expected >= it) {
                break;
            }
            match part {
                Part::Run(run) if run.first == expected => expected = run.last + 1,
                Part::Run(run) => {
                    tell(run.line, format!("it is record {}, not {expected}", run.first));
                    expected = expected.max(run.last + 1);
                }
                // A header that stands in another line was told of.
                Part::Bad(bad) if bad.line == 1 => {}
                Part::Bad(bad) => {
                    let lines = if bad.n_lines > 1 {
                        format!(", nor do the {} lines after it", bad.n_lines - 1)
                    } else {
                        String::new()
                    };
                    tell(bad.line, format!("it does not read: {}{lines}", bad.why));
                    expected += bad.n_lines;
                }
            }
        }
        if let Some(limit) = limit.filter(|it| expected < *it) {
            tell(0, format!("records {expected} to {} are missing at its end", limit - 1));
        }
        let is_torn = self.torn_bytes > 0 && !is_last && limit.is_some_and(|it| expected < it);
        if is_torn {
            tell(0, "its last line is not finished".to_owned());
        }
        if n_wrong > MOST {
            found.push(self.finding(0, format!("{} more places", n_wrong - MOST)));
        }
        Some(limit.map_or(expected, |it| expected.min(it)))
    }
}
