//! Runs: finished pieces of work, told by any command line, with or without a server.
//!
//! The one idea: recording is local and short. A run goes to the server that has the data folder,
//! or else into a file ([`Spool`]) that the next server takes in; what the network does is nobody's
//! wait. The id says what the work was, so telling it twice is telling it once.
//!
//! # Not here
//! How a run becomes true: `Desk::record_runs`. How it gets to the database: the mirror.

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
pub use self::spool::{Place, Spool, SpoolError};
pub use self::stats::{Day, Elsewhere, Numbers, Person, Stats};
pub use self::tell::Home;
pub use self::user::{Asked, ask};
