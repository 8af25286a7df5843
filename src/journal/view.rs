//! What readers see: durable records only, and the state they fold into.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::{Record, Seq, State};

/// How many of the latest records stay in memory at most, however short they are.
const RING_RECORDS: usize = 65_536;

/// The latest records, without gaps.
#[derive(Debug)]
pub struct Ring {
    records: VecDeque<(Arc<Record>, usize)>,
    bytes: usize,
    most_bytes: usize,
}

impl Ring {
    /// `size_bytes`: the length of its line, which stands for its size in memory.
    pub fn push(&mut self, record: Arc<Record>, size_bytes: usize) {
        self.bytes += size_bytes;
        self.records.push_back((record, size_bytes));
        while self.records.len() > RING_RECORDS || self.bytes > self.most_bytes {
            let Some((_, size)) = self.records.pop_front() else { break };
            self.bytes -= size;
        }
    }

    /// Those before `seq`.
    pub fn before(&self, seq: Seq) -> Vec<Arc<Record>> {
        let before = self.records.iter().take_while(|it| it.0.seq < seq);
        before.map(|it| Arc::clone(&it.0)).collect()
    }

    /// Puts records in the place of those with their sequence, if they are still here.
    pub fn replace(&mut self, records: Vec<Arc<Record>>) {
        let Some(first) = self.first() else { return };
        for record in records {
            let place = record.seq.checked_sub(first).and_then(|it| usize::try_from(it).ok());
            if let Some(slot) = place.and_then(|it| self.records.get_mut(it)) {
                slot.0 = record;
            }
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
#[derive(Debug)]
pub struct View {
    pub state: State,
    pub ring: Ring,
    /// Last durable sequence.
    pub head: Seq,
}

impl View {
    pub fn new(ring_bytes: usize) -> Self {
        let ring = Ring { records: VecDeque::new(), bytes: 0, most_bytes: ring_bytes };
        Self { state: State::default(), ring, head: 0 }
    }
}
