//! Calls of tools by people, outside of any run.

use std::sync::Arc;

use exoclaw_agent::{Invocation, Tools};
use exoclaw_protocol::{ErrorCode, RpcError, SessionRef, ToolCall, ToolOutput, ToolSpec};
use serde_json::Value;
use tokio::sync::mpsc;

use super::Runtime;
use crate::{
    clock::new_run_id,
    config::Agent,
    tools::{RunTools, Tapes, display_name},
};

impl Runtime {
    /// The tools that a session's agent offers its model now.
    ///
    /// # Errors
    /// When the session names an unknown agent.
    pub fn tools_of(&self, session: &SessionRef) -> Result<Arc<[ToolSpec]>, RpcError> {
        let (_, agent) = self.agent_of(session)?;
        Ok(agent.tools.specs())
    }

    /// Calls a tool of a session's agent, under the grants that it has when the model calls it; none where the agent has no
    /// such tool, `plugin.tool`. The call is in no journal: nobody takes it up after a crash, and whoever drops the future
    /// stops it.
    ///
    /// # Errors
    /// `forbidden` for a tool whose calls have to be allowed; when the session names an unknown agent, the store takes no
    /// writes, or the daemon is stopping.
    pub async fn invoke_tool(
        &self,
        session: &SessionRef,
        tool: &str,
        input: Value,
    ) -> Result<Option<ToolOutput>, RpcError> {
        let (session, agent) = self.agent_of(session)?;
        self.ready()?;
        let specs = agent.tools.specs();
        let Some(spec) = specs.iter().find(|spec| display_name(&spec.name) == tool) else { return Ok(None) };
        if agent.tools.asks_for(&spec.name).is_some() {
            let text = format!("calls of {tool} have to be allowed: send the agent a message, and answer its question");
            return Err(RpcError::new(ErrorCode::Forbidden, text));
        }
        let inner = &self.inner;
        let run_id = new_run_id(&*inner.clock);
        let id = run_id.as_str().parse().map_err(|_| RpcError::new(ErrorCode::Internal, "the call has no name"))?;
        let call = ToolCall { id, name: spec.name.clone(), input };
        let tools = RunTools::new(agent.tools.clone(), inner.store.clone(), &session, run_id, Tapes::Record(None));
        // Nobody listens to what it says meanwhile.
        let (progress, _) = mpsc::channel(1);
        let tools = tools.with_audit(inner.audit.clone());
        Ok(Some(tools.call(Invocation { step: 0, call, progress }).await.output))
    }

    fn agent_of(&self, session: &SessionRef) -> Result<(exoclaw_protocol::SessionKey, Arc<Agent>), RpcError> {
        let session = self.inner.resolve(session)?;
        let agent = self.inner.agent(session.agent()).ok_or_else(|| {
            RpcError::new(ErrorCode::UnknownAgent, format!("the config names no agent {:?}", session.agent()))
        })?;
        Ok((session, agent))
    }
}
