//! What the database refused for good: set aside with its reason, and kept as new as the rest.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::writes::{Limits, Writes, merge, unit_of};

/// Longest list of failed items. Beyond it the mirror waits instead of setting aside, and says so.
pub const MAX_FAILED: usize = 10_000;

/// A value that the database refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedItem {
    /// Last record that touched the path when it was refused.
    pub seq: u64,
    pub path: String,
    /// Status and words of the database.
    pub reason: String,
    pub at: Timestamp,
    /// What would have been written; kept, because the journal may no longer hold the record.
    #[serde(default)]
    pub value: Value,
}

/// Which failed items are meant: all, those of one record, the one at a path with its mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    pub seq: Option<u64>,
    pub path: Option<String>,
}

impl Which {
    pub fn is(&self, item: &FailedItem) -> bool {
        self.seq.is_none_or(|it| it == item.seq)
            && self.path.as_ref().is_none_or(|it| unit_of(it) == unit_of(&item.path))
    }
}

/// The failed items, oldest first, at most one for a path.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FailedItems(Vec<FailedItem>);

impl FailedItems {
    pub fn as_slice(&self) -> &[FailedItem] {
        &self.0
    }

    /// Whether [`FailedItems::set_aside`] would pass [`MAX_FAILED`].
    pub fn is_full_for(&self, path: &str) -> bool {
        self.0.len() >= MAX_FAILED && !self.0.iter().any(|it| is_within(&it.path, path))
    }

    /// Adds an item in place of those at and below its path, which it contains.
    pub fn set_aside(&mut self, item: FailedItem) {
        self.0.retain(|it| !is_within(&it.path, &item.path));
        self.0.push(item);
    }

    /// Takes note of an accepted batch: what it wrote anew is no longer failed, and a part of a
    /// failed item is brought up to date, so that a later retry does not bring old values back.
    ///
    /// Returns whether anything changed.
    pub fn settle(&mut self, accepted: &Writes) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let n_before = self.0.len();
        let mut merged = false;
        for (path, _, value) in accepted.iter() {
            self.0.retain(|it| !is_within(&it.path, path));
            for item in &mut self.0 {
                if let Some(rest) = below(path, &item.path) {
                    merge(&mut item.value, rest, value.clone());
                    merged = true;
                }
            }
        }
        merged || self.0.len() < n_before
    }

    /// Lets go of what lies at or below one of `paths`. Returns whether there was anything.
    pub fn forget(&mut self, paths: &[String]) -> bool {
        let n_before = self.0.len();
        self.0.retain(|it| !paths.iter().any(|path| is_within(&it.path, path)));
        self.0.len() < n_before
    }

    /// Those that are meant, in batches to try again.
    pub fn to_batches(&self, which: &Which, limits: Limits) -> Vec<Writes> {
        let mut batches: Vec<Writes> = Vec::new();
        for item in self.0.iter().filter(|it| which.is(it)) {
            if batches.last().is_none_or(|it| it.is_full(limits)) {
                batches.push(Writes::new());
            }
            if let Some(writes) = batches.last_mut() {
                writes.put_again(&item.path, item.seq, item.value.clone());
            }
        }
        // Whole entries among them are opened, so that they can be written in place of what is there.
        batches.iter_mut().for_each(|it| it.contest_beginnings(u64::MAX));
        batches
    }
}

/// Whether `path` is `whole` or below it.
pub(super) fn is_within(path: &str, whole: &str) -> bool {
    path == whole || below(path, whole).is_some()
}

/// The rest of `path` below `whole`.
fn below<'a>(path: &'a str, whole: &str) -> Option<&'a str> {
    path.strip_prefix(whole)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(seq: u64, path: &str, value: Value) -> FailedItem {
        FailedItem {
            seq,
            path: path.to_owned(),
            reason: "400".to_owned(),
            at: Timestamp::UNIX_EPOCH,
            value,
        }
    }

    #[test]
    fn an_item_that_was_written_anew_is_no_longer_failed() {
        let mut failed = FailedItems::default();
        failed.set_aside(item(1, "calls/c1/status", json!("X")));
        failed.set_aside(item(2, "calls/c10", json!("X")));
        let mut accepted = Writes::new();
        accepted.set("calls/c1", json!({"status": "ENDED"}));

        let changed = failed.settle(&accepted);

        assert!(changed);
        assert_eq!(failed.as_slice(), [item(2, "calls/c10", json!("X"))]);
    }

    #[test]
    fn a_retry_does_not_bring_old_values_back() {
        let mut failed = FailedItems::default();
        failed.set_aside(item(1, "calls/c1", json!({"status": "ACTIVE", "bad": 1})));
        let mut accepted = Writes::new();
        accepted.set("calls/c1/status", "ENDED");

        failed.settle(&accepted);

        let of = |seq| {
            let which = Which { seq: Some(seq), path: None };
            failed.to_batches(&which, Limits::default())
        };
        let again = of(1);
        let values = again.iter().flat_map(Writes::iter).map(|(_, _, value)| value.clone());
        assert_eq!(values.collect::<Vec<_>>(), [json!({"status": "ENDED", "bad": 1})]);
        assert_eq!(of(2), []);
    }

    #[test]
    fn one_of_several_of_a_record_is_named_by_its_path() {
        let mut failed = FailedItems::default();
        failed.set_aside(item(1, "a/b", json!(1)));
        failed.set_aside(item(1, "a/c", json!(2)));

        let which = Which { seq: Some(1), path: Some("a/c".to_owned()) };
        let batches = failed.to_batches(&which, Limits::default());

        let paths: Vec<_> = batches.iter().flat_map(Writes::iter).map(|it| it.0).collect();
        assert_eq!(paths, ["a/c"]);
    }

    #[test]
    fn one_path_fails_once() {
        let mut failed = FailedItems::default();

        failed.set_aside(item(1, "a/b", json!(1)));
        failed.set_aside(item(2, "a/b", json!(2)));
        failed.set_aside(item(3, "a", json!({"b": 3})));

        assert_eq!(failed.as_slice(), [item(3, "a", json!({"b": 3}))]);
    }

    #[test]
    fn a_full_list_takes_only_what_it_already_has() {
        let items = (0..MAX_FAILED as u64).map(|i| item(i, &format!("calls/c{i}"), json!(i)));
        let failed = FailedItems(items.collect());

        assert!(failed.is_full_for("calls/new"));
        assert!(!failed.is_full_for("calls/c7"));
        assert!(!failed.is_full_for("calls"));
    }
}
