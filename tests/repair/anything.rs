//! Any damage at all to the journal: what reads is still there afterwards, in its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use aurora::domain::{Event, Record, Seq};
use aurora::journal::line::read_record;
use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;

use crate::damage::four_segments;
use crate::folders::{assert_good, held, is_put_aside, repaired, start, verified};
use crate::support::{copy, lines, say_words, segments};

/// Something that happens to a segment.
#[derive(Debug, Clone)]
enum Harm {
    Flip(Index, u8),
    Cut(Index),
    Zeros(Index, usize),
    Drop(Index),
    Twice(Index, Index),
    Swap(Index, Index),
    Garbage(Index, Vec<u8>),
    Remove,
    Empty,
}

fn harm() -> impl Strategy<Value = Harm> {
    let any = any::<Index>;
    prop_oneof![
        4 => (any(), 0..8u8).prop_map(|(at, bit)| Harm::Flip(at, bit)),
        2 => any().prop_map(Harm::Cut),
        1 => (any(), 1..700usize).prop_map(|(at, n)| Harm::Zeros(at, n)),
        2 => any().prop_map(Harm::Drop),
        2 => (any(), any()).prop_map(|(from, to)| Harm::Twice(from, to)),
        2 => (any(), any()).prop_map(|(one, other)| Harm::Swap(one, other)),
        1 => (any(), prop::collection::vec(prop::num::u8::ANY, 1..60))
            .prop_map(|(at, bytes)| Harm::Garbage(at, bytes)),
        1 => Just(Harm::Remove),
        1 => Just(Harm::Empty),
    ]
}

fn suffer(file: &Path, harm: &Harm) {
    let Ok(mut bytes) = fs::read(file) else { return };
    let mut lines = lines(file);
    if bytes.is_empty() {
        return;
    }
    match harm {
        Harm::Flip(at, bit) => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Harm::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Harm::Zeros(at, n) => {
            let from = at.index(bytes.len());
            let to = bytes.len().min(from + n);
            bytes[from..to].fill(0);
        }
        Harm::Garbage(at, garbage) => {
            let from = at.index(bytes.len());
            bytes.splice(from..from, garbage.iter().copied());
        }
        Harm::Remove => return fs::remove_file(file).unwrap(),
        Harm::Empty => bytes.clear(),
        Harm::Drop(at) => {
            lines.remove(at.index(lines.len()));
            bytes = lines.concat();
        }
        Harm::Twice(from, to) => {
            let line = lines[from.index(lines.len())].clone();
            lines.insert(to.index(lines.len()), line);
            bytes = lines.concat();
        }
        Harm::Swap(one, other) => {
            let n = lines.len();
            lines.swap(one.index(n), other.index(n));
            bytes = lines.concat();
        }
    }
    fs::write(file, bytes).unwrap();
}

/// Made once.
static WHOLE: LazyLock<TempDir> = LazyLock::new(four_segments);

/// Whole lines that are records, wherever they stand.
fn records_in(dir: &Path) -> BTreeMap<Seq, Record> {
    let lines = segments(dir).into_iter().flat_map(|it| lines(&it));
    let records = lines.filter_map(|it| read_record(it.strip_suffix(b"\n")?).ok());
    records.map(|it| (it.seq, it)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_reads_is_kept_whatever_happens(
        harms in prop::collection::vec((any::<Index>(), harm()), 1..5),
    ) {
        let dir = copy(WHOLE.path());
        let files = segments(dir.path());
        for (file, harm) in &harms {
            suffer(&files[file.index(files.len())], harm);
        }
        let readable = records_in(dir.path());
        let starts = start(copy(dir.path()).path()).is_ok();
        let report = verified(dir.path());
        prop_assert!(starts || !report.good, "{}", report);

        let damaged = copy(dir.path());
        let said = repaired(dir.path());

        prop_assert!(said.is_ok(), "{:?}: {}", said, verified(dir.path()));
        assert_good(dir.path());
        let journal = start(dir.path()).unwrap();
        let kept: BTreeMap<Seq, Record> =
            held(&journal).iter().map(|it| (it.seq, Record::clone(it))).collect();
        for (seq, record) in &readable {
            prop_assert_eq!(kept.get(seq), Some(record));
        }
        for (seq, record) in &kept {
            prop_assert!(readable.contains_key(seq) || record.event == Event::RecordLost);
        }
        let times: Vec<_> = kept.values().map(|it| it.at).collect();
        prop_assert!(times.is_sorted());
        say_words(&journal, 100..103);
        drop(journal);
        assert_good(dir.path());
        // Every line that is no longer in the journal was put aside.
        let after: Vec<Vec<u8>> = segments(dir.path()).iter().flat_map(|it| lines(it)).collect();
        for file in segments(damaged.path()) {
            let torn = |it: &Vec<u8>| it.last() != Some(&b'\n');
            for line in lines(&file).into_iter().filter(|it| !torn(it)) {
                prop_assert!(
                    after.contains(&line) || is_put_aside(dir.path(), &line),
                    "{}", String::from_utf8_lossy(&line)
                );
            }
        }
    }
}
