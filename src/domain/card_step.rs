//! How far a call has come in an offline card.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The step that the caller heard last. Kept with the call, so that a restart goes on with the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CardStep {
    /// Id of the card. A reload may have removed it; the call then starts anew.
    pub card: Arc<str>,
    /// From 0.
    pub step: u16,
}
