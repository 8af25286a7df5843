//! From the chain's bytes to what it says, and what in it does not fit together.

use std::collections::BTreeMap;

use super::link::{Hash, Link};
use crate::domain::Seq;

/// What the chain says of one segment.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    pub first_seq: Seq,
    pub last_seq: Seq,
    /// Of its records now, or after the rewriting under way.
    pub sha256: Hash,
    /// Before the last rewriting: what a crash may have left.
    pub before: Option<Hash>,
}

/// The chain as far as it reads.
#[derive(Debug, Default)]
pub struct Walk {
    pub known: BTreeMap<u32, Known>,
    pub n_lines: u64,
    /// Of the last line that reads; the genesis, all zeros, if there is none.
    pub head: Hash,
    /// Of the last segment that was sealed.
    pub last_seq: Option<Seq>,
    pub problems: Vec<String>,
    /// What is to be known, and is nothing wrong.
    pub notes: Vec<String>,
    /// Why the next line cannot rest on all before it.
    pub mark: Option<String>,
    /// Up to the end of the last whole line; what follows was being written.
    pub whole_bytes: u64,
}

impl Walk {
    pub fn over(bytes: &[u8]) -> Self {
        let mut walk = Self::default();
        let mut is_sure = true;
        for line in bytes.split_inclusive(|it| *it == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else { break };
            walk.whole_bytes += line.len() as u64 + 1;
            walk.n_lines += 1;
            let read = Link::read(line);
            let is_mark = read.as_ref().is_ok_and(|it| it.mark.is_some());
            let problem = match &read {
                Ok(link) => walk.step(link, is_sure),
                Err(why) => Some(why.clone()),
            };
            is_sure = read.is_ok();
            if let Some(why) = problem {
                walk.problems.push(format!("line {} of the chain: {why}", walk.n_lines));
                walk.mark = walk.problems.last().cloned();
            }
            if is_mark {
                walk.mark = None;
            }
        }
        walk
    }

    /// Goes on by one line. `is_sure`: the head before it is known.
    fn step(&mut self, link: &Link, is_sure: bool) -> Option<String> {
        let may_follow = is_sure || link.mark.is_some();
        let follows = !may_follow || self.head.followed_by(link.sha256) == link.head;
        self.head = link.head;
        let problem =
            if link.is_rewriting() { self.rewrite(link) } else { self.seal(link, is_sure) };
        match &link.mark {
            _ if !follows => Some("its head does not follow from the lines before it".to_owned()),
            // There is nothing before it that it could rest on.
            Some(mark) if self.n_lines == 1 => {
                self.notes.push(format!("the chain begins anew: {mark}"));
                problem
            }
            Some(mark) => Some(format!("the chain was taken up again here: {mark}")),
            None => problem,
        }
    }

    fn seal(&mut self, link: &Link, is_sure: bool) -> Option<String> {
        let expected = self.last_seq.map(|it| it + 1).filter(|_| is_sure);
        let before = self.known.insert(
            link.segment,
            Known {
                first_seq: link.first_seq,
                last_seq: link.last_seq,
                sha256: link.sha256,
                before: None,
            },
        );
        self.last_seq = self.last_seq.max(Some(link.last_seq));
        if before.is_some() {
            return Some(format!("segment {} was sealed before", link.segment));
        }
        let expected = expected.filter(|it| *it != link.first_seq)?;
        Some(format!("it begins at record {}, not at {expected}", link.first_seq))
    }

    fn rewrite(&mut self, link: &Link) -> Option<String> {
        let before = link.sha256_before;
        let entry = self.known.entry(link.segment).or_insert(Known {
            first_seq: link.first_seq,
            last_seq: link.last_seq,
            sha256: before.unwrap_or_default(),
            before: None,
        });
        // A rewriting that a crash ended began again from the same records.
        let is_known = before == Some(entry.sha256) || (before.is_some() && before == entry.before);
        *entry = Known { sha256: link.sha256, before, ..*entry };
        (!is_known).then(|| {
            format!("before its rewriting, segment {} was not what was sealed", link.segment)
        })
    }
}
