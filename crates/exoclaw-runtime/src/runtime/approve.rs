//! Answers to calls that wait for somebody to allow them.

use exoclaw_protocol::{
    Approval, ApprovalListParams, ApprovalListResult, ApprovalResolveParams, ApprovalResolveResult, ErrorCode,
    RpcError, TokenName,
};
use tokio::sync::oneshot;

use super::Runtime;
use crate::approvals::Answer;

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

    /// Answers `approval.resolve`, once the answer is durable. There is one answer to each approval.
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
            let text = "the run ended before the answer was recorded: the call is not made by it";
            Err(RpcError::new(ErrorCode::Interrupted, text))
        })
    }
}

fn unknown(id: &exoclaw_protocol::ApprovalId) -> RpcError {
    let text = format!("no approval {id} waits: it was answered, has expired, or never was");
    RpcError::new(ErrorCode::UnknownApproval, text)
}
