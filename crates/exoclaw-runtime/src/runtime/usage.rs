//! What models used and cost.

use exoclaw_protocol::{RpcError, SessionSpent, Spent, UsageParams, UsageResult};

use super::Runtime;
use crate::journal::read_refusal;

impl Runtime {
    /// Answers `usage`.
    ///
    /// # Errors
    /// When the session names an unknown agent, or can't be read.
    pub async fn usage(&self, params: UsageParams) -> Result<UsageResult, RpcError> {
        let inner = &self.inner;
        let session = match &params.session {
            None => None,
            Some(session) => {
                let session = inner.resolve(session)?;
                let found = inner.store.spending(Some(&session), 0).await.map_err(|error| read_refusal(&error))?;
                let mut spent = Spent::default();
                found.into_iter().for_each(|part| spent += part.spent);
                Some(SessionSpent { session, spent })
            }
        };
        Ok(inner.ledger.report(session, inner.clock.now_ms()))
    }
}
