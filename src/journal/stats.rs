//! What the journal measures of itself; read by the metrics and the health routes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds in seconds: from a fast local disk to a sick one.
const SYNC_BOUNDS: [f64; 12] =
    [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];
const BATCH_BOUNDS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0];

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
    /// One write with its sync.
    pub sync_seconds: Histogram,
    /// Records that shared one sync.
    pub batch_records: Histogram,
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
            sync_seconds: Histogram::new(SYNC_BOUNDS),
            batch_records: Histogram::new(BATCH_BOUNDS),
        }
    }
}

impl Stats {
    pub(super) fn observe_sync(&self, n_records: usize, n_bytes: usize, took: Duration) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(n_records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
        self.sync_seconds.observe(took.as_secs_f64());
        self.batch_records.observe(n_records as f64);
    }
}
