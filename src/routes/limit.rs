//! A limit on how often one caller may use the JSON API: a bucket that refills.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::error::ApiError;
use crate::domain::PhoneNumber;

/// Callers that are remembered; beyond that those with a full bucket are forgotten.
const REMEMBERED: usize = 50_000;

#[derive(Debug)]
pub struct RateLimit {
    per_second: u32,
    buckets: Mutex<FxHashMap<PhoneNumber, (f64, Instant)>>,
}

impl RateLimit {
    /// `per_second` requests a second, twice as many at once; 0: no limit.
    pub fn new(per_second: u32) -> Self {
        Self { per_second, buckets: Mutex::default() }
    }

    /// Takes one from the caller's bucket.
    ///
    /// # Errors
    /// [`ApiError::TooMany`] if it is empty.
    pub fn take(&self, caller: &PhoneNumber) -> Result<(), ApiError> {
        if self.per_second == 0 {
            return Ok(());
        }
        let (rate, size) = (f64::from(self.per_second), 2.0 * f64::from(self.per_second));
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= REMEMBERED {
            buckets.retain(|_, it| now - it.1 < Duration::from_secs(2));
        }
        let (left, since) = buckets.entry(caller.clone()).or_insert((size, now));
        *left = (*left + (now - *since).as_secs_f64() * rate).min(size);
        *since = now;
        if *left < 1.0 {
            let retry_after = ((1.0 - *left) / rate).ceil() as u64;
            return Err(ApiError::TooMany { retry_after: retry_after.max(1) });
        }
        *left -= 1.0;
        Ok(())
    }
}
