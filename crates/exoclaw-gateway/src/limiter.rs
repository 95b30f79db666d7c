//! The one limiter before every check of a credential, loopback included.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::meter::{Meter, Rate};

/// Wrong credentials of one kind that one source may show: ten at once, then one each six seconds. So no more than twenty are
/// compared in any minute, and whoever waits is never kept waiting longer than a minute.
const WRONG: Rate = Rate { burst: 10, every: Duration::from_secs(6) };

/// Sources that are remembered. When full, the one that owes least is forgotten.
const SOURCES: usize = 4_096;

/// What is guessed. Guesses of one kind keep nobody out who shows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Token,
    Cookie,
    Code,
}

/// Counts wrong credentials by where they come from.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    sources: Mutex<HashMap<(IpAddr, Kind), Meter>>,
}

/// Too many wrong credentials came from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) retry_after: Duration,
}

impl Limiter {
    /// Compares a credential, unless too many from there were wrong. A right one costs nothing. `None` as source is the
    /// user who runs the daemon, who guesses nothing.
    pub(crate) fn check<T>(
        &self,
        source: Option<IpAddr>,
        kind: Kind,
        compare: impl FnOnce() -> Option<T>,
    ) -> Result<Option<T>, TooMany> {
        let Some(source) = source else { return Ok(compare()) };
        let now = Instant::now();
        // Counted before it is compared: those that come at the same time can't all be the last one.
        self.enter(source, kind, now)?;
        let compared = compare();
        if compared.is_some()
            && let Some(meter) = self.lock().get_mut(&(source, kind))
        {
            meter.give(1, WRONG);
        }
        Ok(compared)
    }

    /// Forgets who showed wrong credentials of that kind: its owner is about to show a right one.
    pub(crate) fn forgive(&self, kind: Kind) {
        self.lock().retain(|(_, of), _| *of != kind);
    }

    fn enter(&self, source: IpAddr, kind: Kind, now: Instant) -> Result<(), TooMany> {
        let mut sources = self.lock();
        if sources.len() >= SOURCES && !sources.contains_key(&(source, kind)) {
            sources.retain(|_, meter| !meter.is_full(now));
            if sources.len() >= SOURCES {
                let least = sources.iter().min_by_key(|(_, meter)| meter.full()).map(|(key, _)| *key);
                least.map(|key| sources.remove(&key));
            }
        }
        let meter = sources.entry((source, kind)).or_insert_with(|| Meter::new(now));
        meter.take(1, WRONG, now).map_err(|retry_after| TooMany { retry_after })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(IpAddr, Kind), Meter>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
