//! The way to stop a run.

use std::sync::{Arc, OnceLock};

use exoclaw_protocol::AbortReason;
use tokio_util::sync::CancellationToken;

/// Stops one run, whoever holds a clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    token: CancellationToken,
    reason: Arc<OnceLock<AbortReason>>,
}

impl Stop {
    /// The first reason counts.
    pub(crate) fn now(&self, reason: AbortReason) {
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// Resolves when the run is to stop, with the reason.
    pub(crate) async fn asked(&self) -> AbortReason {
        self.token.cancelled().await;
        self.reason.get().copied().unwrap_or_default()
    }
}
