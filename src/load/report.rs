//! What was measured, for people and for programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

/// Times from 1 µs to 60 s, to three digits.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order"))
    }
}

impl Latencies {
    pub fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// In milliseconds; `quantile` from 0 to 1.
    pub fn at_ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1_000.0
    }

    pub fn max_ms(&self) -> f64 {
        self.0.max() as f64 / 1_000.0
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut fields = out.serialize_struct("Latencies", 5)?;
        fields.serialize_field("count", &self.count())?;
        fields.serialize_field("p50_ms", &self.at_ms(0.5))?;
        fields.serialize_field("p90_ms", &self.at_ms(0.9))?;
        fields.serialize_field("p99_ms", &self.at_ms(0.99))?;
        fields.serialize_field("max_ms", &self.max_ms())?;
        fields.end()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            self.at_ms(0.5),
            self.at_ms(0.9),
            self.at_ms(0.99),
            self.max_ms()
        )
    }
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub callers: usize,
    pub seconds: f64,
    pub turns: u64,
    /// Turns whose answer said that both messages are on disk.
    pub durable: u64,
    /// Turns that were not answered with 200.
    pub refused: u64,
    /// From the request to the whole answer. At a rate, from when it was due if the caller was still
    /// waiting for the answer before.
    pub latencies: Latencies,
    pub viewers: usize,
    /// From the request to each viewer's stream.
    pub seen: Latencies,
}

impl Report {
    pub fn per_second(&self) -> f64 {
        self.turns as f64 / self.seconds
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} callers, {:.1} s: {} turns, {:.0} a second; {} durable, {} refused",
            self.callers,
            self.seconds,
            self.turns,
            self.per_second(),
            self.durable,
            self.refused
        )?;
        writeln!(f, "answers   {}", self.latencies)?;
        if self.viewers > 0 {
            let expected = self.turns * self.viewers as u64;
            let arrived = self.seen.count();
            writeln!(f, "{} viewers: {arrived} of {expected} words arrived", self.viewers)?;
            writeln!(f, "arrivals  {}", self.seen)?;
        }
        Ok(())
    }
}
