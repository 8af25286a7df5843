//! The policy: how long ended calls stay, and how long a deletion can be taken back.

use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::{Eraser, ErasureError};
use crate::domain::{Timestamp, Urgency};
use crate::readers::archive::{past_policy, past_undo};

/// Calls in one step, and steps in one look: the rest waits for the next.
const STEP: usize = 500;
const STEPS: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long ended calls of an urgency stay; `None`: for ever.
    pub normal: Option<Duration>,
    pub urgent: Option<Duration>,
    pub critical: Option<Duration>,
    /// How long a deletion can be taken back.
    pub undo: Duration,
}

/// What one look did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Looked {
    pub n_deleted: usize,
    pub n_erased: usize,
}

impl Eraser {
    /// Deletes what is past the policy, and erases what was deleted too long ago to be had back.
    /// Nothing that is on legal hold is touched.
    ///
    /// # Errors
    /// [`ErasureError`]; what was done stays done, the next look goes on.
    pub async fn apply(
        self: &Arc<Self>,
        policy: Policy,
        now: Timestamp,
    ) -> Result<Looked, ErasureError> {
        if let Some(earlier) = self.resume().await? {
            earlier.done.await.map_err(|_| ErasureError::Broken)?;
        }
        let mut looked = Looked::default();
        let classes = [
            (Urgency::Normal, policy.normal),
            (Urgency::Urgent, policy.urgent),
            (Urgency::Critical, policy.critical),
        ];
        for (urgency, kept) in classes {
            let Some(kept) = kept else { continue };
            let until = before(now, kept);
            for _ in 0..STEPS {
                let turn = self.keeping.turn().await;
                let ids = self.look(move |db| past_policy(db, urgency, until, STEP)).await?;
                if ids.is_empty() {
                    break;
                }
                looked.n_deleted += turn.delete_by_policy(ids).await?.value;
            }
        }
        let until = before(now, policy.undo);
        for _ in 0..STEPS {
            let turn = self.keeping.turn().await;
            let calls = self.look(move |db| past_undo(db, until, STEP)).await?;
            if calls.is_empty() {
                break;
            }
            let n_calls = calls.len();
            let job = self.erase_by_policy(turn, calls).await?;
            job.done.await.map_err(|_| ErasureError::Broken)?;
            looked.n_erased += n_calls;
        }
        if looked != Looked::default() {
            let Looked { n_deleted, n_erased } = looked;
            info!(n_deleted, n_erased, "The policy deleted and erased calls.");
        }
        Ok(looked)
    }
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(time))
}
