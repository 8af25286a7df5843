//! Doing what was planned. Each step is whole or not done, and running it again goes on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustc_hash::FxHashSet;

use super::plan::{ArchiveStep, Plan, TotalStep};
use crate::care::error::CareError;
use crate::care::examine::Examined;
use crate::care::folder;
use crate::care::progress::Progress;
use crate::care::under_way::UnderWay;
use crate::domain::{
    Call, CallId, Conflict, Event, Notices, Position, REQUESTS_KEPT, Record, Role, Seq, State,
    SyncStatus,
};
use crate::files::sync_folder;
use crate::journal::chain::{self, Follow};
use crate::journal::mend;
use crate::journal::quarantine::Quarantine;
use crate::journal::survey::survey;
use crate::readers::{archive, snapshot};

/// Does it, and tells what was done.
pub fn act(
    found: Examined,
    plan: Plan,
    quarantine: &Quarantine,
    node: &str,
    progress: &mut Progress,
) -> Result<Vec<String>, CareError> {
    let mut told = Vec::new();
    let dir = folder::journal(&found.data_dir);
    fs::create_dir_all(&dir).map_err(CareError::io("create", &dir))?;
    let mut under_way = plan.unfinished.clone().unwrap_or_default();
    if let Some(journal) = &plan.journal {
        under_way.add(journal);
        under_way.save(&found.data_dir)?;
        let tell = |done, total| progress.tell("repairing the journal", done, total);
        let mended = mend::mend(&dir, journal, quarantine, node, tell)?;
        told.extend(mended.kept.iter().map(|it| put_aside(it)));
    }
    if plan.chain || plan.journal.is_some() || plan.unfinished.is_some() {
        told.extend(follow_chain(&dir, &under_way, quarantine)?);
        UnderWay::remove(&found.data_dir)?;
    }
    for it in &plan.leftovers {
        fs::remove_file(it).map_err(CareError::io("remove", it))?;
    }
    let Examined { data_dir, total, archive, differing, .. } = found;
    let calls = match (&plan.total, &archive) {
        (TotalStep::Anew { from_archive: true, .. }, Ok(Some(look))) => look.open_calls().ok(),
        _ => None,
    };
    // It must not be open when it is moved.
    let complete_from = archive.ok().flatten().map_or(1, |it| it.complete_from);
    let stored = total.ok().flatten().map(|it| it.0);
    told.extend(total_json(&data_dir, &plan, calls, stored, quarantine)?);
    let wrong: FxHashSet<CallId> = differing.calls.iter().map(|it| it.0).collect();
    told.extend(archive_db(&data_dir, &plan, complete_from, &wrong, quarantine, progress)?);
    if let Some(why) = &plan.mirror {
        let kept = quarantine.take(&folder::cursor(&data_dir), why)?;
        told.extend(kept.map(|it| put_aside(&it)));
    }
    Ok(told)
}

fn put_aside(path: &Path) -> String {
    format!("put aside: {}", path.display())
}

fn follow_chain(
    dir: &Path,
    under_way: &UnderWay,
    quarantine: &Quarantine,
) -> Result<Option<String>, CareError> {
    let UnderWay { mended, has_moved } = under_way;
    Ok(match chain::follow_repair(dir, mended, *has_moved, quarantine)? {
        Follow::Kept(0) => None,
        Follow::Kept(n) => Some(format!("the hash chain tells of the repair in {n} new lines")),
        Follow::Anew(kept) => {
            Some(format!("the hash chain begins anew; the old one is {}", kept.display()))
        }
    })
}

fn total_json(
    data_dir: &Path,
    plan: &Plan,
    calls: Option<Vec<Call>>,
    stored: Option<State>,
    quarantine: &Quarantine,
) -> Result<Vec<String>, CareError> {
    let path = snapshot::path(data_dir);
    let mut told = Vec::new();
    match &plan.total {
        TotalStep::Keep => {}
        TotalStep::Away(why) => {
            told.extend(quarantine.take(&path, why)?.map(|it| put_aside(&it)));
        }
        TotalStep::Anew { why, stands_at, .. } => {
            let Some(journal) = plan.id else { return Ok(told) };
            let state = match calls {
                Some(calls) => from_archive(data_dir, calls, stored.as_ref(), *stands_at)?,
                // What is there is better than nothing.
                None => {
                    let of = |it: &State| it.calls().map(|it| Call::clone(it)).collect();
                    let calls = stored.as_ref().map(of).unwrap_or_default();
                    let notices = stored.as_ref().map(State::notices).unwrap_or_default();
                    State::restore(calls, notices, plan.range.0 - 1)
                }
            };
            let position = Position { journal, seq: state.seq() };
            if path.exists() {
                told.push(put_aside(&quarantine.copy(&path, why)?));
            }
            snapshot::save(data_dir, &state, position, &|_| SyncStatus::PendingSync)?;
            told.push(format!(
                "total.json stands at record {} with {} open calls",
                position.seq,
                state.n_open()
            ));
        }
    }
    Ok(told)
}

