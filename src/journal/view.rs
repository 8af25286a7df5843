//! What readers see: durable records only, and the state they fold into.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::{Record, Seq, State};

/// How much of the latest records stays in memory, so that live readers don't touch the disk.
const RING_RECORDS: usize = 65_536;
const RING_BYTES: usize = 16 * 1024 * 1024;

/// The latest records, without gaps.
#[derive(Debug, Default)]
pub struct Ring {
    records: VecDeque<(Arc<Record>, usize)>,
    bytes: usize,
}

impl Ring {
    /// `size_bytes`: the length of its line, which stands for its size in memory.
    pub fn push(&mut self, record: Arc<Record>, size_bytes: usize) {
        self.bytes += size_bytes;
        self.records.push_back((record, size_bytes));
        while self.records.len() > RING_RECORDS || self.bytes > RING_BYTES {
            let Some((_, size)) = self.records.pop_front() else { break };
            self.bytes -= size;
        }
    }

    fn first(&self) -> Option<Seq> {
        self.records.front().map(|it| it.0.seq)
    }

    /// Up to `limit` records after `seq`; `None` if the ring no longer holds the first of them.
    pub fn after(&self, seq: Seq, limit: usize) -> Option<Vec<Arc<Record>>> {
        let first = self.first()?;
        let skip = usize::try_from((seq + 1).checked_sub(first)?).ok()?;
        Some(self.records.iter().skip(skip).take(limit).map(|it| Arc::clone(&it.0)).collect())
    }
}

/// Guarded by one lock that is held for memory work only, never during a disk write.
#[derive(Debug, Default)]
pub struct View {
    pub state: State,
    pub ring: Ring,
    /// Last durable sequence.
    pub head: Seq,
}
