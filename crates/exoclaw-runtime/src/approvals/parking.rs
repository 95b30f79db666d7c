//! A run that waits for people makes room for others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The permit of one run, which it gives back while all that it does is to wait for people.
#[derive(Debug)]
pub(crate) struct Parking {
    runs: Arc<Semaphore>,
    state: Mutex<State>,
    parked: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    permit: Option<OwnedSemaphorePermit>,
    /// Approvals that it waits for.
    waiting: usize,
    /// Calls with an intent whose result is not durable.
    begun: usize,
}

impl Parking {
    pub(crate) fn new(runs: Arc<Semaphore>, permit: OwnedSemaphorePermit) -> Self {
        let state = State { permit: Some(permit), waiting: 0, begun: 0 };
        Self { runs, state: Mutex::new(state), parked: watch::Sender::new(false) }
    }

    /// A call has begun that must not be cut off.
    pub(crate) fn begin(&self) {
        self.change(|state| state.begun += 1);
    }

    /// Its result is durable.
    pub(crate) fn end(&self) {
        self.change(|state| state.begun = state.begun.saturating_sub(1));
    }

    /// The run waits for an approval from here on, until [`go_on`](Self::go_on).
    pub(crate) fn wait(&self) {
        self.change(|state| state.waiting += 1);
    }

    /// The run has its answer: it waits for its turn again.
    pub(crate) async fn go_on(&self) {
        if self.lock().permit.is_none() {
            // Closed by nobody.
            let permit = self.runs.clone().acquire_owned().await.ok();
            let mut state = self.lock();
            // One that another call brought meanwhile is enough.
            if state.permit.is_none() {
                state.permit = permit;
            }
        }
        self.change(|state| state.waiting = state.waiting.saturating_sub(1));
    }

    /// Resolves while nothing of the run is under way.
    pub(crate) async fn parked(&self) {
        // The sender lives as long as this.
        self.parked.subscribe().wait_for(|parked| *parked).await.map(drop).ok();
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let parked = state.waiting > 0 && state.begun == 0;
        if parked {
            state.permit = None;
        }
        self.parked.send_replace(parked);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is complete before the lock goes.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
