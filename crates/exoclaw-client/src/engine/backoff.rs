//! Pauses between attempts: each twice as long as the one before, half of it chance, so that clients of one daemon do not
//! come back all at once.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    max: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    pub(super) fn new(first: Duration, max: Duration, seed: u64) -> Self {
        Self { first, max, failures: 0, random: seed }
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(super) fn next(&mut self) -> Duration {
        let whole = self.first.saturating_mul(1 << self.failures.min(16)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        // SplitMix64 (Steele, Lea, Flood 2014), of which the high half is taken.
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let chance = f64::from((mixed >> 32) as u32) / f64::from(u32::MAX);
        whole / 2 + (whole / 2).mul_f64(chance)
    }
}
