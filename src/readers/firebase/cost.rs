//! The bill: what is stored and what was downloaded, at the published price.
//!
//! Source: Firebase, "Pricing: Realtime Database", read 2026-11-20: per GB stored and month, and per
//! GB downloaded; what is uploaded costs nothing.

use jiff::civil::Date;
use serde::Serialize;

use super::meter::{CallTally, Day, Meter, Tally, today};

const GB: f64 = 1e9;
/// Calls that are named.
const MOST_CALLS: usize = 10;

/// USD for a GB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    pub stored: f64,
    pub downloaded: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { stored: 5.0, downloaded: 1.0 }
    }
}

/// `cost` of `/api/sync`.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    pub since_start: Tally,
    pub today: Tally,
    /// The latest 31 days with traffic.
    pub days: Vec<Day>,
    /// About what of ours is in the database.
    pub stored_bytes: u64,
    pub usd: Usd,
    /// The mean of the latest calls.
    pub per_call: PerCall,
    /// The dearest of the latest calls.
    pub calls: Vec<CallCost>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Usd {
    pub downloaded_today: f64,
    pub downloaded_this_month: f64,
    /// Of a month with as much in it as now.
    pub stored_a_month: f64,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct PerCall {
    pub paths: f64,
    pub bytes_up: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct CallCost {
    pub call_id: String,
    #[serde(flatten)]
    pub tally: CallTally,
}

impl Cost {
    pub fn of(meter: &Meter, prices: Prices, stored_bytes: u64) -> Self {
        Self::on(today(), meter, prices, stored_bytes)
    }

    fn on(today: Date, meter: &Meter, prices: Prices, stored_bytes: u64) -> Self {
        let days = meter.days();
        let of_today = days.last().filter(|it| it.date == today).map(|it| it.tally);
        let of_today = of_today.unwrap_or_default();
        let month = days.iter().filter(|it| it.date.first_of_month() == today.first_of_month());
        let month: u64 = month.map(|it| it.tally.bytes_down).sum();
        let mut calls: Vec<_> = meter.calls();
        let n_calls = calls.len().max(1) as f64;
        let paths: u64 = calls.iter().map(|it| it.1.paths).sum();
        let bytes_up: u64 = calls.iter().map(|it| it.1.bytes_up).sum();
        calls.sort_unstable_by_key(|it| std::cmp::Reverse(it.1.bytes_up));
        calls.truncate(MOST_CALLS);
        let calls = calls.into_iter().map(|(call_id, tally)| CallCost { call_id, tally });
        Self {
            since_start: meter.since_start(),
            today: of_today,
            days,
            stored_bytes,
            usd: Usd {
                downloaded_today: usd(of_today.bytes_down, prices.downloaded),
                downloaded_this_month: usd(month, prices.downloaded),
                stored_a_month: usd(stored_bytes, prices.stored),
            },
            per_call: PerCall {
                paths: paths as f64 / n_calls,
                bytes_up: bytes_up as f64 / n_calls,
            },
            calls: calls.collect(),
        }
    }
}

fn usd(bytes: u64, price: f64) -> f64 {
    bytes as f64 / GB * price
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_is_what_was_downloaded_this_month_and_what_is_stored() {
        let meter = Meter::default();
        let day = |date, bytes_down| Day { date, tally: Tally { bytes_down, ..Tally::default() } };
        let date = |month, day| Date::constant(2026, month, day);
        meter.resume(&[
            day(date(10, 31), 7_000_000_000),
            day(date(11, 1), 2_000_000_000),
            day(date(11, 20), 1_000_000_000),
        ]);
        meter.of_call("A", 100);
        meter.of_call("B", 300);

        let cost = Cost::on(date(11, 20), &meter, Prices::default(), 200_000_000);

        let usd = cost.usd;
        assert_eq!((usd.downloaded_today, usd.downloaded_this_month), (1.0, 3.0));
        assert_eq!((usd.stored_a_month, cost.per_call.bytes_up), (1.0, 200.0));
        assert_eq!(cost.calls[0].call_id, "call_B");
    }
}
