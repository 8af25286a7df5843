//! What the mirror asks of our side when something comes from the database. The wiring gives it: a
//! reader knows the journal, and not who decides.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::domain::{Call, CallId, RemoteCall, RemoteClock, RemoteMessage, RuledOn};

/// Why something was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("the call is not here any more")]
    Gone,
    #[error("the call has ended")]
    Ended,
    /// It can't be written down now; to be tried again.
    #[error("{0}")]
    Later(String),
}

/// An answer on its way.
pub type Taking<T> = Pin<Box<dyn Future<Output = Result<T, NotTaken>> + Send>>;

/// Our side. Cheap to copy.
#[derive(Clone)]
pub struct Here {
    /// Rules on what was changed of a call.
    pub take_in: Arc<dyn Fn(RemoteCall, RemoteClock) -> Taking<RuledOn> + Send + Sync>,
    /// Takes in words to the caller; whether they are new.
    pub take_in_words: Arc<dyn Fn(RemoteMessage) -> Taking<bool> + Send + Sync>,
    /// A call that is active here.
    pub call: Arc<dyn Fn(CallId) -> Option<Arc<Call>> + Send + Sync>,
    /// All of them.
    pub calls: Arc<dyn Fn() -> Vec<Arc<Call>> + Send + Sync>,
}

impl fmt::Debug for Here {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Here")
    }
}
