//! What can go wrong between a question to the model and words that may be spoken.

use std::time::Duration;

/// Why there is no answer of the model. Messages carry no key, no speech and no body.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A setting can't be used; only [`super::Model::new`] returns it.
    #[error("the model can't be used: {0}")]
    Settings(String),
    /// A deadline struck and not even one whole sentence had come.
    #[error("the model did not answer within {0:?}")]
    Timeout(Duration),
    /// No connection, or it broke before the reply began.
    #[error("the model server can't be reached")]
    Connect { source: reqwest::Error },
    /// A status that may be different next time (408, 429, 5xx), or one without a known remedy.
    #[error("the model server answered with status {status}")]
    Status {
        status: u16,
        /// What `Retry-After` asked for.
        retry_after: Option<Duration>,
    },
    /// The server turns us away until an operator does something: key, quota or model name.
    #[error("the model server refuses requests: {0}")]
    Refused(&'static str),
    /// The model itself declined to answer, or a content filter withheld the answer.
    #[error("the model declined to answer")]
    Declined,
    /// The reply was cut off, too long, or not in the agreed form.
    #[error("the reply of the model is broken: {0}")]
    Broken(&'static str),
    /// Recent questions failed, so this one was not asked.
    #[error("the model is not asked because it failed recently")]
    OpenCircuit,
    /// The answer names something that neither the site's data nor the caller mentioned.
    #[error("the answer was held back: {0}")]
    Unsafe(&'static str),
}

impl ModelError {
    /// A stable label for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Settings(_) => "settings",
            Self::Timeout(_) => "timeout",
            Self::Connect { .. } => "connect",
            Self::Status { .. } => "status",
            Self::Refused(_) | Self::Declined => "refused",
            Self::Broken(_) => "broken",
            Self::OpenCircuit => "open_circuit",
            Self::Unsafe(_) => "unsafe_words",
        }
    }
}
