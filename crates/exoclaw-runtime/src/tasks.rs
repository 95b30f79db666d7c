//! The owner of every task: refuses after the end, waits at the end, notices panics.

use std::{any::Any, future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Spawns tasks and knows when all of them are done. Clones share one set of tasks.
///
/// A task stops when [`token`](Self::token) is cancelled; what does not is dropped at the deadline of [`stop`](Self::stop).
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    kill: CancellationToken,
}

/// No task is taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is stopping")]
pub struct Stopped;

impl Tasks {
    /// Spawns a task. A panic in it is logged under `name` and harms no one else.
    ///
    /// # Errors
    /// When [`stop`](Self::stop) was called before; the future is dropped unpolled.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> Result<(), Stopped> {
        if self.stop.is_cancelled() {
            return Err(Stopped);
        }
        let kill = self.kill.clone();
        self.tracker.spawn(async move {
            match kill.run_until_cancelled(AssertUnwindSafe(task).catch_unwind()).await {
                Some(Ok(())) => {}
                Some(Err(panic)) => tracing::error!(task = name, panic = panic_text(&*panic), "task panicked"),
                None => tracing::warn!(task = name, "task dropped, it did not stop in time"),
            }
        });
        Ok(())
    }

    /// Cancelled when tasks are to stop. Cancelling it by hand stops nothing else: it is a child of the real one.
    pub fn token(&self) -> CancellationToken {
        self.stop.child_token()
    }

    /// Tasks that have not ended.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// No task is under way.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Takes no more tasks, asks the present ones to stop, and drops those that are left after `deadline`.
    /// Says whether all of them stopped by themselves.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        let in_time = tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok();
        self.kill.cancel();
        in_time
    }
}

/// The words of a panic, for the log.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words")
}
