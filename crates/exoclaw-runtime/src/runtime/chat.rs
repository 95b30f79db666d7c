//! What a session has said, and what happens in it.

use exoclaw_protocol::{
    ChatHistoryParams, ChatHistoryResult, ChatSendParams, IdempotencyKey, RpcError, RunId, SessionKey, SessionRef,
    SessionSubscribeParams, SessionSubscribeResult, limits,
};

use super::Runtime;
use crate::{
    history::{self, Wanted},
    hub::Subscription,
    journal::read_refusal,
};

impl Runtime {
    /// The canonical name of a session.
    ///
    /// # Errors
    /// When it names an unknown agent, or does not fit into a key.
    pub fn session_key(&self, session: &SessionRef) -> Result<SessionKey, RpcError> {
        self.inner.resolve(session)
    }

    /// The session that a message goes to.
    ///
    /// # Errors
    /// When its target is not valid, or names an unknown agent.
    pub fn session_of(&self, message: &ChatSendParams) -> Result<SessionKey, RpcError> {
        self.inner.session_of(&message.target()?)
    }

    /// The run that answers the message which was sent under a key.
    ///
    /// # Errors
    /// When the session names an unknown agent, or can't be read.
    pub async fn run_of(&self, session: &SessionRef, key: &IdempotencyKey) -> Result<Option<RunId>, RpcError> {
        let session = self.inner.resolve(session)?;
        let found = self.inner.store.find_key(&session, key).await.map_err(|error| read_refusal(&error))?;
        Ok(found.map(|found| found.run_id))
    }

    /// Answers `chat.history`.
    ///
    /// # Errors
    /// When the session names an unknown agent, or can't be read.
    pub async fn history(&self, params: ChatHistoryParams) -> Result<ChatHistoryResult, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let limit = params.limit.unwrap_or(limits::HISTORY_MESSAGES).min(limits::HISTORY_MESSAGES) as usize;
        let max_bytes = params.max_bytes.unwrap_or(limits::HISTORY_BYTES).min(limits::HISTORY_BYTES) as usize;
        let max_message_bytes = params.max_message_bytes.unwrap_or(limits::HISTORY_BYTES) as usize;
        let lease = self.inner.sessions.lease(&session);
        let store = &*self.inner.store;
        lease.session().know(store).await.map_err(|error| read_refusal(&error))?;
        let (first_seq, summary_seq) = {
            let state = lease.session().lock();
            (state.first_seq, state.summary_seq)
        };
        let wanted = Wanted {
            first_seq,
            summary_seq,
            before: params.before,
            limit,
            max_bytes,
            max_message_bytes,
            attachments: params.attachments,
        };
        let messages = history::load(store, &session, wanted).await.map_err(|error| read_refusal(&error))?;
        Ok(ChatHistoryResult { session, messages })
    }

    /// Answers `session.subscribe`: from the event on that the client saw last, if all since are still kept; otherwise
    /// from now on, with a snapshot that holds exactly what was told before.
    ///
    /// # Errors
    /// When the session names an unknown agent, or can't be read.
    pub async fn subscribe(
        &self,
        params: SessionSubscribeParams,
    ) -> Result<(SessionSubscribeResult, Subscription), RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let lease = self.inner.sessions.lease(&session);
        if let (Some(epoch), Some(seq)) = (params.epoch, params.seq) {
            let recovered = {
                let state = lease.session().lock();
                state.ring.epoch() == epoch && state.ring.covers(seq)
            };
            if recovered {
                let result = SessionSubscribeResult { session, epoch, seq, recovered, snapshot: None };
                return Ok((result, Subscription::new(lease, epoch, seq)));
            }
        }
        let store = &*self.inner.store;
        lease.session().know(store).await.map_err(|error| read_refusal(&error))?;
        let view = lease.session().view();
        let (epoch, seq) = (view.epoch, view.seq);
        let snapshot = history::snapshot(store, &session, view).await.map_err(|error| read_refusal(&error))?;
        let result = SessionSubscribeResult { session, epoch, seq, recovered: false, snapshot: Some(snapshot) };
        Ok((result, Subscription::new(lease, epoch, seq)))
    }
}