/// The open calls as the archive has them, and what it does not keep from the records that are held
/// and from the old state.
fn from_archive(
    data_dir: &Path,
    calls: Vec<Call>,
    stored: Option<&State>,
    stands_at: Seq,
) -> Result<State, CareError> {
    let mut calls: BTreeMap<CallId, Call> = calls.into_iter().map(|it| (it.id, it)).collect();
    let mut notices = Notices::default();
    if let Some(stored) = stored {
        for call in calls.values_mut() {
            if let Some(old) = stored.call(call.id) {
                (call.heard, call.requests) = (old.heard, old.requests.clone());
                call.edits = old.edits.clone();
            }
        }
        notices = stored.notices();
    }
    let each = |record: Record| {
        if record.seq <= stands_at {
            note(&record, &mut calls, &mut notices);
        }
    };
    survey(&folder::journal(data_dir), &[], each, |_, _| ())?;
    notices.alerts.retain(|it| it.call_id.is_none_or(|id| calls.contains_key(&id)));
    Ok(State::restore(calls.into_values().collect(), notices, stands_at))
}

fn note(record: &Record, calls: &mut BTreeMap<CallId, Call>, notices: &mut Notices) {
    let Notices { alerts, conflicts } = notices;
    match &record.event {
        Event::WordsHeard { call_id, message_id } => {
            if let Some(call) = calls.get_mut(call_id) {
                call.heard = call.heard.max(Some(*message_id));
            }
        }
        Event::MessageAdded(it) if it.message.role == Role::User => {
            let Some(call) = calls.get_mut(&it.call_id) else { return };
            let Some(token) = &it.request else { return };
            if call.requests.len() == REQUESTS_KEPT {
                call.requests.pop_front();
            }
            call.requests.push_back((token.clone(), it.message.id));
        }
        Event::AlertRaised(it) if alerts.iter().all(|own| own.alert_id != it.alert_id) => {
            alerts.push(it.clone());
        }
        Event::AlertAcknowledged(it) => alerts.retain(|own| own.alert_id != it.alert_id),
        Event::ConflictFound(it)
            if conflicts.iter().all(|own| own.conflict_id != it.conflict_id) =>
        {
            conflicts.push(Conflict::clone(it));
        }
        Event::ConflictSettled(it) => {
            conflicts.retain(|own| own.conflict_id != it.conflict_id);
        }
        _ => {}
    }
}

fn archive_db(
    data_dir: &Path,
    plan: &Plan,
    complete_from: Seq,
    wrong: &FxHashSet<CallId>,
    quarantine: &Quarantine,
    progress: &mut Progress,
) -> Result<Vec<String>, CareError> {
    let path = archive::path(data_dir);
    let (why, is_salvaged) = match &plan.archive {
        ArchiveStep::Keep => return Ok(Vec::new()),
        ArchiveStep::Away(why) => (why, false),
        ArchiveStep::Salvage(why) => (why, true),
    };
    let mut told = Vec::new();
    if is_salvaged && let Some(journal) = plan.id {
        // Made beside, whole and synced before anything happens to the old one.
        let beside = archive::beside(data_dir);
        let first = plan.range.0;
        // Everything that is held is read once more.
        let position = Position { journal, seq: first - 1 };
        let from = if first > 1 { first } else { complete_from };
        let tell = |done, total| progress.tell("salvaging the archive", done, total);
        let came =
            archive::salvage(&path, &beside, position, from, |id| wrong.contains(&id), tell)?;
        told.push(format!(
            "{} calls with {} messages came over from archive.db; {} of either do not read",
            came.n_calls, came.n_messages, came.n_lost
        ));
        // At each moment there is one under that name: without any, a server would begin anew.
        if path.exists() {
            told.push(put_aside(&quarantine.link(&path, why)?));
        }
        told.extend(take_logs(&path, why, quarantine)?);
        fs::rename(&beside, &path).map_err(CareError::io("rename", &beside))?;
        sync_folder(data_dir).map_err(CareError::io("sync", data_dir))?;
    } else {
        told.extend(take_logs(&path, why, quarantine)?);
        told.extend(quarantine.take(&path, why)?.map(|it| put_aside(&it)));
    }
    Ok(told)
}

/// The log goes before its file: beside another one it would be taken for that one's.
fn take_logs(path: &Path, why: &str, quarantine: &Quarantine) -> Result<Vec<String>, CareError> {
    let mut told = Vec::new();
    for it in &archive::with_logs(path)[1..] {
        told.extend(quarantine.take(it, why)?.map(|it| put_aside(&it)));
    }
    Ok(told)
}
