//! Calls that wait for somebody to allow them, and answers to them.

use std::{sync::Arc, time::Duration};

use exoclaw_protocol::{
    Approval, ApprovalId, ApprovalListParams, ApprovalListResult, ApprovalResolveParams, ApprovalResolveResult, Effect,
    ErrorCode, RpcError, SessionKey, TokenName,
};
use serde_json::Value;
use tokio::sync::{broadcast, oneshot};

use super::Runtime;
use crate::{
    approvals::{Answer, ApprovalEvent, Open, Outcome, Question},
    clock::new_run_id,
    journal::arguments_digest,
    session::shutting_down,
};

impl Runtime {
    /// Answers `approval.list`.
    ///
    /// # Errors
    /// When the session names an unknown agent.
    pub fn approvals(&self, params: &ApprovalListParams) -> Result<ApprovalListResult, RpcError> {
        let session = params.session.as_ref().map(|session| self.inner.resolve(session)).transpose()?;
        let mut approvals = self.inner.approvals.list();
        approvals.retain(|approval| session.as_ref().is_none_or(|session| approval.session == *session));
        Ok(ApprovalListResult { approvals })
    }

    /// Asks for something that a client wants to do elsewhere, whether or not it stays: [`outcome`](Self::outcome) tells
    /// what becomes of it. It is kept in no journal, and ends with the process.
    ///
    /// # Errors
    /// `busy` where too many wait, `conflict` where one of that name does; when the session names an unknown agent, the
    /// store takes no writes, or the daemon is stopping.
    pub fn ask(&self, question: Question) -> Result<Approval, RpcError> {
        let Question { id, session, what, input, lifetime } = question;
        self.ready()?;
        let session = self.agent_of(&session)?.0;
        let open = self.open(id, session, what, input, Effect::Once, lifetime)?;
        let approval = open.approval().clone();
        let inner = Arc::clone(&self.inner);
        let waits = async move {
            // Both only wait; what is not decided when the daemon stops never is.
            tokio::select! {
                biased;
                _ = open.decided(&*inner.clock, &inner.audit) => {}
                () = inner.closing.cancelled() => {}
            }
        };
        self.inner.tasks.spawn("approval", waits).map_err(|_| shutting_down())?;
        Ok(approval)
    }

    /// Tells what becomes of something that was asked, once it is known. None where nothing of that name waits, or it was
    /// decided too long ago.
    pub async fn outcome(&self, id: &ApprovalId) -> Option<Outcome> {
        self.inner.approvals.outcome(id).await
    }

    /// What happens to approvals outside of runs, from here on. Those of runs are told by their sessions.
    pub fn approval_events(&self) -> broadcast::Receiver<Arc<ApprovalEvent>> {
        self.inner.approvals.events()
    }

    pub(super) fn open(
        &self,
        id: ApprovalId,
        session: SessionKey,
        tool: String,
        input: Value,
        effect: Effect,
        lifetime: Duration,
    ) -> Result<Open, RpcError> {
        let inner = &self.inner;
        let run_id = new_run_id(&*inner.clock);
        let call_id =
            run_id.as_str().parse().map_err(|_| RpcError::new(ErrorCode::Internal, "the call has no name"))?;
        let now_ms = inner.clock.now_ms();
        let lifetime = u64::try_from(lifetime.min(inner.approval_lifetime).as_millis()).unwrap_or(u64::MAX);
        let (digest, expires_ms) = (arguments_digest(&input), now_ms.saturating_add(lifetime));
        inner.approvals.ask(Approval { id, session, run_id, call_id, tool, input, digest, effect, expires_ms }, now_ms)
    }

    /// Answers `approval.resolve`, once the answer is durable: of a run in its journal, else in the audit trail. There is one answer to each approval.
    ///
    /// # Errors
    /// `unknown_approval` when it was answered, has expired or never was; `conflict` when it is of another session, tool
    /// or set of arguments than the one that is answered; when the store takes no writes, or the daemon is stopping.
    pub async fn resolve_approval(
        &self,
        by: Option<TokenName>,
        params: ApprovalResolveParams,
    ) -> Result<ApprovalResolveResult, RpcError> {
        let ApprovalResolveParams { id, session, tool, digest, verdict } = params;
        let session = self.inner.resolve(&session)?;
        self.ready()?;
        let now_ms = self.inner.clock.now_ms();
        let fits = |asked: &Approval| {
            if asked.session != session || asked.tool != tool || asked.digest != digest {
                let text = format!("the approval {id} is of another session, tool or arguments: look at it again");
                return Err(RpcError::new(ErrorCode::Conflict, text));
            }
            if asked.expires_ms <= now_ms { Err(unknown(&id)) } else { Ok(()) }
        };
        let answer = self.inner.approvals.take(&id, fits)?.ok_or_else(|| unknown(&id))?;
        let (done, durable) = oneshot::channel();
        answer.send(Answer { verdict, by, done }).map_err(|_| unknown(&id))?;
        // The run makes it durable, whether or not anybody still waits for that here.
        durable.await.unwrap_or_else(|_| {
            let text = "whoever asked left before the answer was recorded: the call is not made";
            Err(RpcError::new(ErrorCode::Interrupted, text))
        })
    }
}

fn unknown(id: &ApprovalId) -> RpcError {
    let text = format!("no approval {id} waits: it was answered, has expired, or never was");
    RpcError::new(ErrorCode::UnknownApproval, text)
}
