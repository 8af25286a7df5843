//! Which line comes from where: each sequence of each file, once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::order::{Ordered, Placed};
use super::spans::spans_of;
use super::{FilePlan, Hints, MOST_LOST, Piece, Plan};
use crate::domain::{JournalId, Seq, Timestamp};
use crate::journal::error::JournalError;
use crate::journal::line::{FORMAT, Header};
use crate::journal::segment;
use crate::journal::survey::{Bad, Head, Part, Run};

/// Lines that read, and the file that they are in.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    run: Run,
}

/// Sequences that have a line: the first of a stretch, its last one and where they come from.
type Cover = BTreeMap<Seq, (Seq, Source)>;

/// A stretch of the journal and the file that it belongs into.
struct Slot {
    /// Its place among the files that stay; `None` for a file that is made.
    place: Option<usize>,
    ordinal: u32,
    path: PathBuf,
    first: Seq,
    last: Seq,
    pieces: Vec<Piece>,
}

pub fn assemble(dir: &Path, mut ordered: Ordered, hints: Hints) -> Result<Plan, JournalError> {
    set_void_ones_aside(&mut ordered);
    let pool = pool(&ordered);
    let mut slots = slots(dir, &ordered, hints);
    let mut clock = Timestamp::default();
    for slot in &mut slots {
        let own = slot.place.map(|it| sources(&ordered.placed[it])).unwrap_or_default();
        slot.fill(&own, &pool, &mut clock);
    }
    let mut plan = Plan {
        id: ordered.id,
        first: slots.first().map_or(1, |it| it.first),
        last: slots.last().map_or(0, |it| it.last),
        away: ordered.away.clone(),
        renamed: ordered.renamed.clone(),
        files: Vec::new(),
        lost: lost(&slots),
    };
    let used: Vec<Piece> = slots.iter().flat_map(|it| it.pieces.iter().cloned()).collect();
    for slot in slots {
        let placed = slot.place.map(|it| &ordered.placed[it]);
        if placed.is_some_and(|it| slot.is_as_it_stands(it, slot.last == plan.last)) {
            continue;
        }
        let spans = match placed {
            Some(placed) => spans_of(&placed.file, &placed.path, &used)?,
            None => Vec::new(),
        };
        plan.files.push(slot.into_plan(placed, ordered.id, spans));
    }
    if let Some(leftover) = ordered.leftover.filter(|_| !plan.is_empty()) {
        plan.away.push((leftover, "it was being made when the process ended".to_owned()));
    }
    Ok(plan)
}

/// Files of which nothing counts stay where they are, unless a start could not read their header.
fn set_void_ones_aside(ordered: &mut Ordered) {
    let mut place = 0;
    while place + 1 < ordered.placed.len() {
        let it = &ordered.placed[place];
        if ordered.placed[place + 1].first > it.first {
            place += 1;
            continue;
        }
        let it = ordered.placed.remove(place);
        if !matches!(it.file.head, Head::Good(_)) {
            ordered.away.push((it.path, "nothing in it counts".to_owned()));
        }
    }
}

fn sources(placed: &Placed) -> Vec<Source> {
    let source = |run: &Run| Source { path: placed.path.clone(), run: *run };
    placed.file.runs().map(source).collect()
}

/// Lines that stand in a file that they do not belong into.
fn pool(ordered: &Ordered) -> Vec<Source> {
    let mut pool = Vec::new();
    for (place, it) in ordered.placed.iter().enumerate() {
        let limit = ordered.placed.get(place + 1).map(|it| it.first);
        let is_own = |run: &Run| run.last >= it.first && limit.is_none_or(|end| run.first < end);
        let last_own = it.file.runs().filter(|run| is_own(run)).map(|run| run.offset).max();
        // What stands behind the last line that counts may be a write that failed: never that.
        let is_carried =
            |run: &&Run| !is_own(run) && (run.last < it.first || Some(run.offset) < last_own);
        let carried = it.file.runs().filter(is_carried);
        pool.extend(carried.map(|run| Source { path: it.path.clone(), run: *run }));
    }
    for it in &ordered.strays {
        pool.extend(it.runs().map(|run| Source { path: it.path.clone(), run: *run }));
    }
    pool
}

/// The stretches of the journal, without a gap.
fn slots(dir: &Path, ordered: &Ordered, hints: Hints) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (place, it) in ordered.placed.iter().enumerate() {
        let next = ordered.placed.get(place + 1);
        let limit = next.map(|it| it.first);
        let (ordinal, path, first) = (it.ordinal, it.path.clone(), it.first);
        let own_last = own_last(it, limit);
        let end = limit.map_or_else(|| own_last.max(hints.reach), |it| it - 1);
        let is_free =
            next.is_some_and(|it| ordinal + 1 < it.ordinal && may_take(ordered, ordinal + 1));
        let is_apart = own_last < end && is_free;
        let last = if is_apart { own_last } else { end };
        slots.push(Slot { place: Some(place), ordinal, path, first, last, pieces: Vec::new() });
        if is_apart {
            let (ordinal, first) = (ordinal + 1, own_last + 1);
            let path = segment::path(dir, ordinal);
            slots.push(Slot { place: None, ordinal, path, first, last: end, pieces: Vec::new() });
        }
    }
    let last = slots.last().map(|it| (it.ordinal, it.last));
    let goes_on = match last {
        // What was sealed is not written to any more.
        Some((ordinal, last)) => hints.sealed.filter(|it| ordinal <= *it).map(|_| last),
        None => Some(hints.reach).filter(|it| *it > 0),
    };
    if let Some(last) = goes_on {
        let ordinal = ordered.next_ordinal.max(hints.sealed.map_or(0, |it| it + 1));
        let (path, first) = (segment::path(dir, ordinal), last + 1);
        slots.push(Slot { place: None, ordinal, path, first, last, pieces: Vec::new() });
    }
    slots
}

