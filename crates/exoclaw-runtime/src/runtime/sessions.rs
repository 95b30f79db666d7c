//! The sessions: which there are, and what is known of them.

use exoclaw_protocol::{
    RpcError, SessionGetParams, SessionInfo, SessionKey, SessionListParams, SessionListResult, SessionResolveParams,
    limits,
};
use exoclaw_store::{SessionFilter, SessionSummary};
use sha2::{Digest, Sha256};

use super::{Inner, Runtime};
use crate::{hub::ChangeFeed, journal::read_refusal};

mod change;
mod compact;
mod delete;
mod preview;
mod search;
mod summary;

impl Runtime {
    /// Answers `session.list`.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn sessions(&self, params: SessionListParams) -> Result<SessionListResult, RpcError> {
        let since_ms = params.active_within_ms.map_or(0, |within| self.inner.clock.now_ms().saturating_sub(within));
        let filter = SessionFilter {
            limit: params.limit.unwrap_or(limits::SESSION_LIST).min(limits::SESSION_LIST),
            agent: params.agent,
            label: params.label,
            text: params.search,
            since_ms,
            archived: Some(params.archived),
        };
        let found = self.inner.find_sessions(filter).await?;
        Ok(SessionListResult { sessions: found.into_iter().filter_map(|found| self.inner.info(found)).collect() })
    }

    /// Answers `session.get`.
    ///
    /// # Errors
    /// `unknown_session` when it was never used; when it names an unknown agent, or the store can't be read.
    pub async fn session(&self, params: SessionGetParams) -> Result<SessionInfo, RpcError> {
        self.inner.info_of(&self.inner.resolve(&params.session)?).await
    }

    /// The changes of all sessions, from now on.
    pub fn changes(&self) -> ChangeFeed {
        self.inner.sessions.changes()
    }

    /// Answers `session.resolve`: the session with this key, conversation or label; of several, the one used last.
    ///
    /// # Errors
    /// `unknown_session` when there is none; `invalid_params` unless it is asked for by exactly one of the three.
    pub async fn resolve_session(&self, params: SessionResolveParams) -> Result<SessionInfo, RpcError> {
        let (filter, id) = match params {
            SessionResolveParams { session: Some(session), id: None, label: None } => {
                return self.inner.info_of(&self.inner.resolve(&session)?).await;
            }
            SessionResolveParams { session: None, id: Some(id), label: None } => {
                (SessionFilter::latest(u32::MAX), Some(id))
            }
            SessionResolveParams { session: None, id: None, label: Some(label) } => {
                (SessionFilter { label: Some(label), ..SessionFilter::latest(1) }, None)
            }
            _ => return Err(RpcError::invalid_params("give one of session, id and label")),
        };
        let found = self.inner.find_sessions(filter).await?.into_iter();
        let mut found = found.filter(|summary| id.as_ref().is_none_or(|id| conversation_id(summary) == *id));
        let info = found.next().and_then(|summary| self.inner.info(summary));
        info.ok_or_else(|| unknown("no session has this id or label"))
    }
}

impl Inner {
    async fn find_sessions(&self, filter: SessionFilter) -> Result<Vec<SessionSummary>, RpcError> {
        self.store.sessions(filter).await.map_err(|error| read_refusal(&error))
    }

    async fn info_of(&self, session: &SessionKey) -> Result<SessionInfo, RpcError> {
        let found = self.store.session(session).await.map_err(|error| read_refusal(&error))?;
        let info = found.and_then(|summary| self.info(summary));
        info.ok_or_else(|| unknown(&format!("the session {session} was never used")))
    }

    /// None of a session whose key names no agent that can be.
    fn info(&self, summary: SessionSummary) -> Option<SessionInfo> {
        let agent = summary.session.agent().parse().ok()?;
        let active = self.sessions.is_active(&summary.session);
        let id = conversation_id(&summary);
        let SessionSummary { session, created_ms, updated_ms, messages, conversation, spent, .. } = summary;
        let exoclaw_store::Conversation { title, settings, origin, to, .. } = conversation;
        Some(SessionInfo {
            session,
            id,
            agent,
            created_ms,
            updated_ms,
            messages,
            active,
            title,
            settings,
            origin,
            to,
            spent,
        })
    }
}

/// Follows from when the session and its conversation began, in the shape of a UUID (version 8, RFC 9562).
fn conversation_id(summary: &SessionSummary) -> String {
    let SessionSummary { session, created_ms, conversation, .. } = summary;
    let digest = Sha256::digest(format!("{session}\0{created_ms}\0{}", conversation.reset_seq));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

fn unknown(text: &str) -> RpcError {
    RpcError::new(exoclaw_protocol::ErrorCode::UnknownSession, text)
}
