//! How far a call has come through an offline card.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A step of a card: the card's id and the step's place in it, from 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardStep {
    pub card: Arc<str>,
    pub step: u16,
}
