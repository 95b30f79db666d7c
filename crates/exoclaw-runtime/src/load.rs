//! How many messages wait or run, in all.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts messages that were sent and not yet answered, up to a bound.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    taken: Arc<AtomicUsize>,
    places: usize,
}

/// One message's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl Load {
    pub(crate) fn new(places: usize) -> Self {
        Self { taken: Arc::default(), places }
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// A place, if one is free.
    pub(crate) fn take(&self) -> Option<Place> {
        let more = |taken: usize| (taken < self.places).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Place(self.taken.clone()))
    }

    /// A place whether or not one is free: for what was accepted before a restart.
    pub(crate) fn take_anyway(&self) -> Place {
        self.taken.fetch_add(1, Ordering::Relaxed);
        Place(self.taken.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
