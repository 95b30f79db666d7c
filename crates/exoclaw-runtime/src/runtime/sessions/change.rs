//! Changes of one session, made between its messages.

use std::sync::Arc;

use exoclaw_protocol::{
    AbortReason, Block, ChatInjectParams, ChatInjectResult, ErrorCode, Event, Message, NoteBy, Role, RpcError,
    SessionCompactParams, SessionCompactResult, SessionInfo, SessionKey, SessionPatchParams, SessionResetParams,
};
use exoclaw_store::{Appended, Page, Record};
use futures::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

use super::{Inner, Runtime};
use crate::{
    clock::new_run_id,
    hub::Change,
    journal::{append_refusal, read_refusal},
    session::{Intake, shutting_down},
    sessions::Lease,
};

/// Entries that are read at once.
const PAGE: Page = Page { entries: 256, bytes: 1024 * 1024 };

impl Runtime {
    /// Answers `session.patch`. A session that was never used is made.
    ///
    /// # Errors
    /// `invalid_params` when a setting is not valid or the agent does not offer the model; when the session names an unknown
    /// agent, the store takes no writes, or the daemon is stopping.
    pub async fn patch_session(&self, params: SessionPatchParams) -> Result<SessionInfo, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        if let Some(Some(model)) = &params.model {
            self.inner.check_model(&session, model)?;
        }
        let change = move |inner: Arc<Inner>, lease: Lease| {
            async move {
                let settings = params.apply(&lease.session().lock().settings)?;
                inner.append(&lease, Record::Set { settings: settings.clone() }).await?;
                lease.session().lock().settings = settings;
                lease.session().changed(Change::Set);
                Ok(())
            }
            .boxed()
        };
        self.inner.change(&session, change).await?;
        self.inner.info_of(&session).await
    }

    /// Answers `session.reset`: stops the session's runs and begins a new conversation under its key. The old one stays in
    /// the journal.
    ///
    /// # Errors
    /// When the session names an unknown agent, the store takes no writes, or the daemon is stopping.
    pub async fn reset_session(&self, params: SessionResetParams) -> Result<SessionInfo, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let change = |inner: Arc<Inner>, lease: Lease| {
            async move {
                inner.stop_runs(&lease, None, AbortReason::Reset).await?;
                let appended = inner.append(&lease, Record::Reset {}).await?;
                inner.begin_at(&lease, appended.last + 1, Change::Reset);
                Ok(())
            }
            .boxed()
        };
        self.inner.change(&session, change).await?;
        self.inner.info_of(&session).await
    }

    /// Answers `session.compact`: older messages leave the conversation, and stay in the journal.
    ///
    /// # Errors
    /// `busy` while a run is under way or waiting; `invalid_params` when nothing is to be kept; when the session names an
    /// unknown agent, can't be read or written, or the daemon is stopping.
    pub async fn compact_session(&self, params: SessionCompactParams) -> Result<SessionCompactResult, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let keep = params.keep;
        if keep == 0 {
            return Err(RpcError::invalid_params("keep at least one message; session.reset keeps none"));
        }
        let change = move |inner: Arc<Inner>, lease: Lease| async move { inner.compact(&lease, keep).await }.boxed();
        self.inner.change(&session, change).await
    }

    /// Answers `chat.inject`: puts something into the conversation that no run answers.
    ///
    /// # Errors
    /// `invalid_params` when there is no text; when the session names an unknown agent, the store takes no writes, or the
    /// daemon is stopping.
    pub async fn inject(&self, params: ChatInjectParams) -> Result<ChatInjectResult, RpcError> {
        let session = self.inner.resolve(&params.session)?;
        let ChatInjectParams { text, by, .. } = params;
        if text.trim().is_empty() {
            return Err(RpcError::invalid_params("the text is empty"));
        }
        let role = match by {
            NoteBy::Assistant => Role::Assistant,
            NoteBy::System => Role::User,
        };
        let message = Message { role, content: vec![Block::Text { text }] };
        let change = move |inner: Arc<Inner>, lease: Lease| {
            async move {
                let run_id = new_run_id(&*inner.clock);
                let noted = Record::Noted { run_id: run_id.clone(), message: message.clone() };
                let seq = inner.append(&lease, noted).await?.last;
                lease.session().note(&run_id, message, seq);
                Ok(ChatInjectResult { run_id, session: lease.session().key().clone(), seq })
            }
            .boxed()
        };
        self.inner.change(&session, change).await
    }
}

impl Inner {
    /// Makes a change while no message of the session is accepted. It is made even if whoever asked for it leaves.
    pub(super) async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        session: &SessionKey,
        work: impl FnOnce(Arc<Self>, Lease) -> BoxFuture<'static, Result<T, RpcError>> + Send + 'static,
    ) -> Result<T, RpcError> {
        if self.closing.is_cancelled() {
            return Err(shutting_down());
        }
        let lease = self.sessions.lease(session);
        let (done, changed) = oneshot::channel();
        let (inner, own) = (self.clone(), lease.clone());
        let change = async move {
            let outcome = match own.session().know(&*inner.store).await {
                Ok(()) => work(inner, own).await,
                Err(error) => Err(read_refusal(&error)),
            };
            done.send(outcome).ok();
        };
        let starts = {
            let mut state = lease.session().lock();
            if !state.has_room_for_change() {
                return Err(RpcError::new(ErrorCode::Busy, "the session is being changed: try again in a moment"));
            }
            state.intake.push_back(Intake::Change(change.boxed()));
            !std::mem::replace(&mut state.accepting, true)
        };
        if starts {
            self.accept(&lease)?;
        }
        changed.await.map_err(|_| RpcError::new(ErrorCode::Internal, "the change was not made: the log says why"))?
    }

    async fn append(&self, lease: &Lease, record: Record) -> Result<Appended, RpcError> {
        let appended = self.store.append(lease.session().key(), self.clock.now_ms(), vec![record]).await;
        appended.map_err(|error| append_refusal(&error))
    }

    /// The conversation begins at this record from now on, and everybody who watches is told.
    pub(super) fn begin_at(&self, lease: &Lease, first_seq: u64, change: Change) {
        let mut state = lease.session().lock();
        state.first_seq = first_seq;
        lease.session().publish(&mut state, &new_run_id(&*self.clock), Event::Reset {});
        lease.session().changed(change);
    }

    async fn compact(&self, lease: &Lease, keep: u32) -> Result<SessionCompactResult, RpcError> {
        let session = lease.session();
        let first_seq = {
            let state = session.lock();
            if state.is_active() {
                let text = "a run is under way: wait for its end, or stop it";
                return Err(RpcError::new(ErrorCode::Busy, text));
            }
            state.first_seq
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
                    self.append(lease, Record::Compacted { from }).await?;
                    self.begin_at(lease, from, Change::Compacted);
                    return Ok(SessionCompactResult { compacted: true, kept });
                }
                if is_message {
                    kept += 1;
                    from = Some(entry.seq);
                }
            }
            match entries.first() {
                Some(oldest) if oldest.seq > first_seq.max(1) => before = Some(oldest.seq),
                _ => return Ok(SessionCompactResult { compacted: false, kept }),
            }
        }
    }

    fn check_model(&self, session: &SessionKey, model: &str) -> Result<(), RpcError> {
        let agent = self.agent(session.agent());
        if agent.is_some_and(|agent| agent.config.offers(model)) {
            return Ok(());
        }
        let text = format!("the agent {} does not offer the model {model:?}: its config names others", session.agent());
        Err(RpcError::invalid_params(text))
    }
}
