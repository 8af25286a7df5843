//! The words that everything else shares: no I/O, no clock, no HTTP.

mod call;
mod card_step;
mod edit;
mod event;
mod id;
mod message;
mod phone;
mod published;
mod record;
mod remote;
mod run;
mod state;
mod stored;
mod text;
mod timestamp;
mod topic;
mod urgency;

pub use call::{Call, CallStatus, EndReason, Medium, REQUESTS_KEPT};
pub use card_step::CardStep;
pub use edit::{Conflict, Edited, Edits, Field, Lost, Side, Source, Taken, Why};
pub use event::{
    Alert, AlertAcknowledged, AlertKind, ByPerson, CallEnded, CallStarted, CallUpdated,
    ConflictSettled, Event, MessageAdded,
};
pub use id::{AlertId, BadId, CallId, ConflictId, ConversationId, MessageId, RunId};
pub use message::{AnsweredBy, Message, Role};
pub use phone::PhoneNumber;
pub use published::{PublishedCall, PublishedMessage, SyncStatus, WithId};
pub use record::{JournalId, NotA, Position, Record, Seq};
pub use remote::{RemoteCall, RemoteClock, RemoteEdit, RemoteMessage, RuledOn};
pub use run::{BadRun, Run, RunStatus, Seconds};
pub use state::{ALERTS_KEPT, CONFLICTS_KEPT, ENDED_KEPT, ENDED_KEPT_FOR, Notices, State};
pub use stored::{StoredCall, StoredCallRef, StoredMessage, StoredMessages};
pub use text::{BadText, Label, Note, Utterance, clean};
pub use timestamp::Timestamp;
pub use topic::Topic;
pub use urgency::Urgency;
