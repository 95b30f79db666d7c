//! Runs of a session, one after the other.

use std::{panic::AssertUnwindSafe, sync::Arc};

use exoclaw_protocol::AbortReason;
use futures::FutureExt;
use tokio::sync::OwnedSemaphorePermit;

use super::Inner;
use crate::{
    live::{LiveRun, Next},
    run,
    sessions::Lease,
    tasks::panic_text,
};

impl Inner {
    /// Sees to it that somebody works on the session's queue.
    pub(crate) fn work(self: &Arc<Self>, lease: &Lease) {
        let is_worked_on = std::mem::replace(&mut lease.session().lock().working, true);
        if is_worked_on {
            return;
        }
        let (inner, lease) = (self.clone(), lease.clone());
        // Refused only while stopping: the messages wait in the journal for the next start.
        let _ = self.tasks.spawn("session", async move { inner.work_through(&lease).await });
    }

    async fn work_through(self: &Arc<Self>, lease: &Lease) {
        loop {
            let permit = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                permit = self.runs.clone().acquire_owned() => permit,
            };
            let Ok(permit) = permit else { return };
            let Some(next) = LiveRun::next(lease) else { return };
            // The run has said that it failed by the time its panic arrives here; the next one is not to suffer.
            if let Err(panic) = AssertUnwindSafe(self.run_next(next, permit)).catch_unwind().await {
                tracing::error!(panic = panic_text(&*panic), "ending a run panicked");
            }
        }
    }

    async fn run_next(self: &Arc<Self>, next: Next, permit: OwnedSemaphorePermit) {
        let Next { superseded, joined, live } = next;
        for superseded in superseded {
            run::abort(self, superseded, AbortReason::Interrupt).await;
        }
        run::run(self, live, joined, permit).await;
    }
}
