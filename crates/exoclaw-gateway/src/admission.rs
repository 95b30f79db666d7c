//! Who may hold a socket: so many in all, and so many that have not shown a credential.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use exoclaw_protocol::limits;
use exoclaw_runtime::metrics::Metrics;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Counts sockets. When all places are taken, a new one is turned away. When too many are strangers, one of them goes, so
/// that a flood of them keeps nobody out who shows a credential at once: of one source the oldest; of all sources any one,
/// which a flood can't foresee.
#[derive(Debug)]
pub(crate) struct Admission {
    places: Arc<Semaphore>,
    strangers: Mutex<Strangers>,
    /// Many sources come by the address of a proxy.
    proxies: Vec<IpAddr>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct Strangers {
    arrivals: u64,
    by_arrival: BTreeMap<u64, Stranger>,
}

#[derive(Debug)]
struct Stranger {
    source: Option<IpAddr>,
    evicted: CancellationToken,
}

/// One socket's place, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    admission: Arc<Admission>,
    arrival: u64,
    evicted: CancellationToken,
    is_known: AtomicBool,
    _place: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(proxies: &[IpAddr], metrics: Arc<Metrics>) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(limits::SOCKETS));
        let proxies = proxies.iter().map(IpAddr::to_canonical).collect();
        Arc::new(Self { places, strangers: Mutex::default(), proxies, metrics })
    }

    /// A place for a stranger, if there is one.
    pub(crate) fn admit(self: &Arc<Self>, source: Option<IpAddr>) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        self.metrics.connection(place.is_some());
        let place = place?;
        let evicted = CancellationToken::new();
        let mut strangers = self.lock();
        strangers.arrivals += 1;
        let arrival = strangers.arrivals;
        strangers.by_arrival.insert(arrival, Stranger { source, evicted: evicted.clone() });
        let one_source = source.filter(|source| !self.proxies.contains(source));
        if let Some(gone) = strangers.too_many(one_source)
            && let Some(stranger) = strangers.by_arrival.remove(&gone)
        {
            stranger.evicted.cancel();
        }
        drop(strangers);
        Some(Place { admission: Arc::clone(self), arrival, evicted, is_known: AtomicBool::new(false), _place: place })
    }

    fn lock(&self) -> MutexGuard<'_, Strangers> {
        self.strangers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Strangers {
    /// Whose place is needed, if there are too many.
    fn too_many(&self, source: Option<IpAddr>) -> Option<u64> {
        let of_source = || self.by_arrival.iter().filter(|(_, stranger)| source.is_some() && stranger.source == source);
        if of_source().count() > limits::UNAUTHENTICATED_SOCKETS_OF_SOURCE {
            return of_source().next().map(|(arrival, _)| *arrival);
        }
        let count = self.by_arrival.len();
        if count <= limits::UNAUTHENTICATED_SOCKETS {
            return None;
        }
        // Where the system has no random numbers, the oldest goes. The newest was let in just now.
        let chance = getrandom::u64().map_or(0, |drawn| drawn % (count as u64 - 1));
        self.by_arrival.keys().nth(usize::try_from(chance).unwrap_or(0)).copied()
    }
}

impl Place {
    /// Its holder has shown a credential, and keeps the place: even where it was about to be taken.
    pub(crate) fn known(&self) {
        self.is_known.store(true, Ordering::Release);
        self.admission.lock().by_arrival.remove(&self.arrival);
    }

    /// Ends when the place is needed for somebody else.
    pub(crate) async fn evicted(&self) {
        self.evicted.cancelled().await;
        if self.is_known.load(Ordering::Acquire) {
            std::future::pending().await
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.known();
        self.admission.metrics.connection_ended();
    }
}

#[cfg(test)]
mod tests;
