//! What changes in any session, for whoever shows a list of them.

use std::sync::Arc;

use exoclaw_protocol::{RunId, SessionKey};
use tokio::sync::broadcast;

/// Changes that are kept for readers. Nobody waits for a reader: one that falls behind by more misses the oldest, and is
/// told so.
const KEPT: usize = 1_024;

/// What became of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A message was made durable.
    Sent,
    /// A note was added.
    Noted,
    /// A run ended.
    Ended(RunId),
    /// Its settings changed.
    Set,
    /// A new conversation began.
    Reset,
    /// The conversation begins later than before.
    Compacted,
    /// Nothing is left of it.
    Deleted,
}

/// A change of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionChange {
    /// The session.
    pub session: SessionKey,
    /// What became of it.
    pub change: Change,
}

/// Tells all readers.
#[derive(Debug, Clone)]
pub(crate) struct Changes(broadcast::Sender<Arc<SessionChange>>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }
}

impl Changes {
    /// Costs nothing where nobody reads.
    pub(crate) fn tell(&self, session: &SessionKey, change: Change) {
        if self.0.receiver_count() > 0 {
            // The last reader may have left just now.
            self.0.send(Arc::new(SessionChange { session: session.clone(), change })).ok();
        }
    }

    pub(crate) fn read(&self) -> ChangeFeed {
        ChangeFeed(self.0.subscribe())
    }
}

/// A reader of the changes of all sessions.
#[derive(Debug)]
pub struct ChangeFeed(broadcast::Receiver<Arc<SessionChange>>);

/// The reader was too slow: so many changes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("missed {0} changes of sessions")]
pub struct Missed(pub u64);

impl ChangeFeed {
    /// The next change, as soon as there is one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When changes were missed; the next call goes on after them.
    pub async fn next(&mut self) -> Result<Arc<SessionChange>, Missed> {
        match self.0.recv().await {
            Ok(change) => Ok(change),
            Err(broadcast::error::RecvError::Lagged(missed)) => Err(Missed(missed)),
            // The runtime is gone, and nothing changes any more.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}