/// Whether a number is nobody's, or of a file that goes.
fn may_take(ordered: &Ordered, ordinal: u32) -> bool {
    ordered.placed.iter().all(|it| it.ordinal != ordinal && it.file.ordinal != ordinal)
}

/// The last record that the file held, as far as it can be told: each line that does not read
/// behind the last one that does was a record, too.
fn own_last(placed: &Placed, limit: Option<Seq>) -> Seq {
    let first = placed.first;
    let (mut last, mut n_bad) = (first - 1, 0);
    for part in &placed.file.parts {
        match part {
            Part::Run(run) => {
                let is_near = run.first <= last.saturating_add(MOST_LOST);
                let is_own = run.last >= first && is_near && limit.is_none_or(|it| run.first < it);
                if is_own {
                    last = last.max(run.last);
                    n_bad = 0;
                }
            }
            // The header's own line.
            Part::Bad(Bad { line: 1, n_lines, .. }) => n_bad += n_lines.saturating_sub(1),
            Part::Bad(bad) => n_bad += bad.n_lines,
        }
    }
    let last = last + n_bad;
    limit.map_or(last, |it| last.min(it - 1))
}

impl Slot {
    fn fill(&mut self, own: &[Source], pool: &[Source], clock: &mut Timestamp) {
        let mut cover = Cover::new();
        for source in own.iter().chain(pool) {
            take(&mut cover, source, self.first, self.last);
        }
        let mut next = self.first;
        for (first, (last, source)) in cover {
            if next < first {
                let before =
                    if *clock == Timestamp::default() { source.run.first_at } else { *clock };
                let at = before.min(source.run.first_at);
                self.pieces.push(Piece::Lost { first: next, last: first - 1, at });
            }
            *clock = if last == source.run.last { source.run.last_at } else { source.run.first_at };
            let (path, offset) = (source.path, source.run.offset);
            self.pieces.push(Piece::Lines { path, offset, first, last });
            next = last + 1;
        }
        if next <= self.last {
            self.pieces.push(Piece::Lost { first: next, last: self.last, at: *clock });
        }
    }

    /// Whether the file says just this already.
    fn is_as_it_stands(&self, placed: &Placed, is_last: bool) -> bool {
        let is_headed = matches!(placed.file.head, Head::Good(_));
        let is_clean =
            !is_last || (placed.file.parts.len() <= 1 && placed.file.bads().count() == 0);
        let begins = placed.file.header_bytes;
        let is_one = match self.pieces.as_slice() {
            [] => self.first > self.last,
            [Piece::Lines { path, offset, first, .. }] => {
                (path, *offset, *first) == (&placed.path, begins, self.first)
            }
            _ => false,
        };
        is_headed && is_clean && is_one
    }

    fn into_plan(
        self,
        placed: Option<&Placed>,
        id: JournalId,
        spans: Vec<crate::journal::quarantine::Span>,
    ) -> FilePlan {
        let has_lost = self.pieces.iter().any(|it| matches!(it, Piece::Lost { .. }));
        let old = placed.and_then(|it| it.file.head.header()).filter(|_| !has_lost);
        let format = old.map_or(FORMAT, |it| it.format);
        let header = Header { format, ..Header::new(id, self.first) };
        let Self { ordinal, path, pieces, .. } = self;
        FilePlan { ordinal, path, is_new: placed.is_none(), header, pieces, spans }
    }
}

/// Lets a source stand for all that nobody stands for yet.
fn take(cover: &mut Cover, source: &Source, first: Seq, last: Seq) {
    let mut next = source.run.first.max(first);
    let end = source.run.last.min(last);
    while next <= end {
        if let Some((_, (covered_to, _))) = cover.range(..=next).next_back()
            && *covered_to >= next
        {
            next = covered_to + 1;
            continue;
        }
        let free_to = cover.range(next..).next().map_or(end, |it| end.min(it.0 - 1));
        cover.insert(next, (free_to, source.clone()));
        next = free_to + 1;
    }
}

fn lost(slots: &[Slot]) -> Vec<(Seq, Seq)> {
    let mut lost: Vec<(Seq, Seq)> = Vec::new();
    for piece in slots.iter().flat_map(|it| &it.pieces) {
        let Piece::Lost { first, last, .. } = piece else { continue };
        match lost.last_mut() {
            Some(before) if before.1 + 1 == *first => before.1 = *last,
            _ => lost.push((*first, *last)),
        }
    }
    lost
}
