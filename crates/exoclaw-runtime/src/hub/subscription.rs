//! A reader's place in the events of a session.

use std::sync::Arc;

use tokio::sync::watch;

use super::Published;
use crate::sessions::Lease;

/// A cursor into the events of one session. It queues nothing: a reader that stalls costs no memory, it falls behind.
#[derive(Debug)]
pub struct Subscription {
    lease: Lease,
    epoch: u64,
    seq: u64,
    newest: watch::Receiver<u64>,
}

/// The reader fell so far behind that events which it has not read are gone. It starts again with a new subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("fell behind: the oldest event that is still kept is number {oldest}")]
pub struct Lagged {
    /// Number of the oldest event that is still there.
    pub oldest: u64,
}

impl Subscription {
    pub(crate) fn new(lease: Lease, epoch: u64, seq: u64) -> Self {
        let newest = lease.session().newest();
        Self { lease, epoch, seq, newest }
    }

    /// The session.
    pub fn session(&self) -> &exoclaw_protocol::SessionKey {
        self.lease.session().key()
    }

    /// Epoch and number of the last event that was read.
    pub fn position(&self) -> (u64, u64) {
        (self.epoch, self.seq)
    }

    /// The next event, as soon as there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the event is no longer kept; each further call says the same.
    pub async fn next(&mut self) -> Result<Arc<Published>, Lagged> {
        loop {
            self.newest.mark_unchanged();
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            // The sender lives in the session, which the lease keeps.
            if self.newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The next event, if it has already happened. A reader that is far behind gets deltas put together: they are fewer to
    /// write, and it may catch up before the oldest are gone.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Arc<Published>>, Lagged> {
        let event = self.lease.session().lock().ring.after(self.seq)?;
        if let Some(event) = &event {
            self.seq = event.event().seq;
        }
        Ok(event)
    }
}
