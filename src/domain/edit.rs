//! Who set a value of a call last, when and where: what decides between two sides that changed it
//! while they were apart.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CallId, ConflictId, Label, Note, Seq, Timestamp};

/// Where a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Here: a caller, a supervisor at the dashboard, a rule.
    #[default]
    Aurora,
    /// In the Realtime Database, by another program or a person at its console.
    Firebase,
}

impl Source {
    /// Its name in the published format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aurora => "aurora",
            Self::Firebase => "firebase",
        }
    }

    pub fn is_here(&self) -> bool {
        *self == Self::Aurora
    }
}

/// A value that both sides may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Who holds the call; together with its status.
    AdminId,
    Urgency,
    AdminNotes,
    FinalAction,
    DeletedAt,
}

impl Field {
    pub const ALL: [Self; 5] =
        [Self::AdminId, Self::Urgency, Self::AdminNotes, Self::FinalAction, Self::DeletedAt];

    /// Its name in the published format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdminId => "admin_id",
            Self::Urgency => "urgency",
            Self::AdminNotes => "admin_notes",
            Self::FinalAction => "final_action",
            Self::DeletedAt => "deleted_at",
        }
    }
}

/// The last change of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    /// By this machine's clock for a change made here, by the database's for one made there.
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Label>,
    #[serde(default, skip_serializing_if = "Source::is_here")]
    pub source: Source,
    /// The record that holds it.
    pub seq: Seq,
}

/// What the database said of a value when that was last taken note of, whatever came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Note>,
    pub seq: Seq,
    /// It went under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
}

/// How often the same value went under in a row, while nothing was set here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    pub times: u32,
    /// The last time, by this machine's clock.
    pub at: Timestamp,
}

/// The changes of one value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Trace {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Edited>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    taken: Option<Taken>,
}

/// The changes of each value; none of one that is as the call began.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Edits(BTreeMap<Field, Trace>);

impl Edits {
    /// The last change that counts.
    pub fn last(&self, field: Field) -> Option<&Edited> {
        self.0.get(&field)?.last.as_ref()
    }

    pub fn taken(&self, field: Field) -> Option<&Taken> {
        self.0.get(&field)?.taken.as_ref()
    }

    pub fn set(&mut self, field: Field, edited: Edited, value: Option<Note>) {
        let trace = self.0.entry(field).or_default();
        if !edited.source.is_here() {
            trace.taken = Some(Taken { value, seq: edited.seq, lost: None });
        }
        trace.last = Some(edited);
    }

    /// The database said `value`, and it went under in the record `seq`.
    pub fn lose(&mut self, field: Field, value: Option<Note>, seq: Seq, at: Timestamp) {
        let before = self.lost(field, value.as_ref()).map_or(0, |it| it.times);
        let lost = Some(Lost { times: before.saturating_add(1), at });
        self.0.entry(field).or_default().taken = Some(Taken { value, seq, lost });
    }

    /// Whether that value was the last to go under, and nothing was set here since.
    pub fn lost(&self, field: Field, value: Option<&Note>) -> Option<Lost> {
        let taken = self.taken(field).filter(|it| it.value.as_ref() == value)?;
        taken.lost.filter(|_| self.last(field).is_none_or(|it| it.seq < taken.seq))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What one side set a value to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// As published: a name, `CRITICAL`, a text, a time. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Note>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Label>,
    /// By the database's clock.
    pub at: Timestamp,
    pub source: Source,
}

/// Why a value went under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The other one was set later.
    Older,
    /// It would have lowered the urgency, or taken a person off the line.
    Safety,
    /// It may not be set like that: nobody said who did it, or the call is over.
    Refused,
}

/// Both sides changed the same value while they were apart, and one of the changes went under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    pub conflict_id: ConflictId,
    pub call_id: CallId,
    pub field: Field,
    pub why: Why,
    pub kept: Side,
    pub lost: Side,
}
