//! Deleting a session.

use std::sync::Arc;

use exoclaw_protocol::{AbortReason, RpcError, RunId, SessionDeleteParams, SessionDeleteResult, SessionKey};
use exoclaw_store::{Page, Record};
use futures::FutureExt;

use super::{Inner, Runtime};
use crate::{
    hub::Change,
    journal::{append_refusal, read_refusal},
    sessions::Lease,
};

/// Entries that are read at once.
const PAGE: Page = Page { entries: 256, bytes: 1024 * 1024 };

impl Runtime {
    /// Answers `session.delete`: stops the session's runs, and leaves nothing of it behind. Its name can be used again.
    ///
    /// # Errors
    /// When the session names an unknown agent, the store takes no writes, or the daemon is stopping.
    pub async fn delete_session(&self, params: SessionDeleteParams) -> Result<SessionDeleteResult, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let change = |inner: Arc<Inner>, lease: Lease| async move { inner.delete(&lease).await }.boxed();
        let deleted = self.inner.change(&session, change).await?;
        Ok(SessionDeleteResult { deleted })
    }
}

impl Inner {
    async fn delete(self: &Arc<Self>, lease: &Lease) -> Result<bool, RpcError> {
        self.stop_runs(lease, None, AbortReason::Reset).await?;
        let key = lease.session().key();
        if let Some(recordings) = &self.recordings {
            // First, for afterwards nobody knows which they are.
            recordings.forget(self.runs_of(key).await?).await;
        }
        let deleted = self.store.delete(key).await.map_err(|error| append_refusal(&error))?;
        self.recent.forget(key);
        lease.session().forget();
        self.begin_at(lease, 0, 0, Change::Deleted);
        Ok(deleted)
    }

    async fn runs_of(&self, session: &SessionKey) -> Result<Vec<RunId>, RpcError> {
        let (mut runs, mut after) = (Vec::new(), 0);
        loop {
            let entries = self.store.read(session, after, PAGE).await.map_err(|error| read_refusal(&error))?;
            let Some(last) = entries.last() else { return Ok(runs) };
            after = last.seq;
            runs.extend(entries.into_iter().filter_map(|entry| match entry.record {
                Record::Accepted { run_id, .. } => Some(run_id),
                _ => None,
            }));
        }
    }
}
