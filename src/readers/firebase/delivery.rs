//! Brings one batch into the database, or says why it can't yet.
//!
//! # Promises
//! - A temporary error and wrong credentials are waited out; nothing is skipped.
//! - A refused batch is halved down to the value that is refused, and only that is set aside, with its
//!   mark; but not before a write of our own making was accepted and the value refused once more, so
//!   that a database that refuses everything for a while is not taken for bad data.
//! - What waited is not written over unseen either: a piece that failed is looked at like a batch.
//! - The position goes into the database with the last piece of a batch, never before.

use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tracing::warn;

use super::client::{Ack, Client, WriteError};
use super::contested::{Seen, TakeIn};
use super::doubt::Doubt;
use super::failed::{FailedItem, is_within};
use super::meter::call_key;
use super::patience::{Patience, Waited};
use super::position::Watch;
use super::progress::Progress;
use super::writes::{Limits, Writes};

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It is in the database, or set aside.
    Done,
    /// It is not, and more may have come in the meantime: read again.
    Reread,
    /// It is not, and the mirror is to end.
    Stop,
}

pub(super) struct Delivery {
    pub runtime: Runtime,
    pub client: Client,
    pub progress: Progress,
    pub patience: Patience,
    /// Escaped path of our position in the database.
    pub position_path: String,
    pub limits: Limits,
    /// Whether the failed items differ from what is shown and saved.
    pub failed_changed: bool,
    /// Paths of erased calls, until the database has the record that erases them.
    pub forgotten: Vec<(u64, Vec<String>)>,
    /// When to look whether the database is as we left it.
    pub watch: Watch,
    pub seen: Seen,
    pub take_in: TakeIn,
    pub doubt: Doubt,
    /// The whole state is being sent.
    pub is_filling: bool,
}

impl Delivery {
    /// Sends `writes`; with the last piece also the position `seq`, if given.
    pub fn deliver(&mut self, writes: Writes, seq: Option<u64>) -> Flow {
        let flow = self.deliver_pieces(writes, seq);
        if std::mem::take(&mut self.failed_changed) {
            self.progress.failed_changed();
        }
        flow
    }

    fn deliver_pieces(&mut self, writes: Writes, seq: Option<u64>) -> Flow {
        let mut pieces = vec![writes];
        let mut is_whole = true;
        let mut failed: Option<WriteError> = None;
        while let Some(mut piece) = pieces.pop() {
            // It may have been wiped in an outage that began with an earlier piece.
            let is_checked = seq.is_some() || self.is_filling;
            let flow = if is_checked { self.check_position() } else { Flow::Done };
            if flow != Flow::Done {
                return flow;
            }
            if let Some(err) = failed.take() {
                if err.may_be_done() {
                    piece.contest_beginnings(u64::MAX);
                }
                let flow = self.deliver_contested(&mut piece);
                if flow != Flow::Done {
                    return flow;
                }
            }
            self.attend();
            piece.forget(|path| self.is_forgotten(path));
            if piece.is_divisible() && piece.exceeds(self.limits) {
                halve(piece, &mut pieces);
                is_whole = false;
                continue;
            }
            let carried = seq.filter(|_| pieces.is_empty());
            if piece.is_empty() && carried.is_none() {
                continue;
            }
            let position = carried.map_or_else(Vec::new, |it| self.position(it));
            let sent = self.progress.status.sent();
            let ticket = sent.note(&piece, Instant::now());
            let err = match self.send(piece.to_body(&position)) {
                Ok(_) => {
                    sent.acked(ticket, Instant::now());
                    self.sent(carried);
                    self.accepted(&piece);
                    continue;
                }
                Err(WriteError::Refused { .. }) if piece.is_divisible() => {
                    halve(piece, &mut pieces);
                    is_whole = false;
                    continue;
                }
                Err(WriteError::Refused { .. }) => match self.set_aside(&piece, carried) {
                    Ok(()) => continue,
                    Err(err) => err,
                },
                Err(err) => err,
            };
            self.doubt.failed(&err, seq);
            match self.patience.wait_out(&err) {
                Waited::Stop => return Flow::Stop,
                // Nothing of it is known to be in: a fresh reading may coalesce more into one request.
                Waited::Enough if is_whole && seq.is_some() => return Flow::Reread,
                Waited::Enough => {
                    failed = Some(err);
                    pieces.push(piece);
                }
            }
        }
        Flow::Done
    }

    /// Puts on disk what somebody waits for.
    fn save_if_asked(&mut self) {
        for reply in std::mem::take(&mut self.patience.saves) {
            // Whoever asked may have stopped waiting.
            let _ = reply.try_send(self.progress.save());
        }
    }

    /// Does what was asked meanwhile: lets go of what is to be forgotten, saves.
    pub fn attend(&mut self) {
        self.save_if_asked();
        let acked = self.progress.acked().unwrap_or(0);
        self.forgotten.retain(|it| it.0 > acked);
        for it in std::mem::take(&mut self.patience.forgets) {
            let is_done = self.progress.forget(&it.paths);
            // Whoever asked may have stopped waiting.
            let _ = it.reply.try_send(is_done);
            self.forgotten.push((it.seq, it.paths));
        }
    }

