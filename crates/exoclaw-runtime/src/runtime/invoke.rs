//! Calls of tools by people, outside of any run.

use std::{sync::Arc, time::Duration};

use exoclaw_agent::{Invocation, Tools};
use exoclaw_protocol::{
    ApprovalId, CallId, Decision, ErrorCode, RpcError, SessionKey, SessionRef, ToolCall, ToolOutput, ToolSpec,
};
use exoclaw_store::audit;
use serde_json::Value;
use tokio::sync::mpsc;

use super::Runtime;
use crate::{
    approvals::{approval_id, entry},
    clock::new_run_id,
    config::Agent,
    journal::arguments_digest,
    session::shutting_down,
    tools::{RunTools, Tapes, display_name},
};

/// What became of a call by hand.
#[derive(Debug, Clone, PartialEq)]
pub enum Invoked {
    /// The agent has no such tool.
    Unknown,
    /// It had to be allowed, and was not: it is not made.
    Refused {
        /// What was asked.
        approval: ApprovalId,
        /// What became of that.
        decision: Decision,
    },
    /// It was made.
    Done(ToolOutput),
}

impl Runtime {
    /// The tools that a session's agent offers its model now.
    ///
    /// # Errors
    /// When the session names an unknown agent.
    pub fn tools_of(&self, session: &SessionRef) -> Result<Arc<[ToolSpec]>, RpcError> {
        let (_, agent) = self.agent_of(session)?;
        Ok(agent.tools.specs())
    }

    /// Calls a tool of a session's agent, `plugin.tool`, under the grants that it has when the model calls it. A call that has
    /// to be allowed waits for that first, as one of a run does. The call is in no journal: nobody takes it up after a crash,
    /// and whoever drops the future withdraws the question and stops the call.
    ///
    /// # Errors
    /// `busy` where too many calls wait to be allowed; when the session names an unknown agent, the store takes no writes, or
    /// the daemon is stopping.
    pub async fn invoke_tool(&self, session: &SessionRef, tool: &str, input: Value) -> Result<Invoked, RpcError> {
        let (session, agent) = self.agent_of(session)?;
        self.ready()?;
        let specs = agent.tools.specs();
        let Some(spec) = specs.iter().find(|spec| display_name(&spec.name) == tool) else {
            return Ok(Invoked::Unknown);
        };
        let inner = &self.inner;
        let run_id = new_run_id(&*inner.clock);
        let id: CallId =
            run_id.as_str().parse().map_err(|_| RpcError::new(ErrorCode::Internal, "the call has no name"))?;
        if let Some(effect) = agent.tools.asks_for(&spec.name) {
            let approval = approval_id(&run_id, 0, &id, &arguments_digest(&input));
            let open = self.open(approval, session.clone(), tool.to_owned(), input.clone(), effect, Duration::MAX)?;
            inner.audit.note(entry("ask", audit::Decision::Asked, open.approval()));
            let approval = open.approval().id.clone();
            let decided = tokio::select! {
                biased;
                decided = open.decided(&*inner.clock, &inner.audit) => decided,
                () = inner.closing.cancelled() => return Err(shutting_down()),
            };
            if decided.decision != Decision::Allowed {
                return Ok(Invoked::Refused { approval, decision: decided.decision });
            }
        }
        let call = ToolCall { id, name: spec.name.clone(), input };
        let tools = RunTools::new(agent.tools.clone(), inner.store.clone(), &session, run_id, Tapes::Record(None));
        // Nobody listens to what it says meanwhile.
        let (progress, _) = mpsc::channel(1);
        let tools = tools.with_audit(inner.audit.clone());
        Ok(Invoked::Done(tools.call(Invocation { step: 0, call, progress }).await.output))
    }

    pub(super) fn agent_of(&self, session: &SessionRef) -> Result<(SessionKey, Arc<Agent>), RpcError> {
        let session = self.inner.resolve(session)?;
        let agent = self.inner.agent(session.agent()).ok_or_else(|| {
            RpcError::new(ErrorCode::UnknownAgent, format!("the config names no agent {:?}", session.agent()))
        })?;
        Ok((session, agent))
    }
}
