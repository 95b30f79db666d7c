//! Changes of one session, made between its messages.

use std::sync::Arc;

use exoclaw_protocol::{
    AbortReason, Block, ChatInjectParams, ChatInjectResult, ErrorCode, Event, Message, NoteBy, Role, RpcError,
    SessionInfo, SessionKey, SessionPatchParams, SessionResetParams,
};
use exoclaw_store::{Appended, Record};
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
                inner.append(&lease, vec![Record::Set { settings: settings.clone() }]).await?;
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
                let appended = inner.append(&lease, vec![Record::Reset {}]).await?;
                inner.begin_at(&lease, appended.last + 1, 0, Change::Reset);
                Ok(())
            }
            .boxed()
        };
        self.inner.change(&session, change).await?;
        self.inner.info_of(&session).await
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
                let seq = inner.append(&lease, vec![noted]).await?.last;
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

    pub(super) async fn append(&self, lease: &Lease, records: Vec<Record>) -> Result<Appended, RpcError> {
        let appended = self.store.append(lease.session().key(), self.clock.now_ms(), records).await;
        appended.map_err(|error| append_refusal(&error))
    }

    /// The conversation begins at this record from now on, with a summary or none, and everybody who watches is told.
    pub(super) fn begin_at(&self, lease: &Lease, first_seq: u64, summary_seq: u64, change: Change) {
        let mut state = lease.session().lock();
        (state.first_seq, state.summary_seq) = (first_seq, summary_seq);
        lease.session().publish(&mut state, &new_run_id(&*self.clock), Event::Reset {});
        lease.session().changed(change);
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
