//! Runs: finished pieces of work, told by any command line, with or without a server.
//!
//! The one idea: recording is local and short. A run becomes a file ([`Spool`]) before anything else;
//! then a server on the data folder is told of it, or the next one takes the file in. What the network
//! does is nobody's wait. The id says what the work was, so telling it twice is telling it once.
//!
//! # Not here
//! How a run becomes true: `Desk::record_runs`. How it gets to the database: the mirror.

mod begun;
mod command;
mod cpu;
mod elsewhere;
mod exec;
mod hand_over;
mod list;
mod record;
mod spool;
mod stats;
mod sync;
mod tell;
mod user;

pub use self::command::{Options, run};
pub use self::elsewhere::TeamReader;
pub use self::hand_over::ServerError;
pub use self::list::Listed;
pub use self::spool::{Looked, Place, Spool, SpoolError};
pub use self::stats::{Day, Elsewhere, Numbers, Person, Stats};
pub use self::tell::Home;
pub use self::user::{Asked, ask};
