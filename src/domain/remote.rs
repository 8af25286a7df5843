//! What somebody did to a call in the Realtime Database, in the words of the domain.

use super::{CallId, Field, Label, Note, Seq, Timestamp, Utterance};

/// A value that somebody set there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteEdit {
    pub field: Field,
    /// As published; `None`: nothing any more.
    pub value: Option<Note>,
    /// Who says so; absent if nobody does.
    pub by: Option<Label>,
    /// By the database's clock.
    pub at: Timestamp,
    /// The last of our records that set it there: later ones are not there yet.
    pub written_seq: Seq,
}

/// What of a call differs there from what we wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCall {
    pub call_id: CallId,
    pub edits: Vec<RemoteEdit>,
    /// It is said to have ended there, and by whom.
    pub ended: Option<Option<Label>>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RuledOn {
    /// Values that count now.
    pub n_taken: usize,
    /// What went under again and again, and is put back without a word: ours counts.
    pub put_back: Vec<RemoteEdit>,
}

/// How the database stands to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteClock {
    /// Up to where it is known to have what we wrote.
    pub acked_seq: Seq,
    /// By how much its clock is ahead of ours.
    pub offset_ms: i64,
    /// Whether whoever hands over can put back what goes under.
    pub puts_back: bool,
}

/// Words to the caller that somebody wrote there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteMessage {
    pub call_id: CallId,
    /// Its key, by which it is known again.
    pub key: Label,
    pub content: Utterance,
    /// Who says so; absent if nobody does.
    pub by: Option<Label>,
}
