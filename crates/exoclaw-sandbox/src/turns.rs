//! Guests that compute for long take turns, so that threads are left for everybody else.
//!
//! A guest yields at each tick of the epoch, but until then it has its thread. A few that only compute would have all threads of a
//! runtime, and whoever else wants one would wait for a tick or several. So a guest that has computed for more than
//! [`SHORT`] ticks goes on only with a turn, of which there are fewer than threads, first come, first served. A turn ends with
//! the poll that it was for: no guest keeps one while it waits.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::yield_now,
};

/// Ticks for which a guest computes as it likes: most calls end within one.
pub(crate) const SHORT: u32 = 1;

/// The turn of one call: had, or not.
#[derive(Debug)]
pub(crate) struct Turn {
    all: Arc<Semaphore>,
    had: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Turn {
    /// Not had yet.
    pub(crate) fn of(all: &Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self { all: Arc::clone(all), had: Mutex::default() })
    }

    /// Gives the thread away, and waits for a turn. Waiting costs the call's own time.
    pub(crate) async fn take(self: Arc<Self>) {
        yield_now().await;
        // It is never closed.
        let taken = Arc::clone(&self.all).acquire_owned().await.ok();
        self.put(taken);
    }

    /// Runs the call, and ends the turn whenever the call leaves its thread.
    pub(crate) async fn keep<T>(&self, call: impl Future<Output = T>) -> T {
        let mut call = pin!(call);
        poll_fn(|context| {
            let polled = call.as_mut().poll(context);
            self.put(None);
            polled
        })
        .await
    }

    fn put(&self, turn: Option<OwnedSemaphorePermit>) {
        let before = std::mem::replace(&mut *self.had.lock().unwrap_or_else(PoisonError::into_inner), turn);
        drop(before);
    }
}
