//! The phone providers' dialects: forms in, TwiML out, signatures. Pure: no HTTP server here.
//!
//! # Promises
//! - Whatever a provider or somebody who poses as one sends, parsing returns an error or a value;
//!   it does not panic and does not grow beyond the body it was given.
//! - What goes to the caller is well-formed TwiML within the provider's limits.
//!
//! # Not here
//! Reading the body, its size limit and the public address: `routes`.
//! What to say: `conversation`.

mod call_status;
mod form;
pub mod signature;
mod speakable;
mod twiml;
mod webhook;

pub use call_status::CallStatus;
pub use form::{FormError, Pair, parse_form};
pub use twiml::{LAST_RESORT, Twiml, TwimlError};
pub use webhook::Webhook;
