//! Lines and files in wrong places, and several kinds of damage at once: either refused by name,
//! or everything is there but the end.

use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use aurora::domain::Record;
use aurora::journal::JournalError;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::support::{
    copy, files, folder, is_long, lines, open, records, say_words, segments, try_open,
};

struct Whole {
    dir: TempDir,
    all: Vec<Arc<Record>>,
}

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let dir = folder();
    let journal = open(dir.path());
    say_words(&journal, 0..22);
    let all = records(&journal);
    drop(journal);
    Whole { dir, all }
});

/// Opens a damaged copy. Refused: nothing was changed, and the message names a file of it. Else
/// nothing may be missing but lines that are missing at the very end of the last file.
fn is_told_or_whole(dir: &Path) -> Result<(), String> {
    let before = files(dir);
    let last = segments(WHOLE.dir.path()).pop().expect("there are segments");
    match try_open(dir) {
        Err(JournalError::Corrupt { file, line, .. }) => {
            let is_named = before.contains_key(&file) && line >= 1;
            (is_named && files(dir) == before).then_some(()).ok_or("named nothing".to_owned())
        }
        Err(JournalError::Mismatch { .. }) if files(dir) == before => Ok(()),
        Err(err) => Err(format!("{err:?}")),
        Ok(journal) => {
            let found = records(&journal);
            let all = &WHOLE.all;
            if found == *all {
                return Ok(());
            }
            let here = before.get(&dir.join("journal").join(last.file_name().unwrap_or_default()));
            let here = here.map_or(&[][..], Vec::as_slice);
            let n_whole = here.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
            let is_only_shorter = fs::read(&last).unwrap().starts_with(&here[..n_whole]);
            (all.starts_with(&found) && is_only_shorter).then_some(()).ok_or(format!(
                "{} of {} records, silently",
                found.len(),
                all.len()
            ))
        }
    }
}

/// The files' lines, changed and put back.
fn change_lines(dir: &Path, change: impl FnOnce(&mut [Vec<Vec<u8>>])) {
    let files = segments(dir);
    let mut all: Vec<_> = files.iter().map(|it| lines(it)).collect();
    change(&mut all);
    for (file, lines) in files.iter().zip(all) {
        fs::write(file, lines.concat()).unwrap();
    }
}

#[test]
fn lines_that_change_places_between_segments_are_refused() {
    let n_lines: Vec<_> = segments(WHOLE.dir.path()).iter().map(|it| lines(it).len()).collect();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        for (i, j) in (0..n_lines[a]).flat_map(|i| (0..n_lines[b]).map(move |j| (i, j))) {
            let dir = copy(WHOLE.dir.path());
            change_lines(dir.path(), |it| {
                let line = std::mem::take(&mut it[a][i]);
                it[a][i] = std::mem::replace(&mut it[b][j], line);
            });

            let err = try_open(dir.path()).expect_err("they are told apart");

            let is_named =
                matches!(err, JournalError::Corrupt { .. } | JournalError::Mismatch { .. });
            assert!(is_named, "{a}.{i} and {b}.{j}: {err}");
        }
    }
}

#[test]
fn a_segment_that_is_there_twice_or_in_the_wrong_place_hides_nothing() {
    let n_segments = segments(WHOLE.dir.path()).len();
    let name = |n: usize| format!("journal/{n:08}.jsonl");
    for from in 1..=n_segments {
        for to in 1..=n_segments + 1 {
            // Over the last one, its records are gone: that is a shorter journal.
            if to != n_segments {
                let dir = copy(WHOLE.dir.path());
                fs::copy(dir.path().join(name(from)), dir.path().join(name(to))).unwrap();
                is_told_or_whole(dir.path()).unwrap_or_else(|err| panic!("{from} as {to}: {err}"));
            }

            let dir = copy(WHOLE.dir.path());
            let [from, to, beside] =
                [name(from), name(to), "beside".to_owned()].map(|it| dir.path().join(it));
            fs::rename(&from, &beside).unwrap();
            let _ = fs::rename(&to, &from);
            fs::rename(&beside, &to).unwrap();
            is_told_or_whole(dir.path()).unwrap_or_else(|err| panic!("{from:?} and {to:?}: {err}"));
        }
    }
}

/// One thing that goes wrong with a file.
#[derive(Debug, Clone)]
enum Damage {
    Flip(u8),
    Drop,
    Repeat,
    /// Puts the line somewhere else, too.
    Stray(usize, prop::sample::Index),
    CutBytes(prop::sample::Index, prop::sample::Index),
    Zero(prop::sample::Index, prop::sample::Index),
    Garbage(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    use any as of;
    prop_oneof![
        (0..8u8).prop_map(Damage::Flip),
        Just(Damage::Drop),
        Just(Damage::Repeat),
        (0..3usize, of::<prop::sample::Index>()).prop_map(|it| Damage::Stray(it.0, it.1)),
        of::<(prop::sample::Index, prop::sample::Index)>()
            .prop_map(|it| Damage::CutBytes(it.0, it.1)),
        of::<(prop::sample::Index, prop::sample::Index)>().prop_map(|it| Damage::Zero(it.0, it.1)),
        proptest::collection::vec(of::<u8>(), 1..60).prop_map(Damage::Garbage),
    ]
}

fn apply(all: &mut [Vec<Vec<u8>>], segment: usize, at: prop::sample::Index, damage: Damage) {
    let n_lines = all[segment].len();
    if n_lines == 0 {
        return;
    }
    let place = at.index(n_lines);
    let line = all[segment][place].clone();
    let range = |a: prop::sample::Index, b: prop::sample::Index| {
        let (a, b) = (a.index(line.len().max(1)), b.index(line.len().max(1)));
        a.min(b)..a.max(b)
    };
    match damage {
        Damage::Flip(bit) if !line.is_empty() => {
            all[segment][place][at.index(line.len())] ^= 1 << bit;
        }
        Damage::Flip(_) => {}
        Damage::Drop => drop(all[segment].remove(place)),
        Damage::Repeat => all[segment].insert(place, line),
        Damage::Stray(to, at) => {
            let place = at.index(all[to].len() + 1);
            all[to].insert(place, line);
        }
        Damage::CutBytes(a, b) => drop(all[segment][place].drain(range(a, b))),
        Damage::Zero(a, b) => all[segment][place][range(a, b)].fill(0),
        Damage::Garbage(bytes) => all[segment].insert(place, bytes),
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(if is_long() { 30_000 } else { 250 })
    })]

    #[test]
    fn no_damage_is_passed_over_in_silence(
        damages in proptest::collection::vec((0..3usize, any::<prop::sample::Index>(), damage()), 1..4),
    ) {
        let dir = copy(WHOLE.dir.path());
        change_lines(dir.path(), |it| {
            for (segment, at, damage) in damages {
                apply(it, segment, at, damage);
            }
        });

        prop_assert_eq!(is_told_or_whole(dir.path()), Ok(()));
    }
}
