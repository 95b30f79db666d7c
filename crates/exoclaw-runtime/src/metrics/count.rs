//! Numbers that many tasks change at once, without waiting for one another.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the buckets, in seconds; above the last one there is one more.
pub(super) const BOUNDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0];

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicI64);

impl Gauge {
    pub(super) fn change(&self, by: i64) {
        self.0.fetch_add(by, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed).try_into().unwrap_or(0)
    }
}

/// Times, counted by how long they are.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    counts: [Counter; BOUNDS.len() + 1],
    micros: Counter,
}

impl Histogram {
    pub(super) fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[bucket].add(1);
        self.micros.add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many lie in each bucket, and their sum in seconds.
    pub(super) fn get(&self) -> (Vec<u64>, f64) {
        (self.counts.iter().map(Counter::get).collect(), self.micros.get() as f64 / 1e6)
    }
}
