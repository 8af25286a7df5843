//! No more questions to the model: the desk finishes what it has begun.
//!
//! The one idea: a turn that a card answers takes milliseconds, only the model takes seconds. So a
//! server that stops asks the model nothing new, waits a while for what was asked, and answers the
//! rest from cards.

use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tokio::sync::watch;
use tokio::time::timeout;

use super::Desk;
use crate::conversation::model::{ModelAnswer, ModelError};

/// For the answers of cards to reach the disk, after the model was given up.
const CARDS: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Questions {
    asked: watch::Sender<Asked>,
    /// Whoever still waits for the model gives up.
    is_over: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Asked {
    /// Turns that ask the model, until their answer is on disk.
    turns: usize,
    is_closed: bool,
}

impl Default for Questions {
    fn default() -> Self {
        Self { asked: watch::Sender::default(), is_over: watch::Sender::new(false) }
    }
}

/// A turn that asks the model.
#[derive(Debug)]
pub(super) struct Asking<'a>(&'a Questions);

impl Questions {
    /// Enters a turn; `None` if the model is no longer asked.
    pub fn begin(&self) -> Option<Asking<'_>> {
        let is_open = self.asked.send_if_modified(|asked| {
            asked.turns += usize::from(!asked.is_closed);
            !asked.is_closed
        });
        // Made only if it counts: its end counts down.
        is_open.then(|| Asking(self))
    }

    /// Closes, and waits until every turn that asks has its answer, at most so long; whether it is
    /// so.
    async fn finish(&self, patience: Duration) -> bool {
        self.asked.send_modify(|it| it.is_closed = true);
        let mut asked = self.asked.subscribe();
        if timeout(patience, asked.wait_for(|it| it.turns == 0)).await.is_ok() {
            return true;
        }
        self.is_over.send_replace(true);
        timeout(CARDS, asked.wait_for(|it| it.turns == 0)).await.is_ok()
    }
}

impl Asking<'_> {
    /// The model's answer, unless it is given up before.
    pub async fn wait_for(
        &self,
        answer: impl Future<Output = Result<ModelAnswer, ModelError>>,
    ) -> Result<ModelAnswer, ModelError> {
        let asked = Instant::now();
        let mut is_over = self.0.is_over.subscribe();
        let given_up = std::pin::pin!(is_over.wait_for(|it| *it));
        match select(std::pin::pin!(answer), given_up).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(ModelError::Timeout(asked.elapsed())),
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.asked.send_modify(|it| it.turns -= 1);
    }
}

impl Desk {
    /// Cards answer from now on. Returns when every turn that asked the model has its answer: the
    /// model's within `patience`, else a card's. `false` if not even that was done in time.
    pub async fn finish_questions(&self, patience: Duration) -> bool {
        self.questions.finish(patience).await
    }

    /// Turns that wait for the model.
    pub fn n_questions(&self) -> usize {
        self.questions.asked.borrow().turns
    }
}
