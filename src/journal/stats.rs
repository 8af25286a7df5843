//! What the journal measures of itself; read by the metrics and the health routes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the sync-time histogram, in microseconds.
pub const SYNC_BOUNDS_US: [u64; 12] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];

#[derive(Debug)]
pub struct Stats {
    /// Whether the disk takes writes.
    pub is_writable: AtomicBool,
    /// Failed writes or syncs since the start.
    pub failures: AtomicU64,
    /// Decided and waiting for the disk to come back.
    pub kept_records: AtomicU64,
    pub syncs: AtomicU64,
    pub records: AtomicU64,
    pub bytes: AtomicU64,
    pub sync_us: AtomicU64,
    /// Syncs that took up to the bound of the same place; the last one: longer.
    pub sync_buckets: [AtomicU64; SYNC_BOUNDS_US.len() + 1],
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            is_writable: AtomicBool::new(true),
            failures: AtomicU64::new(0),
            kept_records: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sync_us: AtomicU64::new(0),
            sync_buckets: Default::default(),
        }
    }
}

impl Stats {
    pub(super) fn observe_sync(&self, n_records: usize, n_bytes: usize, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(n_records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
        self.sync_us.fetch_add(us, Ordering::Relaxed);
        let bucket = SYNC_BOUNDS_US.iter().position(|bound| us <= *bound);
        self.sync_buckets[bucket.unwrap_or(SYNC_BOUNDS_US.len())].fetch_add(1, Ordering::Relaxed);
    }
}
