//! The one limiter before every check of a credential, loopback included.

use std::{net::IpAddr, time::Duration};

use crate::meter::{Meters, Rate};

/// Wrong credentials of one kind that one source may show: ten at once, then one each six seconds. So no more than twenty are
/// compared in any minute, and whoever waits is never kept waiting longer than a minute.
const WRONG: Rate = Rate { burst: 10, every: Duration::from_secs(6) };

/// Sources that are remembered.
const SOURCES: usize = 4_096;

/// What is guessed. Guesses of one kind keep nobody out who shows another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Token,
    Cookie,
    Code,
    /// What a platform would have signed.
    Webhook,
    /// Nothing is shown but a key that nobody knows yet.
    Stranger,
}

/// Counts wrong credentials by where they come from.
#[derive(Debug)]
pub(crate) struct Limiter {
    sources: Meters<(IpAddr, Kind)>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { sources: Meters::new(SOURCES) }
    }
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
        // Counted before it is compared: those that come at the same time can't all be the last one.
        self.sources.take(&(source, kind), 1, WRONG).map_err(|retry_after| TooMany { retry_after })?;
        let compared = compare();
        if compared.is_some() {
            self.sources.give(&(source, kind), 1, WRONG);
        }
        Ok(compared)
    }

    /// Whether something from there is looked at that has no credential of ours. Costs nothing.
    pub(crate) fn may(&self, source: Option<IpAddr>, kind: Kind) -> Result<(), TooMany> {
        let Some(source) = source else { return Ok(()) };
        self.sources.look(&(source, kind), WRONG).map_err(|retry_after| TooMany { retry_after })
    }

    /// It was wrong.
    pub(crate) fn wrong(&self, source: Option<IpAddr>, kind: Kind) {
        if let Some(source) = source {
            // Those that came at the same time were all looked at: there are not many.
            self.sources.take(&(source, kind), 1, WRONG).ok();
        }
    }

    /// Forgets who showed wrong credentials of that kind: its owner is about to show a right one.
    pub(crate) fn forgive(&self, kind: Kind) {
        self.sources.retain(|(_, of)| *of != kind);
    }
}

#[cfg(test)]
mod tests;
