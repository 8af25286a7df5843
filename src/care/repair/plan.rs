//! What is to be done about what was found. Nothing is done here.

use std::path::PathBuf;

use crate::care::error::CareError;
use crate::care::examine::{Compared, Examined};
use crate::care::folder;
use crate::care::under_way::UnderWay;
use crate::domain::{JournalId, Position, Seq};
use crate::journal::mend::{self, Hints};
use crate::readers::archive::ArchiveError;

/// Ranges and calls that are named in one sentence.
const NAMED: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TotalStep {
    Keep,
    /// It goes; the journal rebuilds it.
    Away(String),
    /// A new one is made, because the journal no longer holds its own beginning.
    Anew {
        why: String,
        stands_at: Seq,
        from_archive: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveStep {
    Keep,
    /// It goes; the journal rebuilds it.
    Away(String),
    /// It goes, and what reads of it comes over into a new one.
    Salvage(String),
}

#[derive(Debug)]
pub struct Plan {
    pub journal: Option<mend::Plan>,
    pub chain: bool,
    pub total: TotalStep,
    pub archive: ArchiveStep,
    /// Why the mirror's position goes.
    pub mirror: Option<String>,
    /// What an interrupted repair had in hand.
    pub unfinished: Option<UnderWay>,
    /// Half a copy of the archive, which it made.
    pub leftovers: Vec<PathBuf>,
    pub id: Option<JournalId>,
    /// The first record that is held afterwards, and the last.
    pub range: (Seq, Seq),
}

/// # Errors
/// What must not be repaired, or cannot.
pub fn plan(found: &Examined) -> Result<Plan, CareError> {
    match &found.archive {
        Err(ArchiveError::Newer { found, known }) => {
            return Err(ArchiveError::Newer { found: *found, known: *known }.into());
        }
        Err(err) if err.is_passing() => {
            return Err(CareError::NotNow(err.to_string()));
        }
        _ => {}
    }
    let journal = journal(found)?;
    let id = journal.as_ref().map(|it| it.id).or(found.id());
    let range = journal
        .as_ref()
        .filter(|it| it.last > 0)
        .map(|it| (it.first, it.last))
        .or(found.range())
        .unwrap_or((1, 0));
    let has_lost = found.has_lost || journal.as_ref().is_some_and(|it| it.n_lost() > 0);
    Ok(Plan {
        chain: !found.chain.does_read,
        total: total(found, id, range),
        archive: archive(found, range.0 > 1 || has_lost),
        mirror: mirror(found, id, range.1),
        unfinished: found.repairing.clone(),
        leftovers: found.leftovers.clone(),
        journal: journal.filter(|it| !it.is_empty()),
        id,
        range,
    })
}

fn journal(found: &Examined) -> Result<Option<mend::Plan>, CareError> {
    let positions = || found.total_position().into_iter().chain(found.archive_position());
    let cursor = found.cursor.as_ref().ok().copied().flatten();
    let id = found.id().or(positions().chain(cursor).map(|it| it.journal).next());
    // Whoever stands beyond the end has read records that are gone: their numbers stay theirs.
    let own = positions().filter(|it| Some(it.journal) == id);
    let sealed = found.chain.last_sealed.filter(|_| found.chain.does_read);
    let hints = Hints {
        id,
        reach: own.map(|it| it.seq).chain(sealed.map(|it| it.1)).max().unwrap_or(0),
        sealed: sealed.map(|it| it.0),
        new_id_bits: rand::random(),
    };
    Ok(mend::plan(&folder::journal(&found.data_dir), &found.survey, hints)?)
}

fn total(found: &Examined, id: Option<JournalId>, (first, last): (Seq, Seq)) -> TotalStep {
    let wrong = match &found.total {
        Err(err) => Some(err.to_string()),
        Ok(None) if first > 1 => Some("it is missing".to_owned()),
        Ok(None) => return TotalStep::Keep,
        Ok(Some((_, position))) if Some(position.journal) != id && id.is_some() => {
            Some(format!("it belongs to journal {}", position.journal))
        }
        Ok(Some((_, position))) if position.seq + 1 < first => {
            Some(format!("it stands at record {}, and the journal begins at {first}", position.seq))
        }
        Ok(Some(_)) => match &found.replayed {
            Compared::Calls(_) | Compared::Alerts => {
                Some("it is not as the journal tells it".to_owned())
            }
            Compared::Equal | Compared::Not(_) => None,
        },
    };
    let Some(why) = wrong else { return TotalStep::Keep };
    if first == 1 {
        return TotalStep::Away(why);
    }
    // The archive knows the calls as they were where it stands.
    let is_near = |it: &Position| Some(it.journal) == id && it.seq + 1 >= first && it.seq <= last;
    match found.archive_position().filter(is_near) {
        Some(it) => TotalStep::Anew { why, stands_at: it.seq, from_archive: true },
        None => TotalStep::Anew { why, stands_at: first - 1, from_archive: false },
    }
}

fn archive(found: &Examined, is_needed: bool) -> ArchiveStep {
    let why = match &found.archive {
        Err(err) => err.to_string(),
        Ok(Some(_)) if !found.archive_problems.is_empty() => {
            format!("it is damaged: {}", found.archive_problems[0])
        }
        Ok(Some(_)) if found.differing.n_differing > 0 => {
            format!("{} calls are not as the journal tells them", found.differing.n_differing)
        }
        _ => return ArchiveStep::Keep,
    };
    if is_needed { ArchiveStep::Salvage(why) } else { ArchiveStep::Away(why) }
}

fn mirror(found: &Examined, id: Option<JournalId>, last: Seq) -> Option<String> {
    match &found.cursor {
        Err(err) => Some(err.to_string()),
        Ok(Some(it)) if Some(it.journal) == id && it.seq > last => {
            Some(format!("it stands at record {}, but the journal ends at {last}", it.seq))
        }
        Ok(_) => None,
    }
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.journal.is_none()
            && !self.chain
            && self.total == TotalStep::Keep
            && self.archive == ArchiveStep::Keep
            && self.mirror.is_none()
            && self.unfinished.is_none()
            && self.leftovers.is_empty()
    }

    /// In words for whoever has to agree.
    pub fn told(&self, found: &Examined) -> Vec<String> {
        let mut steps = Vec::new();
        if self.unfinished.is_some() {
            steps.push("a repair that was interrupted is finished".to_owned());
        }
        for it in &self.leftovers {
            steps.push(format!("{} is removed: half a copy of the archive", it.display()));
        }
        if let Some(journal) = &self.journal {
            tell_journal(journal, &mut steps);
        }
        if self.chain {
            steps.push(
                "the hash chain does not read: it goes to quarantine and begins anew".to_owned(),
            );
        }
        match &self.total {
            TotalStep::Keep => {}
            TotalStep::Away(why) => steps
                .push(format!("total.json goes to quarantine ({why}); the journal rebuilds it")),
            TotalStep::Anew { why, stands_at, from_archive: true } => steps.push(format!(
                "total.json is made anew ({why}): the open calls as the archive has them at record \
                 {stands_at}"
            )),
            TotalStep::Anew { why, stands_at, from_archive: false } => {
                steps.push(format!(
                    "total.json is made anew ({why}), and stands at record {stands_at}; {}",
                    lost_calls(found)
                ));
            }
        }
        match &self.archive {
            ArchiveStep::Keep => {}
            ArchiveStep::Away(why) => steps.push(format!(
                "archive.db goes to quarantine ({why}); the server rebuilds it from the journal"
            )),
            ArchiveStep::Salvage(why) => steps.push(format!(
                "archive.db goes to quarantine ({why}); what reads of it comes over into a new one, \
                 since the journal no longer tells everything"
            )),
        }
        if let Some(why) = &self.mirror {
            steps.push(format!(
                "readers/firebase.json goes to quarantine ({why}); the mirror sends the whole state \
                 again"
            ));
        }
        steps
    }
}

fn tell_journal(plan: &mend::Plan, steps: &mut Vec<String>) {
    for (path, why) in &plan.away {
        steps.push(format!("{} goes to quarantine: {why}", path.display()));
    }
    for (from, to) in &plan.renamed {
        steps.push(format!("{} becomes {}", from.display(), to.display()));
    }
    for it in &plan.files {
        let n_bytes: u64 = it.spans.iter().map(|it| it.n_bytes).sum();
        let path = it.path.display();
        steps.push(match (it.is_new, n_bytes) {
            (true, _) if it.pieces.is_empty() => {
                format!("{path} is made: there the journal goes on")
            }
            (true, _) => format!("{path} is made, for records that are missing"),
            (false, 0) => format!("{path} is written anew"),
            (false, _) => format!("{path} is written anew; {n_bytes} bytes of it go to quarantine"),
        });
    }
    if plan.n_lost() > 0 {
        let range = |it: &(Seq, Seq)| match it {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        let named: Vec<_> = plan.lost.iter().take(NAMED).map(range).collect();
        let more = if plan.lost.len() > NAMED { ", …" } else { "" };
        steps.push(format!(
            "{} records are lost and get placeholders: {}{more}",
            plan.n_lost(),
            named.join(", ")
        ));
    }
}

fn lost_calls(found: &Examined) -> String {
    let kept = match &found.total {
        Ok(Some((state, _))) => state.n_open(),
        _ => 0,
    };
    let state = found.total.as_ref().ok().and_then(Option::as_ref).map(|it| &it.0);
    let is_lost = |id: &&crate::domain::CallId| state.is_none_or(|it| it.call(**id).is_none());
    let lost: Vec<_> = found.begun_before.iter().filter(is_lost).collect();
    let named: Vec<_> = lost.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if lost.len() > NAMED { ", …" } else { "" };
    let named =
        if named.is_empty() { String::new() } else { format!(" ({}{more})", named.join(", ")) };
    format!(
        "{kept} open calls of it stay. Calls that began before and still go on are no longer active: \
         {} are known by later words{named}; their words stay in the journal",
        lost.len()
    )
}
