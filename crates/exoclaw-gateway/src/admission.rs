//! Who may hold a socket: so many in all, and so many that have not shown a credential.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use exoclaw_protocol::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Counts sockets. When all places are taken, a new one is turned away. When too many are strangers, the oldest stranger
/// goes, so that a flood of them keeps nobody out who shows a credential at once.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    strangers: Mutex<Strangers>,
}

#[derive(Debug, Default)]
struct Strangers {
    arrivals: u64,
    by_arrival: BTreeMap<u64, CancellationToken>,
}

/// One socket's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    arrival: u64,
    evicted: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(limits::SOCKETS)), strangers: Mutex::default() })
    }

    /// A place for a stranger, if there is one.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let evicted = CancellationToken::new();
        let mut strangers = self.lock();
        strangers.arrivals += 1;
        let arrival = strangers.arrivals;
        strangers.by_arrival.insert(arrival, evicted.clone());
        if strangers.by_arrival.len() > limits::UNAUTHENTICATED_SOCKETS
            && let Some((_, oldest)) = strangers.by_arrival.pop_first()
        {
            oldest.cancel();
        }
        drop(strangers);
        Some(Place { admission: Arc::clone(self), arrival, evicted, _place: place })
    }

    fn lock(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Its holder has shown a credential.
    pub(crate) fn known(&self) {
        self.admission.lock().by_arrival.remove(&self.arrival);
    }

    /// Cancelled when the place is needed for somebody else.
    pub(crate) fn evicted(&self) -> &CancellationToken {
        &self.evicted
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.known();
    }
}

#[cfg(test)]
mod tests;
