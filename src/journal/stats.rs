//! What the journal measures of itself; read by the metrics and the health routes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prometheus_client::metrics::histogram::Histogram;

/// Upper bounds in seconds: from a fast local disk to a sick one.
const SYNC_BOUNDS: [f64; 12] =
    [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];
/// A disk that takes longer for one write does not count as taking writes.
const STALLED_AFTER: Duration = Duration::from_secs(1);
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
    /// Records that the start applied to the stored state.
    pub replayed: AtomicU64,
    pub bytes: AtomicU64,
    /// One write with its sync.
    pub sync_seconds: Histogram,
    /// Records that shared one sync.
    pub batch_records: Histogram,
    since: Instant,
    /// When the write under way began, in milliseconds after `since`; 0: none is.
    writing_since_ms: AtomicU64,
}

impl Default for Stats {
    fn default() -> Self {
        Self {
            is_writable: AtomicBool::new(true),
            failures: AtomicU64::new(0),
            kept_records: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            records: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            sync_seconds: Histogram::new(SYNC_BOUNDS),
            batch_records: Histogram::new(BATCH_BOUNDS),
            since: Instant::now(),
            writing_since_ms: AtomicU64::new(0),
        }
    }
}

impl Stats {
    /// Whether the write under way takes far too long.
    pub fn is_stalled(&self) -> bool {
        match self.writing_since_ms.load(Ordering::Relaxed) {
            0 => false,
            began => self.now_ms().saturating_sub(began) > STALLED_AFTER.as_millis() as u64,
        }
    }

    pub(super) fn write_begins(&self) {
        self.writing_since_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    pub(super) fn write_ends(&self) {
        self.writing_since_ms.store(0, Ordering::Relaxed);
    }

    fn now_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64 + 1
    }

    pub(super) fn observe_sync(&self, n_records: usize, n_bytes: usize, took: Duration) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(n_records as u64, Ordering::Relaxed);
        self.bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
        self.sync_seconds.observe(took.as_secs_f64());
        self.batch_records.observe(n_records as f64);
    }
}
