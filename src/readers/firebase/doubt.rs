//! What may be in the database although no answer said so. A beginning among it is not sent again
//! unseen: it would bury what somebody has put there since.

use super::client::WriteError;

#[derive(Debug)]
pub(super) struct Doubt {
    /// Whoever ran before us may have sent the batch that goes on from here, or from before.
    from: Option<u64>,
    /// The last record that was sent and not acknowledged.
    up_to: u64,
}

impl Default for Doubt {
    fn default() -> Self {
        Self { from: Some(u64::MAX), up_to: 0 }
    }
}

impl Doubt {
    /// Nothing of ours is there.
    pub fn none() -> Self {
        Self { from: None, up_to: 0 }
    }

    /// The database says where it stands; what follows may be there in part.
    pub fn stood_at(&mut self, seq: Option<u64>) {
        self.from = self.from.map(|it| it.min(seq.unwrap_or(u64::MAX)));
    }

    /// It stands where it stood before.
    pub fn stands_at(&mut self, seq: Option<u64>) {
        self.from = seq;
    }

    /// A batch is about to be sent.
    pub fn note(&mut self, after: u64, last_seq: u64) {
        if self.from.is_some_and(|it| after <= it) {
            self.up_to = self.up_to.max(last_seq);
        }
    }

    /// What goes up to that record was sent, and there was no good answer.
    pub fn failed(&mut self, err: &WriteError, last_seq: Option<u64>) {
        if err.may_be_done() {
            self.up_to = self.up_to.max(last_seq.unwrap_or(0));
        }
    }

    /// Up to which record.
    pub fn up_to(&self) -> u64 {
        self.up_to
    }
}
