//! A token bucket, kept as the one moment at which it is full again (the generic cell rate algorithm, ITU-T I.371).

use std::{
    collections::HashMap,
    hash::Hash,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How much may be done at once, and how soon again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Units that may be taken at once.
    pub(crate) burst: u32,
    /// Time until one unit more may be taken.
    pub(crate) every: Duration,
}

impl Rate {
    /// So many units at once, and so many more each second.
    pub const fn new(burst: NonZeroU32, per_second: NonZeroU32) -> Self {
        let nanos = 1_000_000_000 / per_second.get();
        Self { burst: burst.get(), every: Duration::from_nanos(if nanos == 0 { 1 } else { nanos } as u64) }
    }
}

/// What was taken of a [`Rate`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    /// When all of the burst is there again.
    full: Instant,
}

impl Meter {
    pub(crate) fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// Takes so many units, or says how long to wait for them. More than a burst is taken as a burst.
    pub(crate) fn take(&mut self, units: u32, rate: Rate, now: Instant) -> Result<(), Duration> {
        let full = self.full.max(now) + rate.every * units.min(rate.burst);
        let wait = full.saturating_duration_since(now + rate.every * rate.burst);
        if wait.is_zero() {
            self.full = full;
            return Ok(());
        }
        Err(wait)
    }

    /// Gives units back.
    pub(crate) fn give(&mut self, units: u32, rate: Rate) {
        // A bucket is never more than full: `take` looks at the present moment first.
        self.full = self.full.checked_sub(rate.every * units).unwrap_or(self.full);
    }

    /// Nothing is owed.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full <= now
    }

    /// When it is full again.
    pub(crate) fn full(&self) -> Instant {
        self.full
    }
}

/// Meters of many, each by what it counts; at most `most`. When full, those that owe nothing are forgotten, else the one
/// that owes least: nobody gets rid of a debt by bringing others along.
#[derive(Debug)]
pub(crate) struct Meters<K> {
    most: usize,
    table: Mutex<HashMap<K, Meter>>,
}

impl<K: Clone + Eq + Hash> Meters<K> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, table: Mutex::default() }
    }

    /// As [`Meter::take`].
    pub(crate) fn take(&self, key: &K, units: u32, rate: Rate) -> Result<(), Duration> {
        let now = Instant::now();
        let mut table = self.lock();
        if let Some(meter) = table.get_mut(key) {
            return meter.take(units, rate, now);
        }
        if table.len() >= self.most {
            table.retain(|_, meter| !meter.is_full(now));
        }
        if table.len() >= self.most {
            let least = table.iter().min_by_key(|(_, meter)| meter.full()).map(|(key, _)| key.clone());
            least.map(|key| table.remove(&key));
        }
        table.entry(key.clone()).or_insert_with(|| Meter::new(now)).take(units, rate, now)
    }

    /// Whether one unit could be taken, or how long to wait for it.
    pub(crate) fn look(&self, key: &K, rate: Rate) -> Result<(), Duration> {
        let Some(mut meter) = self.lock().get(key).copied() else { return Ok(()) };
        meter.take(1, rate, Instant::now())
    }

    /// As [`Meter::give`].
    pub(crate) fn give(&self, key: &K, units: u32, rate: Rate) {
        if let Some(meter) = self.lock().get_mut(key) {
            meter.give(units, rate);
        }
    }

    /// Forgets all others.
    pub(crate) fn retain(&self, keep: impl Fn(&K) -> bool) {
        self.lock().retain(|key, _| keep(key));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Meter>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 10, every: Duration::from_secs(6) };

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_one_at_a_time() {
        let now = Instant::now();
        let mut meter = Meter::new(now);
        for _ in 0..10 {
            assert_eq!(meter.take(1, RATE, now), Ok(()));
        }
        assert_eq!(meter.take(1, RATE, now), Err(Duration::from_secs(6)));
        assert_eq!(meter.take(3, RATE, now), Err(Duration::from_secs(18)));
        let later = now + Duration::from_secs(6);
        assert_eq!(meter.take(1, RATE, later), Ok(()));
        assert_eq!(meter.take(1, RATE, later), Err(Duration::from_secs(6)), "refusals cost nothing");
        meter.give(1, RATE);
        assert_eq!(meter.take(1, RATE, later), Ok(()));
        assert!(!meter.is_full(later) && meter.is_full(later + RATE.every * 10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_used_does_not_add_up() {
        let now = Instant::now() + Duration::from_secs(10_000);
        let mut meter = Meter::new(Instant::now());
        assert_eq!((0..20).filter(|_| meter.take(1, RATE, now).is_ok()).count(), 10);
        let mut meter = Meter::new(now);
        assert_eq!((meter.take(1_000, RATE, now), meter.take(1, RATE, now)), (Ok(()), Err(RATE.every)));
    }
}
