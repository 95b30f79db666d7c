//! Making a conversation begin later.

use std::sync::Arc;

use exoclaw_protocol::{ErrorCode, RpcError, SessionCompactParams, SessionCompactResult, TokenName};
use exoclaw_store::{Page, Record};
use futures::FutureExt;

use super::{Inner, Runtime, summary::Summarizing};
use crate::{hub::Change, journal::read_refusal, sessions::Lease};

/// Entries that are read at once.
const PAGE: Page = Page { entries: 256, bytes: 1024 * 1024 };

/// Where a conversation is to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Number of its first record at present.
    pub(super) first_seq: u64,
    /// Number of the record that stands for what left it before.
    pub(super) summary_seq: u64,
    /// Number of the first record that stays.
    pub(super) from: u64,
}

impl Runtime {
    /// Answers `session.compact`: older messages leave the conversation, and stay in the journal.
    ///
    /// # Errors
    /// `busy` while a run is under way or waiting; `invalid_params` when nothing is to be kept; when the session names an
    /// unknown agent, can't be read or written, or the daemon is stopping. Of a summary: when its model fails or says nothing, a
    /// budget has no room, somebody stops it, or a run has begun meanwhile; then the conversation is as it was.
    pub async fn compact_session(&self, params: SessionCompactParams) -> Result<SessionCompactResult, RpcError> {
        self.compact_session_by(None, params).await
    }

    /// The same, for a credential: what a summary costs counts against its budgets too.
    ///
    /// # Errors
    /// As [`compact_session`](Self::compact_session).
    pub async fn compact_session_by(
        &self,
        by: Option<TokenName>,
        SessionCompactParams { session, keep, summarize }: SessionCompactParams,
    ) -> Result<SessionCompactResult, RpcError> {
        let session = self.inner.resolve(&session)?;
        if keep == 0 {
            return Err(RpcError::invalid_params("keep at least one message; session.reset keeps none"));
        }
        if summarize {
            let summarizing = Summarizing::begin(self.inner.clone(), session, by).await?;
            return summarizing.compact(keep).await;
        }
        let change = move |inner: Arc<Inner>, lease: Lease| async move { inner.compact(&lease, keep).await }.boxed();
        self.inner.change(&session, change).await
    }
}

impl Inner {
    async fn compact(&self, lease: &Lease, keep: u32) -> Result<SessionCompactResult, RpcError> {
        let (cut, kept) = self.find_cut(lease, keep).await?;
        if let Some(Cut { from, .. }) = cut {
            self.append(lease, vec![Record::Compacted { from, summarized: false }]).await?;
            self.begin_at(lease, from, 0, Change::Compacted);
        }
        Ok(SessionCompactResult { compacted: cut.is_some(), kept })
    }

    /// Where the conversation would begin with so many of the newest messages, and how many it has then; no such place where it
    /// has no more.
    pub(super) async fn find_cut(&self, lease: &Lease, keep: u32) -> Result<(Option<Cut>, u32), RpcError> {
        let session = lease.session();
        let (first_seq, summary_seq) = {
            let state = session.lock();
            if state.is_active() {
                return Err(active());
            }
            (state.first_seq, state.summary_seq)
        };
        let (mut kept, mut before, mut from) = (0, None, None);
        loop {
            let entries = self.store.tail(session.key(), before, PAGE).await.map_err(|error| read_refusal(&error))?;
            for entry in entries.iter().rev() {
                let is_message = matches!(entry.record, Record::Accepted { .. }) && entry.seq >= first_seq;
                if is_message
                    && kept == keep
                    && let Some(from) = from
                {
                    return Ok((Some(Cut { first_seq, summary_seq, from }), kept));
                }
                if is_message {
                    kept += 1;
                    from = Some(entry.seq);
                }
            }
            match entries.first() {
                Some(oldest) if oldest.seq > first_seq.max(1) => before = Some(oldest.seq),
                _ => return Ok((None, kept)),
            }
        }
    }
}

pub(super) fn active() -> RpcError {
    RpcError::new(ErrorCode::Busy, "a run is under way: wait for its end, or stop it")
}
