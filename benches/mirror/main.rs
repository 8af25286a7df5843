//! The mirror in numbers: how soon a message is in the database and what that costs, how fast a
//! backlog is drained, how soon an edit made there is here, and what the writer holds in memory.
//!
//! The server runs in a process of its own with two threads; the database is the fake one, in this
//! process, behind a line with the given round trip: half of it there, half of it back.
//!
//! `cargo bench --bench mirror` measures everything, in about four minutes;
//! `cargo bench --bench mirror -- --only steady --rtt-ms 200` a part of it.

mod backlog;
mod edits;
mod memory;
mod people;
mod server;
mod steady;

#[path = "../../tests/fakes/rtdb/mod.rs"]
mod rtdb;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use tokio::task::LocalSet;

use rtdb::{Fault, Rtdb};

#[derive(Parser)]
struct Asked {
    /// Round trip to the database.
    #[arg(long, default_value_t = 50)]
    rtt_ms: u64,
    /// Only these parts.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Part>,
    /// Of each measurement at a rate; those at a low rate and that of the bill take longer.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Turns a second, each at `AURORA_FIREBASE_REQUESTS_PER_SECOND=1`.
    #[arg(long, value_delimiter = ',', default_values_t = [1.0, 5.0, 10.0, 50.0])]
    rates: Vec<f64>,
    /// Other values of `AURORA_FIREBASE_REQUESTS_PER_SECOND`, each at the last of the rates.
    #[arg(long, value_delimiter = ',', default_values_t = [5, 10, 20])]
    paces: Vec<u32>,
    /// Where the data folders are made; else beside what is built.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// How soon a message is there, and what that costs.
    Steady,
    /// How fast is sent what gathered in an outage.
    Backlog,
    /// How soon here is known what was changed there.
    Edits,
    /// What the writer holds.
    Memory,
}

impl Asked {
    fn trip(&self) -> Duration {
        Duration::from_millis(self.rtt_ms)
    }

    /// An empty database at the end of the line.
    fn database(&self) -> Rtdb {
        let rtdb = Rtdb::start();
        rtdb.set_fault(Fault::Far(self.trip()));
        rtdb
    }
}

/// Sorted, for [`at`].
fn sorted(times: impl Iterator<Item = Duration>) -> Vec<f64> {
    let mut times: Vec<f64> = times.map(|it| it.as_secs_f64() * 1e3).collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Below that lies this share of them, in ms.
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().checked_sub(1).expect("something was measured");
    sorted[((last as f64) * share).ceil() as usize]
}

fn main() {
    if std::env::args().any(|it| it == "--test") {
        return;
    }
    let asked = Asked::parse();
    // An error says that a provider is already there, which is all we want.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let began = Instant::now();
    println!("round trip to the database: {} ms", asked.rtt_ms);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        for part in [Part::Steady, Part::Backlog, Part::Edits, Part::Memory] {
            if !asked.only.is_empty() && !asked.only.contains(&part) {
                continue;
            }
            println!();
            match part {
                Part::Steady => steady::measure(&asked).await,
                Part::Backlog => backlog::measure(&asked).await,
                Part::Edits => edits::measure(&asked).await,
                Part::Memory => memory::measure(&asked).await,
            }
        }
    });
    println!("\n{:.0} s in all", began.elapsed().as_secs_f64());
}
