//! Which files are part of the journal, and in which order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Hints;
use crate::domain::{JournalId, Seq};
use crate::journal::segment;
use crate::journal::survey::{Head, Part, Run, Survey, Surveyed};

/// A file that stays.
#[derive(Debug, Clone)]
pub struct Placed {
    pub file: Surveyed,
    pub first: Seq,
    /// Where it lies once files have got their numbers.
    pub path: PathBuf,
    pub ordinal: u32,
}

#[derive(Debug)]
pub struct Ordered {
    pub id: JournalId,
    pub placed: Vec<Placed>,
    /// Files that go, and still may have lines that others lack.
    pub strays: Vec<Surveyed>,
    pub away: Vec<(PathBuf, String)>,
    pub renamed: Vec<(PathBuf, PathBuf)>,
    /// A last file that was being made. A start takes it away, if it still is the last.
    pub leftover: Option<PathBuf>,
    pub next_ordinal: u32,
}

/// `None` if there is no file, and nothing was ever read.
pub fn order(dir: &Path, survey: &Survey, hints: Hints) -> Option<Ordered> {
    if survey.files.iter().all(Surveyed::is_leftover) && hints.reach == 0 && survey.files.len() < 2
    {
        return None;
    }
    let id = id_of(survey, hints);
    let mut ordered = Ordered {
        id,
        placed: Vec::new(),
        strays: Vec::new(),
        away: Vec::new(),
        renamed: Vec::new(),
        leftover: None,
        next_ordinal: survey.files.last().map_or(1, |it| it.ordinal + 1),
    };
    for (place, file) in survey.files.iter().enumerate() {
        let is_last = place + 1 == survey.files.len();
        if is_last && file.is_leftover() {
            ordered.leftover = Some(file.path.clone());
            continue;
        }
        ordered.place(file, id);
    }
    ordered.set_copies_aside();
    ordered.sort(dir);
    Some(ordered)
}

/// The id that most segments bear; else what is known from elsewhere.
fn id_of(survey: &Survey, hints: Hints) -> JournalId {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for header in survey.files.iter().filter_map(|it| it.head.header()) {
        *counts.entry(&header.journal_id).or_default() += 1;
    }
    let is_hinted = |id: &str| hints.id.is_some_and(|it| it.as_str() == id);
    let most = counts.into_iter().max_by_key(|(id, n)| (*n, is_hinted(id)));
    let most = most.and_then(|it| it.0.parse().ok());
    most.or(hints.id).unwrap_or_else(|| JournalId::from_bits(hints.new_id_bits))
}

impl Ordered {
    fn place(&mut self, file: &Surveyed, id: JournalId) {
        let first = match &file.head {
            Head::Good(it) | Head::Displaced(it) if it.journal_id != id.as_str() => {
                let why = format!("it belongs to journal {}, not to {id}", it.journal_id);
                return self.away.push((file.path.clone(), why));
            }
            Head::Good(it) | Head::Displaced(it) => it.first_seq,
            Head::Bad(_) | Head::Unfinished => {
                let Some(first) = self.first_by_records(file) else {
                    let why = "nothing in it reads".to_owned();
                    return self.away.push((file.path.clone(), why));
                };
                first
            }
        };
        let (path, ordinal) = (file.path.clone(), file.ordinal);
        self.placed.push(Placed { file: file.clone(), first: first.max(1), path, ordinal });
    }

    /// Where a file without a header began: behind the one before it, unless its records say that
    /// it took over earlier.
    fn first_by_records(&self, file: &Surveyed) -> Option<Seq> {
        let first = file.runs().map(|it| it.first).min()?;
        let before = self.placed.iter().map(|it| last_of(&it.file, it.first)).max();
        Some(match before {
            Some(last) if last < first => last + 1,
            Some(_) => first,
            None => {
                // The header's own line is no record.
                let is_bad = |it: &&Part| matches!(it, Part::Bad(_));
                let n_bad: u64 = file
                    .parts
                    .iter()
                    .take_while(is_bad)
                    .map(|it| match it {
                        Part::Bad(bad) => bad.n_lines,
                        Part::Run(_) => 0,
                    })
                    .sum();
                first.saturating_sub(n_bad.saturating_sub(1)).max(1)
            }
        })
    }

    /// Of files that begin at the same record and stand where they should not, all go but the one
    /// that stands best.
    fn set_copies_aside(&mut self) {
        while let Some(place) = self.first_copy() {
            let copy = self.placed.remove(place);
            let why =
                format!("it is a copy of another segment that begins at record {}", copy.first);
            self.away.push((copy.path, why));
            self.strays.push(copy.file);
        }
    }

    fn first_copy(&self) -> Option<usize> {
        let n_wrong = |place: usize| {
            let first = self.placed[place].first;
            let before = self.placed[..place].iter().filter(|it| it.first > first).count();
            before + self.placed[place + 1..].iter().filter(|it| it.first < first).count()
        };
        let is_copy = |place: &usize| {
            let first = self.placed[*place].first;
            self.placed.iter().filter(|it| it.first == first).count() > 1 && n_wrong(*place) > 0
        };
        (0..self.placed.len()).filter(is_copy).max_by_key(|it| n_wrong(*it))
    }

    /// Brings files into the order of their records. Each that has to move gets a number that no
    /// file had, so that none is ever written over, whatever interrupts it.
    fn sort(&mut self, dir: &Path) {
        if self.placed.is_sorted_by_key(|it| it.first) {
            return;
        }
        let mut is_moved = false;
        self.placed.sort_by_key(|it| (it.first, it.ordinal));
        for place in 1..self.placed.len() {
            is_moved |= self.placed[place].ordinal < self.placed[place - 1].ordinal;
            if is_moved {
                let it = &mut self.placed[place];
                it.ordinal = self.next_ordinal;
                it.path = segment::path(dir, it.ordinal);
                self.renamed.push((it.file.path.clone(), it.path.clone()));
                self.next_ordinal += 1;
            }
        }
    }
}

/// The last record of a file that fits behind its beginning.
fn last_of(file: &Surveyed, first: Seq) -> Seq {
    file.runs().map(|it: &Run| it.last).filter(|it| *it >= first).max().unwrap_or(first - 1)
}