    pub(super) fn is_forgotten(&self, path: &str) -> bool {
        self.forgotten.iter().flat_map(|it| &it.1).any(|it| is_within(path, it))
    }

    /// Sets the only value of `piece` aside with its mark, if it is the culprit.
    ///
    /// # Errors
    /// It is not, as a write of our own is not accepted either; or the list is full.
    fn set_aside(&mut self, piece: &Writes, carried: Option<u64>) -> Result<(), WriteError> {
        let own = [(format!("{}/updated_at", self.position_path), server_time())];
        if let Err(err) = self.persist(Writes::new().to_body(&own))? {
            let reason = format!("everything is refused with {err}");
            return Err(WriteError::Misconfigured { reason });
        }
        let position = carried.map_or_else(Vec::new, |it| self.position(it));
        let Err(refused) = self.persist(piece.to_body(&position))? else {
            self.sent(carried);
            self.accepted(piece);
            return Ok(());
        };
        self.patience.recovered();
        self.attend();
        for (path, seq, value) in piece.iter() {
            if self.is_forgotten(path) && !value.is_null() {
                continue;
            }
            if self.progress.failed().is_full_for(path) {
                return Err(WriteError::Misconfigured {
                    reason: "too many values were set aside; put them right and retry them".into(),
                });
            }
            warn!(seq, path, error = %refused, "Firebase refuses `{path}`; it is set aside.");
            self.failed_changed = true;
            self.progress.set_aside(FailedItem {
                seq,
                path: path.to_owned(),
                reason: refused.to_string(),
                at: Timestamp::now(),
                value: value.clone(),
            });
        }
        Ok(())
    }

    fn sent(&mut self, position: Option<u64>) {
        if let Some(seq) = position {
            self.progress.cursor.set_sent(seq);
        }
    }

    pub(super) fn accepted(&mut self, accepted: &Writes) {
        self.patience.recovered();
        self.failed_changed |= self.progress.settle(accepted);
        let meter = self.progress.status.meter();
        meter.paths(accepted.n_paths() as u64);
        for (path, size_bytes) in accepted.sizes() {
            if let Some(key) = call_key(path) {
                meter.of_call(key, size_bytes as u64);
            }
        }
    }

    /// Sends until it is in, or refused. By itself: in a flapping database several requests may
    /// never succeed in a row.
    ///
    /// # Errors
    /// The mirror is to end, or somebody has to act.
    pub(super) fn persist(&mut self, body: Bytes) -> Result<Result<(), WriteError>, WriteError> {
        loop {
            match self.send(body.clone()) {
                Ok(_) => return Ok(Ok(())),
                Err(err @ WriteError::Refused { .. }) => return Ok(Err(err)),
                Err(err) if self.patience.wait_out(&err) == Waited::Stop => return Err(err),
                Err(_) => self.attend(),
            }
        }
    }

    /// Value by value: the mark beside it stays (`position.rs`).
    fn position(&self, seq: u64) -> Vec<(String, Value)> {
        let journal_id = json!(self.progress.journal_id);
        let fields =
            [("journal_id", journal_id), ("seq", json!(seq)), ("updated_at", server_time())];
        fields.map(|(name, value)| (format!("{}/{name}", self.position_path), value)).into()
    }

    fn send(&mut self, body: Bytes) -> Result<Ack, WriteError> {
        self.request(async |client| client.patch(body).await)
    }

    /// One request; cut short at the deadline.
    pub(super) fn request<T>(
        &mut self,
        ask: impl AsyncFnOnce(&mut Client) -> Result<T, WriteError>,
    ) -> Result<T, WriteError> {
        let mut deadline = self.patience.deadline.clone();
        let client = &mut self.client;
        let done = self.runtime.block_on(async move {
            // Between requests nothing runs here. The first yield lets the connections hear what
            // came meanwhile, the second lets one that was closed leave the pool: it is no outage.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
            let stopped = async {
                let at = deadline.wait_for(Option::is_some).await.ok().and_then(|it| *it);
                tokio::time::sleep_until(at.unwrap_or_else(Instant::now).into()).await;
            };
            tokio::select! {
                biased;
                done = ask(client) => done,
                () = stopped => Err(WriteError::Temporary {
                    reason: "the server stops".to_owned(),
                    retry_after: None,
                    may_be_done: true,
                }),
            }
        });
        match &done {
            Ok(_) => self.watch.heard(),
            Err(WriteError::Temporary { .. }) => self.watch.lost(),
            Err(_) => {}
        }
        done
    }

    pub(super) fn waited(&mut self, err: &WriteError) -> Flow {
        match self.patience.wait_out(err) {
            Waited::Stop => Flow::Stop,
            Waited::Enough => Flow::Reread,
        }
    }
}

fn server_time() -> Value {
    json!({".sv": "timestamp"})
}

/// Puts the halves on the stack so that the first one is next.
fn halve(piece: Writes, pieces: &mut Vec<Writes>) {
    let (first, second) = piece.split_half();
    pieces.extend([second, first]);
}
