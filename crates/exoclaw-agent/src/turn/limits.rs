//! Where a turn stops by itself, and how long it waits before it asks again.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Where a turn stops by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnLimits {
    /// Model steps of one turn. Calls of the last one are not run, for nobody would read their results.
    pub steps: u32,
    /// Identical calls in a row that are run. The next one is refused and the model told; if it goes on, the turn ends.
    pub identical_calls: u32,
    /// Calls of one step that run at the same time.
    pub parallel_calls: usize,
    /// Requests for one step, the first included.
    pub attempts: u32,
    /// Wait before the second request; doubled for each further one, and shortened by up to a half by jitter.
    pub first_wait: Duration,
    /// Longest wait. A provider that asks for more is not asked again: the person decides.
    pub longest_wait: Duration,
}

impl Default for TurnLimits {
    fn default() -> Self {
        Self {
            steps: 32,
            identical_calls: 3,
            parallel_calls: 8,
            attempts: 4,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
        }
    }
}

impl TurnLimits {
    /// Time to wait after the `attempt`th request failed (from 1), never less than the provider asks for.
    pub(super) fn wait(&self, attempt: u32, asked: Option<Duration>, fraction: f64) -> Option<Duration> {
        let doubled = self.first_wait.saturating_mul(1 << (attempt - 1).min(16));
        let jittered = doubled.min(self.longest_wait).mul_f64(1.0 - 0.5 * fraction.clamp(0.0, 1.0));
        match asked {
            Some(asked) if asked > self.longest_wait => None,
            Some(asked) => Some(asked.max(jittered)),
            None => Some(jittered),
        }
    }
}

/// Spreads retries, so that turns which failed together do not come back together.
pub trait Jitter: fmt::Debug + Send + Sync {
    /// A number from 0 to 1, another one each time.
    fn fraction(&self) -> f64;
}

/// Jitter from the standard library's random hash keys.
#[derive(Debug, Default)]
pub struct RandomJitter {
    keys: RandomState,
    drawn: AtomicU64,
}

impl Jitter for RandomJitter {
    fn fraction(&self) -> f64 {
        let drawn = self.keys.hash_one(self.drawn.fetch_add(1, Ordering::Relaxed));
        f64::from((drawn >> 32) as u32) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_shrink_by_jitter_and_never_undercut_the_provider() {
        let limits = TurnLimits::default();
        let wait = |attempt, asked: Option<u64>, fraction| {
            limits.wait(attempt, asked.map(Duration::from_secs), fraction).map(|wait| wait.as_millis())
        };
        assert_eq!(wait(1, None, 0.0), Some(1_000));
        assert_eq!(wait(1, None, 1.0), Some(500));
        assert_eq!(wait(3, None, 0.5), Some(3_000));
        assert_eq!(wait(40, None, 0.0), Some(60_000));
        assert_eq!(wait(1, Some(7), 0.3), Some(7_000));
        assert_eq!(wait(5, Some(7), 0.0), Some(16_000));
        assert_eq!(wait(1, Some(61), 0.0), None);
    }

    #[test]
    fn random_jitter_stays_in_range_and_varies() {
        let jitter = RandomJitter::default();
        let drawn: Vec<f64> = (0..100).map(|_| jitter.fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..=1.0).contains(fraction)));
        assert!(drawn.iter().any(|fraction| *fraction != drawn[0]));
    }
}
