//! The mirror: follows the journal and writes the state to a Firebase Realtime Database.
//!
//! # Promises
//! - Nobody waits for it: it runs on its own thread and learns of new records by a bell.
//! - What it writes is absolute values under fixed keys, so sending twice is harmless.
//! - Order holds: one request is in flight, and the position travels with the data.
//! - An error drops nothing: temporary ones are waited out, refused values are set aside with their
//!   reason and can be tried again.
//! - Memory is bounded by one batch, however long an outage lasts.
//! - What others change there comes back as soon as the database tells of it: see `download`.
//! - What others may have changed is not written over unseen: a stream tells of it, or it is looked
//!   at first (`contested.rs`).
//! - A database that was wiped, restored or replaced is recognised and filled again (`position.rs`).

mod answer;
mod auth;
mod backoff;
mod client;
mod clock;
mod contested;
mod cost;
mod credentials;
mod cursor;
mod delivery;
mod doubt;
mod download;
pub mod entry;
mod failed;
mod here;
mod key;
mod link;
mod meter;
mod mirror;
mod outage_log;
mod pace;
mod patience;
mod position;
mod progress;
mod run;
mod source;
mod status;
mod target;
mod writer;
mod writes;

pub use auth::TokenSource;
pub use backoff::BackoffLimits;
pub use client::{
    Ack, Client, ClientError, ClientSettings, Etag, Found, MAX_BODY_BYTES, Put, WriteError,
};
pub use clock::Clock;
pub use contested::TakeIn;
pub use cost::{CallCost, Cost, Prices};
pub use credentials::{Credentials, CredentialsError};
pub use cursor::{Cursor, CursorError};
pub use download::{
    BadMode, ChosenBy, Download, DownloadSettings, Listening, ListeningReport, Mode, SetAside,
    StreamLimits, Viewers, Wishes,
};
pub use failed::{FailedItem, FailedItems, MAX_FAILED, Which};
pub use here::{Here, NotTaken, Taking};
pub use key::escape;
pub use link::{MirrorLink, forget_in_file};
pub use meter::{CallTally, Day, Meter, Tally};
pub use mirror::{Mirror, MirrorError, MirrorSettings};
pub use pace::Pace;
pub use position::{Found as FoundThere, Noticed};
pub use run::{run_path, run_value, run_writes};
pub use source::{Gone, follow, put};
pub use status::{FailedLine, MirrorStatus, State, SyncReport, Trouble};
pub use target::{Target, TargetError};
pub use writer::{Batch, Leave, Next, Reset, SourceError};
pub use writes::{Limits, Writes};
